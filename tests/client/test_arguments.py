"""Arguments are checked when a renderer is made, and each error says what to do."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

import auditor
from auditor.client.renderer import Renderer
from auditor.model import errors
from auditor.model.errors import AuditorError, ConfigError, InvalidRequestError
from tests.client.conftest import Upstream
from tests.client.test_renderer import Build


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_key": "“key”"}, "typographic"), ({"api_key": "schlüssel"}, "U\\+00FC"), ({"api_key": "a\x00b"}, "header"),
        ({"api_key": "key\n"}, "strip"), ({"api_key": " key"}, "strip"), ({"api_key": b"key"}, "decode"),
        ({"api_key": "  "}, "empty"), ({"api_key": 5}, "text"), ({"per_second": 0}, "per_second"),
        ({"per_second": -1}, "per_second"), ({"per_second": float("nan")}, "per_second"), ({"per_second": True}, "per_second"),
        ({"timeout": 0}, "timeout"), ({"timeout": -1}, "timeout"), ({"timeout": "5"}, "timeout"),
        ({"timeout": float("inf")}, "timeout"), ({"ttl": -1}, "ttl"), ({"ttl": timedelta(days=-1)}, "ttl"),
        ({"ttl": None}, "ttl"), ({"batch_ttl": float("nan")}, "batch_ttl"), ({"template_ttl": {"og": -5}}, "og"),
        ({"template_ttl": 5}, "template_ttl"), ({"tries": 0}, "tries"), ({"tries": 1.5}, "tries"), ({"tries": True}, "tries"),
        ({"longest_retry_after": -1}, "longest_retry_after"), ({"stale_if_error": -1}, "stale_if_error"),
        ({"stale_if_error": True}, "stale_if_error"), ({"probe_every": 0}, "probe_every"),
        ({"retry_uncertain": "no"}, "retry_uncertain"), ({"events_hits": "some"}, "events_hits"), ({"events": 5}, "events"),
        ({"events": ""}, "events"), ({"budget": 500}, "Budget\\(500\\)"), ({"registry": "x"}, "registry"),
        ({"transport": httpx.HTTPTransport()}, "transport"), ({"production": "yes"}, "production"),
        ({"account": ""}, "account"), ({"account": 5}, "account"), ({"environment": "\ud800"}, "environment"),
        ({"base_url": ""}, "base_url"), ({"base_url": "imejis"}, "base_url"), ({"secret": b"x"}, "secret"),
        ({"provider": "imejs"}, "imejis"), ({"provider": None}, "imejis"), ({"provider": "placid"}, "does not make"),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)  # fmt: skip
def test_wrong_arguments_are_named(wrong: dict[str, Any], said: str) -> None:
    """Not with the first call, and never with a traceback of something else."""
    with pytest.raises(ConfigError, match=said) as caught:
        Renderer(**{"api_key": "a-secret-key", "registry": None, **wrong})
    assert "report it" not in str(caught.value) and "a-secret-key" not in str(caught.value)
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"ttl": -1}, {"ttl": "1h"}, {"timeout": -1}, {"timeout": True}, {"stale_if_error": "x"}]
)
def test_wrong_arguments_of_a_call(build: Build, upstream: Upstream, wrong: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
        build().render("og", {"a": 1}, **wrong)
    assert not upstream.calls


def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    """`AUDITOR_API_KEY`, else the provider's own; an argument wins; with none of them, the error names them."""
    for name in ("AUDITOR_API_KEY", "IMEJIS_API_KEY", "HCTI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="AUDITOR_API_KEY or IMEJIS_API_KEY"):
        Renderer()
    with pytest.raises(ConfigError, match="AUDITOR_API_KEY or HCTI_API_KEY"):
        Renderer("hcti")
    sent = []
    for name, argument in (("IMEJIS_API_KEY", None), ("AUDITOR_API_KEY", None), ("AUDITOR_API_KEY", "given")):
        monkeypatch.setenv(name, f"by {name}")
        with Renderer(api_key=argument, transport=upstream, registry=None) as renderer:
            renderer.render("og", {})
        sent.append(upstream.calls[-1].headers["dma-api-key"])
    assert sent == ["by IMEJIS_API_KEY", "by AUDITOR_API_KEY", "given"]
    monkeypatch.setenv("AUDITOR_API_KEY", "“x”")
    with pytest.raises(ConfigError, match="typographic"):
        Renderer()


def test_errors_are_at_the_front_door() -> None:
    """All of the tree."""
    kinds = {
        name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, AuditorError)
    }
    assert len(kinds) > 15
    for name, kind in kinds.items():
        assert getattr(auditor, name) is kind and name in auditor.__all__
    assert set(auditor.__all__) - {"__version__", *kinds} == set(auditor._PUBLIC)


def test_a_renderer_is_not_pickled(build: Build) -> None:
    """Its key would be in it; the error says what to do."""
    renderer = build()
    for work in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="in each process"):
            work(renderer)


@pytest.mark.parametrize("value", [2**60, date(2026, 1, 1), Decimal("1.5"), datetime(2026, 1, 1, tzinfo=UTC), {1, 2}])
def test_values_without_a_json_form_are_told_the_fix(build: Build, upstream: Upstream, value: Any) -> None:
    """As text."""
    with pytest.raises(InvalidRequestError, match=r"with str\(\)"):
        build().render("og", {"a": value})
    assert not upstream.calls
