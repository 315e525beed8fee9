"""What providers say was used, from recorded answers: shown with its age, asked seldom, and no key anywhere."""

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from auditor_exporter.families import Families, StaleError
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.usage import EVERY, UnusableError, UsageCollector, fetch
from prometheus_client.parser import text_string_to_metric_families

from auditor.config import settings_of
from auditor.model.errors import ConfigError
from auditor.model.metrics import LEDGER, USAGE
from auditor.model.provider import Answer
from auditor.registry import PROVIDERS
from tests.exporters.test_ledger import NOW, samples, total

ANSWERS = Path(__file__).parent / "usage"
KEY = "user:k3y-t0p-secret"
SAID = {
    # recorded answer: (provider, used, included, remaining by the plan "Mine" of 5,000 credits where none is said)
    "hcti": ("hcti", 935, None, 4065),
    "bannerbear": ("bannerbear", 322, 1000, 678),
    "bannerbear-v5": ("bannerbear", 4022, 10000, 5978),
    "templated": ("templated", 5400, 10000, 4600),
    "renderform": ("renderform", 17, 1000, 983),
}


class Provider:
    """Answers from files, and remembers who asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def __call__(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The next answer, the last one forever."""
        self.asked.append((url, headers))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def told(name: str) -> Answer:
    """A recorded answer."""
    return Answer(200, {"content-type": "application/json"}, (ANSWERS / f"{name}.json").read_bytes())


class Clock:
    """Wall and steady time."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> float:
        """Seconds since 1970."""
        return NOW + self.passed

    def steady(self) -> float:
        """Seconds since the start."""
        return self.passed


def collector(provider: str, answers: Provider, clock: Clock, url: str = "") -> UsageCollector:
    """Of one account, `main`."""
    settings = settings_of(
        {
            "accounts": {"main": {"provider": provider, "plan": "Mine"}},
            "plans": {provider: {"Mine": {"price": "10.00", "included": 5000}}},
            "usage": {"main": {"api_key_env": "KEY", **({"url": url} if url else {})}},
        },
        "test",
    )
    return UsageCollector(settings, fetch=answers, environ={"KEY": KEY}, clock=clock.wall, steady=clock.steady)


@pytest.mark.parametrize("name", SAID)
def test_what_a_provider_says(name: str) -> None:
    """Used, included, left, and when it said so; the key travels as the provider wants it, and stands nowhere."""
    provider, used, included, remaining = SAID[name]
    answers, clock = Provider(told(name)), Clock()
    asking = collector(provider, answers, clock)
    asking.refresh()
    taken = Snapshot([asking], clock.wall)
    found = samples(taken)
    assert total(found, "provider_credits_used", provider=provider, account="main") == used
    assert total(found, "credits_remaining", provider=provider, account="main") == remaining
    assert total(found, "credits_remaining_timestamp_seconds", account="main") == NOW
    shown = {
        dict(at).get("account"): value for (n, at), value in found.items() if n == "imgrender_provider_plan_credits"
    }
    assert shown == ({} if included is None else {"main": included})
    ((url, headers),) = answers.asked
    assert url == PROVIDERS[provider].usage_url
    assert headers == PROVIDERS[provider].auth.headers(KEY)
    assert "k3y" not in taken.exposition()[0].decode() + repr(asking._known)


def test_names_types_help_and_labels_are_those_of_the_table() -> None:
    """Both ways."""
    asking = collector("bannerbear", Provider(told("bannerbear")), Clock())
    asking.refresh()
    text = Snapshot([asking]).exposition()[0].decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    own = {definition.name.removesuffix("_total") for definition in LEDGER}
    assert set(families) - own == {definition.name for definition in USAGE}
    for definition in USAGE:
        family = families[definition.name]
        assert (family.type, family.documentation) == (definition.type, definition.help)
        assert all(set(sample.labels) == set(definition.labels) for sample in family.samples)


def test_it_is_asked_seldom() -> None:
    """However often one scrapes; a provider that wants to be asked more seldom is."""
    answers, clock = Provider(told("templated"), Answer(429, {"retry-after": "1000"}, b""), told("templated")), Clock()
    asking = collector("templated", answers, clock)
    for passed, count in (
        (0, 1),
        (1, 1),
        (EVERY - 1, 1),
        (EVERY, 2),
        (2 * EVERY, 2),
        (EVERY + 999, 2),
        (EVERY + 1000, 3),
    ):
        clock.passed = passed
        for _ in range(5):
            asking.refresh()
        assert len(answers.asked) == count, passed


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, {}, KEY.encode()), Answer(500, {}, b"<html>"), Answer(302, {"location": "http://elsewhere/"}, b""),
        Answer(200, {}, b"[]"), Answer(200, {}, b"{}"), Answer(200, {}, b'{"apiUsage": "many", "apiQuota": 1}'),
        Answer(200, {}, b'{"apiUsage": -1, "apiQuota": 1}'), Answer(200, {}, b'{"apiUsage": true, "apiQuota": 1}'),
        Answer(200, {}, b'{"apiUsage": 1}'), Answer(200, {}, b'{"apiUsage": null, "apiQuota": 1}'), None,
    ],
)  # fmt: skip
def test_an_answer_that_tells_nothing(answer: Answer | None) -> None:
    """What was known stays, with its age; the collector fails in a sentence without the key; the exporter is ready."""

    class Failing(Provider):
        def __call__(self, url: str, headers: Mapping[str, str]) -> Answer:
            got = super().__call__(url, headers)
            if len(self.asked) == 2 and answer is None:
                raise RuntimeError(f"{url} {headers}")
            return got

    clock = Clock()
    asking = collector("templated", Failing(told("templated"), answer or told("templated"), told("templated")), clock)
    asking.refresh()
    clock.passed = EVERY
    asking.refresh()
    said: list[str] = []
    taken = Snapshot([asking], clock.wall, say=said.append)
    found = samples(taken)
    assert total(found, "provider_credits_used") == 5400
    assert total(found, "credits_remaining_timestamp_seconds") == NOW
    assert total(found, "scrape_collector_success", collector="usage") == 0 and taken.healthy
    assert len(said) == 1 and "main: " in said[0] and "k3y" not in said[0] and "Bearer" not in said[0]
    clock.passed = 2 * EVERY
    asking.refresh()
    asking.collect(Families(), 0)


def test_a_key_that_is_not_there() -> None:
    """Is named by its variable, before anybody is asked."""
    answers = Provider(told("hcti"))
    asking = collector("hcti", answers, Clock())
    asking._environ = {}
    asking.refresh()
    with pytest.raises(StaleError, match="main: the environment variable KEY holds no API key; set it"):
        asking.collect(Families(), 0)
    assert not answers.asked


def test_no_billing_period_is_now() -> None:
    """An answer of another month is no answer."""
    clock = Clock()
    clock.passed = 40 * 86_400
    asking = collector("hcti", Provider(told("hcti")), clock)
    asking.refresh()
    with pytest.raises(StaleError, match="hcti answers otherwise than documented"):
        asking.collect(Families(), 0)


@pytest.mark.parametrize(
    ("accounts", "usage", "message"),
    [
        ({}, {"main": {"api_key_env": "K"}}, r"usage\.main is of no configured account; add \[accounts\.main\]"),
        (
            {"main": {"provider": "imejis"}},
            {"main": {"api_key_env": "K"}},
            "imejis does not tell what was used; those that do are .*hcti.*templated",
        ),
        ({"main": {"provider": "hcti"}}, {"main": {}}, r"usage\.main\.api_key_env is missing"),
        ({"main": {"provider": "hcti"}}, {"main": {"api_key_env": "K", "key": "x"}}, r"usage\.main\.key is unknown"),
    ],
)
def test_wrong_settings(accounts: dict[str, object], usage: dict[str, object], message: str) -> None:
    """Name the file, the key and the cure."""
    with pytest.raises(ConfigError, match=message):
        settings_of({"accounts": accounts, "usage": usage}, "auditor.toml")


class Server(http.server.BaseHTTPRequestHandler):
    """An account page, one that leads elsewhere, and one without an end."""

    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        """Answer."""
        self.seen.append((self.path, self.headers["authorization"]))
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("location", "/account")
        self.end_headers()
        if self.path == "/endless":
            for _ in range(64):
                self.wfile.write(b" " * (1 << 16))
        else:
            self.wfile.write(json.dumps({"apiUsage": 7, "apiQuota": 10}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Its address."""
    Server.seen.clear()
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_over_the_wire(server: str) -> None:
    """A real GET; a redirect is not followed with the key; an endless answer is not read."""
    answer = fetch(f"{server}/account", {"authorization": "Bearer k"})
    assert answer.status == 200 and answer.document["apiUsage"] == 7
    assert fetch(f"{server}/away", {"authorization": "Bearer k"}).status == 302
    assert Server.seen == [("/account", "Bearer k"), ("/away", "Bearer k")]
    with pytest.raises(UnusableError):
        fetch(f"{server}/endless", {})
