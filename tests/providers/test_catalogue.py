"""The catalog: every fact has a source, a date and a grade; what is unknown is None; calls are recognized."""

import base64
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from auditor.client.renderer import Renderer
from auditor.model.endpoints import Auth, Grade
from auditor.model.errors import ConfigError
from auditor.registry import PROVIDERS

CALLS = [
    ("imejis", "POST", "https://render.imejis.io/v1/og-card?format=png", "og-card"),
    ("imejis", "GET", "https://render.imejis.io/v1/og%20card?dma-api-key=k", "og card"),
    ("imejis", "POST", "https://api.imejis.io/api/designs/og-card", "og-card"),
    ("imejis", "GET", "https://api.imejis.io/designs/v2", None),
    ("imejis", "DELETE", "https://render.imejis.io/v1/og-card", None),
    ("hcti", "POST", "https://hcti.io/v1/image/t-1", "t-1"),
    ("hcti", "POST", "https://hcti.io/v1/image", "html"),
    ("hcti", "GET", "https://hcti.io/v1/image/1a2b", None),
    ("hcti", "GET", "https://hcti.io/v1/usage", None),
    ("bannerbear", "POST", "https://sync.api.bannerbear.com/v2/images", "unknown"),
    ("bannerbear", "POST", "https://api.bannerbear.com/v5/images", "unknown"),
    ("bannerbear", "GET", "https://api.bannerbear.com/v2/images/abc", None),
    ("placid", "POST", "https://api.placid.app/api/rest/images", "unknown"),
    ("placid", "POST", "https://api.placid.app/api/rest/xiu3y", "xiu3y"),
    ("placid", "POST", "https://api.placid.app/api/rest/media", None),
    ("placid", "GET", "https://api.placid.app/api/rest/images/7", None),
    ("templated", "POST", "https://api.templated.io/v1/render", "unknown"),
    ("templated", "GET", "https://api.templated.io/v1/account", None),
    ("orshot", "POST", "https://api.orshot.com/v1/studio/render", "unknown"),
    ("renderform", "POST", "https://get.renderform.io/api/v2/render", "unknown"),
    ("renderform", "GET", "https://get.renderform.io/api/v1/usage", None),
    ("apitemplate", "POST", "https://rest.apitemplate.io/v2/create-image?template_id=7d9", "7d9"),
    ("apitemplate", "POST", "https://rest.apitemplate.io/v2/create-pdf", "unknown"),
    ("abyssale", "POST", "https://api.abyssale.com/banner-builder/c43/generate", "c43"),
    ("abyssale", "GET", "https://api.abyssale.com/templates", None),
    ("dynapictures", "POST", "https://api.dynapictures.com/designs/17a", "17a"),
    ("creatomate", "POST", "https://api.creatomate.com/v1/renders", "unknown"),
]
"""An address, and the template that it alone tells: `unknown` where the body names it, None for no render call."""
BODIES = [
    ("bannerbear", "https://api.bannerbear.com/v2/images",
     b'{"template":"t","modifications":[{"name":"a","text":"b"}],"webhook_url":"https://x","transparent":true}',
     "t", {"modifications": [{"name": "a", "text": "b"}]}, {"transparent": True}),
    ("templated", "https://api.templated.io/v1/render", b'{"template":"t","layers":{"a":{"text":"b"}},"format":"png"}',
     "t", {"a": {"text": "b"}}, {"format": "png"}),
    ("placid", "https://api.placid.app/api/rest/t", b'{"layers":{"a":{"text":"b"}},"passthrough":"7"}',
     "t", {"a": {"text": "b"}}, {}),
    ("apitemplate", "https://rest.apitemplate.io/v2/create-image?template_id=t&expiration=5",
     b'{"overrides":[{"name":"a"}]}', "t", {"overrides": [{"name": "a"}]}, {"expiration": "5"}),
    ("imejis", "https://render.imejis.io/v1/t?format=png", b'{"a":1}', "t", {"a": 1}, {"format": "png"}),
]  # fmt: skip
"""An address, a body, and the template, overrides and options that it becomes."""
SIZES = [
    ("bannerbear", 3000, 3000, "png", 1),
    ("bannerbear", 3001, 10, "png", 3),
    ("bannerbear", None, 10, "png", None),
    ("bannerbear", 10, 10, "pdf", 3),
    ("placid", 4000, 4000, "jpeg", 1),
    ("placid", 10, 4001, "jpeg", 8),
    ("placid", 12001, 1, "jpeg", 32),
    ("placid", 16001, 1, "jpeg", None),
    ("imejis", None, None, "png", 1),
    ("hcti", 10, 10, "png", None),
    ("imejis", None, None, "pdf", None),
    ("orshot", None, None, "pdf", 1),
]
"""Width, height and format of an image, and the credits that it costs; None is unknown."""


def test_prices_of_a_year_are_compared_by_the_month() -> None:
    """And say so wherever they are: Templated's listed months are twelfths of what is paid at once."""
    assert [(plan.period, plan.price, plan.monthly) for plan in PROVIDERS["templated"].plans] == [
        ("year", 348, 29), ("year", 948, 79), ("year", 2148, 179),
    ]  # fmt: skip
    for provider in PROVIDERS.values():
        told = "billed yearly" in " ".join(provider.notes)
        assert {plan.period for plan in provider.plans} <= {"year" if told else "month"}, provider.name


@pytest.mark.parametrize("name", PROVIDERS)
def test_calls_of_every_provider_are_tried(name: str) -> None:
    """At least one address that renders, so that the patterns of a new file have been seen to fit."""
    tried = any(provider == name and template is not None for provider, _, _, template in CALLS)
    host = PROVIDERS[name].hosts[0]
    assert tried, f'tests/providers/test_catalogue.py: add ("{name}", "POST", "https://{host}/…", "TEMPLATE") to CALLS'


@pytest.mark.parametrize(("provider", "method", "address", "template"), CALLS)
def test_a_render_call_is_known_by_its_address(provider: str, method: str, address: str, template: str | None) -> None:
    """By one provider alone; access logs have no bodies."""
    seen = {name: PROVIDERS[name].recognise(method, urlsplit(address), None) for name in PROVIDERS}
    found = {name: call.template for name, call in seen.items() if call is not None}
    assert found == ({provider: template} if template is not None else {})


@pytest.mark.parametrize(
    ("provider", "address", "body", "template", "overrides", "options"),
    BODIES,
)
def test_a_call_is_recognised_with_its_body(
    provider: str, address: str, body: bytes, template: str, overrides: object, options: object
) -> None:
    """What the image depends on is told from metadata and webhooks."""
    seen = PROVIDERS[provider].recognise("POST", urlsplit(address), body)
    assert seen is not None
    assert (seen.template, seen.overrides, seen.options) == (template, overrides, options)


@pytest.mark.parametrize("body", [None, b"", b"{}", b"[1]", b"{", b'{"template":null}'])
def test_a_call_that_names_no_template_is_not_made_up(body: bytes | None) -> None:
    """Two unread bodies would look like the same image."""
    seen = PROVIDERS["bannerbear"].recognise("POST", urlsplit("https://api.bannerbear.com/v2/images"), body)
    assert seen is not None and (seen.template, seen.told) == ("unknown", False)


def test_a_dry_run_renders_nothing() -> None:
    """It is no call where the body says so."""
    url = urlsplit("https://api.creatomate.com/v2/renders")
    for body, called in (
        (b'{"template_id":"t","dry_run":true}', False),
        (b'{"template_id":"t","dry_run":false}', True),
    ):
        assert (PROVIDERS["creatomate"].recognise("POST", url, body) is not None) is called


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_fact_has_its_source_and_date(name: str) -> None:
    """A plan without a price is not a plan, and nothing costs $0 but what is called free."""
    provider = PROVIDERS[name]
    assert provider.name == name
    assert provider.hosts
    assert provider.endpoints
    assert [plan.name for plan in provider.plans] == list(dict.fromkeys(plan.name for plan in provider.plans))
    for plan in provider.plans:
        assert plan.provider == name
        assert plan.source.startswith("https://")
        assert plan.checked is not None
        assert plan.checked >= date(2026, 1, 1)
        assert plan.grade is not Grade.CONFIGURED
        assert plan.included > 0
        assert (plan.price == 0) == (plan.name == "Free")
    if provider.billing != type(provider.billing)():
        assert provider.billing.source.startswith("https://")
        assert provider.billing.checked is not None
    if not provider.plans:
        assert any("unknown" in note for note in provider.notes), "a catalogue without plans says why"


@pytest.mark.parametrize(
    ("provider", "width", "height", "format", "credits"),
    SIZES,
)
def test_credits_of_a_picture(
    provider: str, width: int | None, height: int | None, format: str, credits: int | None
) -> None:
    """By the longest side; what the provider does not say is None."""
    found = PROVIDERS[provider].billing.credits(width, height, format)
    assert found == (None if credits is None else Decimal(credits))


def test_keys_travel_as_each_provider_wants() -> None:
    """For usage addresses, with the key nowhere else."""
    assert Auth(scheme="Bearer").headers("k") == {"authorization": "Bearer k"}
    assert PROVIDERS["renderform"].auth.headers("k") == {"x-api-key": "k"}
    assert PROVIDERS["imejis"].auth.headers("k") == {"dma-api-key": "k"}
    header = PROVIDERS["hcti"].auth.headers("user:secret")["authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"user:secret"


def test_a_key_in_an_address_is_no_option() -> None:
    """It would stand in the key's document, and in logs."""
    seen = PROVIDERS["imejis"].recognise("GET", urlsplit("https://render.imejis.io/v1/t?dma-api-key=SECRET&a=1"), b"")
    assert seen is not None
    assert "SECRET" not in f"{seen.options}{seen.overrides}"


def test_the_client_says_whom_it_speaks_to() -> None:
    """A provider that is only cataloged is refused with the names of those that work."""
    with pytest.raises(ConfigError, match=r"does not make them; it speaks to imejis, hcti$"):
        Renderer("placid", api_key="k", account="a", environment="test")
