"""Whatever stands in the ledger: few series, a short page that Prometheus can read, and no credit lost in it."""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.families import PLACES, Families, Folded, Labels
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.model.metrics import LABEL_CAP
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples, snapshot, total
from tests.services import need

TEMPLATES = int(os.environ.get("AUDITOR_TEMPLATES", "20000"))
"""Distinct template ids; 1000000 for the full figure."""
SERIES, BYTES = 3_500, 1 << 20
"""The stated caps, docs/exporter.md."""
WHEN = "2026-09-20T10:00:00Z"
FORGED = 'x"} 1\nimgrender_plan_credits{account="y'
HOSTILE = ['"', "a\nb", "\\", FORGED, "é\u2028\u200f", "\x00", "#", " ", "\U0001f4b8" * 25]
NAMES = ("provider", "account", "environment", "template")


def events(count: int, places: Sequence[tuple[str, str, str]]) -> Iterator[dict[str, Any]]:
    """Each of a template of its own."""
    for number in range(count):
        provider, account, environment = places[number % len(places)]
        yield event(
            f"e{number}", WHEN, provider=provider, account=account, environment=environment,
            template=f"template-{number}", key=f"k1:{number:x}", bytes=100, format=("png", "webp", "pdf")[number % 3],
            outcome=("render", "render", "hit", "coalesced", "error")[number % 5],
        )  # fmt: skip


def shown(folder: Path, made: Iterable[dict[str, Any]], count: int) -> tuple[dict[Any, float], bytes]:
    """What the exporter shows of these events: samples, page. Sums are kept, and the caps."""
    log = folder / "usage.jsonl"
    made = iter(made)
    with log.open("wb") as out:
        while part := list(islice(made, 1000)):
            out.write(lines(part))
    with Ledger(folder / "ledger.db") as ledger:
        Ingest(ledger, settings_of({}, "test")).run([log])
        snapshot(ledger, {}).exposition()  # (the first one imports)
        taken = snapshot(ledger, {})
        started = time.thread_time()
        body = taken.exposition()[0]
        spent = time.thread_time() - started
    found = samples(taken)
    print(f"{count:,} events: {len(found):,} series, {len(body):,} bytes, {spent * 1000:.1f} ms CPU a collection")
    assert total(found, "ledger_events") == total(found, "requests_total") == count
    renders = total(found, "requests_total", result="render")
    assert total(found, "credits_used_total") == total(found, "period_credits_used") == renders > 0
    assert len(found) <= SERIES and len(body) <= BYTES
    return found, body


@pytest.mark.slow
def test_a_template_each(tmp_path: Path) -> None:
    """Templates are no label; a page of a million of them is as short as any."""
    places = [
        ("imejis", account, environment) for account in ("a", "b", "c") for environment in ("production", "staging")
    ]
    found, body = shown(tmp_path, events(TEMPLATES, places), TEMPLATES)
    assert len(found) < 150 and b"template" not in body
    assert total(found, "label_values_dropped_total") == 0


@pytest.mark.parametrize("configured", [0, 1, 30, 60])
@pytest.mark.parametrize("others", [1, 21, 49, 50])
def test_whatever_account_the_ledger_tells_apart_is_shown(configured: int, others: int, tmp_path: Path) -> None:
    """With all its gauges, beside any number of configured ones: an account that nobody configured is alerted on."""
    mine = {f"mine-{n}": {"provider": "imejis", "plan": "Basic"} for n in range(configured)}
    (tmp_path / "u.jsonl").write_bytes(lines(event(f"e{n}", WHEN, account=f"a{n}", credits=2) for n in range(others)))
    with Ledger(tmp_path / "l.db") as ledger:
        Ingest(ledger, settings_of({}, "test")).run([tmp_path / "u.jsonl"])
        taken = Snapshot([LedgerCollector(ledger, settings_of({"accounts": mine}, "test"))], lambda: 1_789_900_000.0)
        body = taken.exposition()[0]
    found = samples(taken)
    for name in ("period_credits_used", "period_end_timestamp_seconds", "credits_spent", "credits_forecast_week_ratio"):
        seen = {dict(labels)["account"] for metric, labels in found if metric == f"imgrender_{name}"}
        assert seen == {*mine, *(f"a{n}" for n in range(others))}, name
    assert total(found, "period_credits_used") == total(found, "credits_used_total") == 2 * others
    assert total(found, "label_values_dropped_total") == 0 and len(body) <= BYTES


def test_hostile_names(tmp_path: Path) -> None:
    """Quotes, newlines, 1 MB, thousands of combinations: promtool reads the page, and nothing smuggles a sample in."""
    names = [*HOSTILE, *("name" * 23 + f"{number:03d}" for number in range(30))]
    places = list(product(names[:25], names[:25], names))[::7]
    long = [event(f"long-{name}", WHEN, **{name: "x" * 1_000_000}) for name in NAMES]
    found, body = shown(tmp_path, chain(events(2000, places), long), 2000 + len(NAMES))
    assert all(line.startswith((b"#", b"imgrender_")) for line in body.splitlines())
    assert total(found, "plan_credits") == 0
    for label in ("provider", "account", "app_env"):
        assert total(found, "label_values_dropped_total", label=label) > 0
    promtool = need("prometheus", "promtool")
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Odd:
    """A collector whose names are half characters, as JSON can have them and UTF-8 cannot."""

    name = "odd"

    def collect(self, families: Families, now: float) -> None:
        """Three credits each."""
        folded = Folded()
        labels = Labels(folded, settings_of({}, "test"), "app_env")
        for half in ("\ud83d", "x\udc00"):
            families.add("period_credits_used", (*labels.place(half, half, half), "true"), 3)
        folded.add_to(families)


def test_half_a_character_breaks_no_scrape() -> None:
    """Wherever it comes from."""
    found = samples(Snapshot([Odd()]))
    assert total(found, "period_credits_used", provider="other", account="other", app_env="other") == 6
    assert total(found, "label_values_dropped_total", label="account") == 2


def test_configured_names_keep_their_label() -> None:
    """Also when others came first; combinations are counted apart from names."""
    settings = settings_of({"accounts": {f"mine{n}": {"provider": "imejis"} for n in range(30)}}, "test")
    labels = Labels(Folded(), settings, "app_env", settings.production)
    for number in range(10 * PLACES):
        labels.place("imejis", f"mine{number % 30}", f"env{number % 19}")
        labels.place("hcti", f"theirs{number}", f"env{number}")
    assert labels.place("imejis", "mine11", "env18")[2] == "other"
    assert labels.payer("imejis", "mine29") == ("imejis", "mine29")
    assert labels.place("imejis", "mine29", "production") == ("imejis", "mine29", "production")
    assert labels.payer("hcti", "mine29") == ("hcti", "other"), "another provider's account of that name is another"
    few = Labels(Folded(), settings_of({}, "test"), "app_env")
    shown = {few.place("imejis", f"a{a}", f"e{e}") for a in range(LABEL_CAP) for e in range(LABEL_CAP)}
    assert sum(place[2] != "other" for place in shown) == PLACES
    assert few.place("", "", "") == ("", "", "")
