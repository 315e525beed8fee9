"""`auditor simulate`: rows, advice, documents and mistakes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.model.words import ttl_words
from tests.conftest import DIGEST, OTHER, ROOT, command, event, lines
from tests.examined import ran

SCHEMA = json.loads((ROOT / "auditor" / "results" / "simulation_v1.schema.json").read_bytes())
CONFIG = """
[accounts.main]
provider = "imejis"
plan = "Pro"
[plans.imejis.Metered]
price = "0"
included = 0
overage = "0.01"
"""


def said(*arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of the command."""
    done = command("simulate", *arguments)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def simulated(*arguments: str, code: int = 0) -> dict[str, Any]:
    """The document that the command prints."""
    got, out, err = said(*arguments, "--format", "json")
    assert got == code, err
    document: dict[str, Any] = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    return document


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Forty requests for one key, half an hour apart, and one that waited for the first."""
    path = tmp_path / "usage.jsonl"
    events = [
        event(
            f"e{n:02}",
            f"2026-09-{1 + n // 48:02}T{n % 48 // 2:02}:{n % 2 * 30:02}:00Z",
            digest=DIGEST,
            duration_ms=1000,
        )
        for n in range(40)
    ]
    waited = event("w", "2026-09-01T00:00:00.5Z", outcome="coalesced")
    path.write_bytes(lines([*events, waited]))
    (tmp_path / "auditor.toml").write_text(CONFIG, encoding="utf-8")
    return path


def test_a_row_for_each_setting_in_the_order_of_the_options(log: Path) -> None:
    """--ttl, both kinds of coalescing, and every capacity; each combination once."""
    rows = simulated(str(log), "--ttl", "1h", "--ttl", "forever", "--ttl", "60m")["rows"]
    assert [(row["ttl_seconds"], row["coalescing"], row["renders"], row["coalesced"]) for row in rows] == [
        (3600, True, 14, 1),
        (None, True, 1, 1),
    ]
    both = simulated(str(log), "--ttl", "1h", "--coalescing", "--no-coalescing")["rows"]
    assert [(row["coalescing"], row["renders"], row["credits"]) for row in both] == [(True, 14, 14), (False, 15, 15)]
    off = simulated(str(log), "--ttl", "1h", "--no-coalescing")["rows"]
    assert off == both[1:]
    bounded = simulated(str(log), "--capacity-entries", "0", "--capacity-entries", "1", "--capacity-bytes", "1kB")[
        "rows"
    ]
    assert [
        (row["ttl_seconds"], row["capacity_entries"], row["capacity_bytes"], row["renders"]) for row in bounded
    ] == [
        (None, 0, 1000, 41),
        (None, 1, 1000, 1),
    ]


CYCLE_END = event("end", "2026-09-30T12:00:00Z", outcome="error", status=500)
"""No demand, and the cycle is complete: one that is not has no bill."""


def test_the_smallest_life_within_five_percent_of_the_fewest_renders(log: Path) -> None:
    """Whatever the bills; the fewest credits are told beside it, also where they take longer than the log."""
    log.write_bytes(log.read_bytes() + lines([CYCLE_END]))
    found = simulated(str(log), "--ttl", "1m", "--ttl", "1h", "--ttl", "2h", "--ttl", "forever")
    assert [row["renders"] for row in found["rows"]] == [40, 14, 8, 1]
    assert [row["bill"][0]["cheapest_bill"] for row in found["rows"]] == ["0.00"] * 4
    assert found["knee"] == {"ttl_seconds": 7200, "renders": 8}
    assert (found["recommendation"]["ttl_seconds"], found["recommendation"]["renders"]) == (7200, 8)
    assert found["fewest_credits"]["ttl_seconds"] is None
    assert found["rows"][0]["bill"] == [
        {
            "provider": "imejis", "account": "main", "credits": 40, "currency": "USD", "plan": "Pro", "bill": "24.99",
            "cheapest_plan": "Free", "cheapest_bill": "0.00",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("factor", "ttl"), [("1.01", 3600), ("1.0101", None)])
def test_within_one_percent_is_within_one_percent(factor: str, ttl: int | None, tmp_path: Path) -> None:
    """Two renders under an hour, one forever: the dearer is taken at 1 % more, and not beyond."""
    extra = float(factor) * 1000 - 1000
    path = tmp_path / "usage.jsonl"
    path.write_bytes(lines([event("a", credits=1000), event("b", "2026-09-01T09:00:00Z", credits=round(extra, 4))]))
    config = tmp_path / "auditor.toml"
    config.write_text('[plans.imejis.Metered]\nprice = "0"\nincluded = 0\noverage = "0.001"\n', encoding="utf-8")
    found = simulated(str(path), "--ttl", "1h", "--ttl", "forever")
    assert [row["credits"] for row in found["rows"]] == [pytest.approx(1000 + extra), 1000]
    assert found["fewest_credits"]["ttl_seconds"] == ttl


def test_a_life_longer_than_the_log_is_no_knee(tmp_path: Path) -> None:
    """Nothing shows what it would bring; one that is as long as the log is tried."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(lines([event(f"e{n}", f"2026-09-01T{n:02}:00:00Z", provider="nobody") for n in range(9)]))
    found = simulated(str(path), "--ttl", "1m", "--ttl", "8h", "--ttl", "1d", "--ttl", "forever")
    assert found["knee"] == {"ttl_seconds": 8 * 3600, "renders": 2}
    assert found["recommendation"]["ttl_seconds"] == 8 * 3600
    longer = simulated(str(path), "--ttl", "481m", "--ttl", "forever")
    assert (longer["knee"], longer["recommendation"]) == (None, None)
    assert "no TTL that was tried fits into the log" in said(str(path), "--ttl", "481m")[1]
    assert simulated(str(path), "--capacity-entries", "3")["knee"] is None
    assert "no setting that was tried has a TTL; name some with --ttl" in said(str(path), "--capacity-entries", "3")[1]


@pytest.mark.parametrize(
    ("ttl", "recommended", "words"),
    [
        ("1m", None, "what you do now renders less than every setting that was tried"),
        ("15m", None, "no setting that was tried renders less than what you do now (3 renders)"),
        ("30m", 1800, "Recommended: 30m"),
    ],
)
def test_only_what_saves_is_recommended(tmp_path: Path, ttl: str, recommended: int | None, words: str) -> None:
    """A log that renders as little, or less, needs no other cache."""
    path = tmp_path / "usage.jsonl"
    at = [("render", 0), ("hit", 5), ("render", 15), ("hit", 20), ("render", 30), ("hit", 44)]
    path.write_bytes(lines([event(f"e{at:02}", f"2026-09-01T08:{at:02}:00Z", outcome=outcome) for outcome, at in at]))
    found = simulated(str(path), "--ttl", ttl)
    assert found["logged"]["renders"] == 3
    assert (found["recommendation"] or {}).get("ttl_seconds") == recommended
    assert found["knee"] is not None
    assert words in said(str(path), "--ttl", ttl)[1]


@pytest.mark.parametrize(("others", "ttl"), [(20, 30), (19, 90)])
def test_the_knee_is_within_five_percent_and_not_beyond(tmp_path: Path, others: int, ttl: int) -> None:
    """One render more than 20 is 5 %; one more than 19 is more."""
    path = tmp_path / "usage.jsonl"
    one = [event(f"a{n}", f"2026-09-01T08:0{n}:30Z", key="a") for n in (0, 1, 2)]
    more = [event(f"o{n}", "2026-09-01T09:00:00Z", key=f"o{n}") for n in range(others - 2)]
    path.write_bytes(lines([*one, *more]))
    found = simulated(str(path), "--ttl", "30s", "--ttl", "1m", "--ttl", "90s", "--ttl", "2m")
    assert [row["renders"] for row in found["rows"]] == [others + 1, others + 1, others, others]
    assert found["knee"]["ttl_seconds"] == ttl


def test_each_template_has_its_own_best_and_they_sum_up(tmp_path: Path) -> None:
    """A banner of which each key is asked for once stays as it is, a card comes back after a day."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(
        lines(
            [event(f"b{n}", f"2026-09-{n:02}T08:00:00Z", template="banner", key=f"b{n}") for n in range(1, 4)]
            + [event(f"c{n}", f"2026-09-{n:02}T08:00:00Z", template="card", key="c") for n in range(1, 10)]
        )
    )
    found = simulated(str(path), "--ttl", "1m", "--ttl", "7d", "--per-template")
    assert [
        (each["template"], each["demand"], each["logged_renders"], (each["recommendation"] or {}).get("ttl_seconds"))
        for each in found["templates"]
    ] == [
        ("card", 9, 9, 604800),
        ("banner", 3, 3, None),
    ]
    for place, row in enumerate(found["rows"]):
        for name in ("renders", "hits", "coalesced", "credits", "stale_served"):
            assert sum(each["rows"][place][name] for each in found["templates"]) == row[name]
    assert found["each_template_its_own"]["renders"] == 2 + 3


@pytest.mark.parametrize(("longer", "rounded"), [("0.002", 2), ("0.004", 2), ("0.006", 4)])
def test_a_usual_duration_is_rounded_to_even(longer: str, rounded: int, tmp_path: Path) -> None:
    """Half-way between 1 us and the longer one: what comes a microsecond before that end waits, at it it is served."""
    path = tmp_path / "usage.jsonl"
    hits = [
        event(f"h{n}", f"2026-09-01T09:00:00.{at:06}Z", outcome="hit", key="hit", template="card")
        for n, at in enumerate((0, rounded - 1, rounded))
    ]
    renders = [
        event(f"r{n}", f"2026-09-01T08:00:0{n}Z", key=f"r{n}", template="card", duration_ms=float(duration))
        for n, duration in enumerate(("0.001", longer))
    ]
    path.write_bytes(lines(renders + hits))
    row = simulated(str(path), "--ttl", "1h")["rows"][0]
    assert (row["renders"], row["coalesced"], row["hits"]) == (3, 1, 1)


def test_what_the_log_says_stands_beside(log: Path) -> None:
    """Renders, hits and credits as they were; the inputs as in the report; the window."""
    log.write_bytes(log.read_bytes() + b"damage\n" + lines([event("h", outcome="hit", count=4, digest=OTHER)]))
    found = simulated(str(log), "--ttl", "forever", "--max-rejected", "50")
    assert found["demand"] == 45
    assert (found["logged"]["renders"], found["logged"]["hits"], found["logged"]["coalesced"]) == (40, 4, 1)
    assert (found["inputs"]["rejected"], found["inputs"]["events"]) == (1, 42)
    assert found["rows"][0]["stale_served"] == 4
    assert found["window"]["start"] == "2026-09-01T00:00:00Z"
    since = simulated(str(log), "--since", "2026-09-01T12:00:00Z", "--max-rejected", "50")
    assert (since["demand"], since["inputs"]["filtered"]) == (16, 26)


@pytest.mark.parametrize("content", [b"", lines([event(outcome="error", status=500)])])
def test_a_log_without_demand_is_told(content: bytes, tmp_path: Path) -> None:
    """No rows to judge, no advice, no crash."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(content)
    found = simulated(str(path), "--ttl", "1h", "--capacity-entries", "3", "--batch", "--allow-empty")
    assert found["demand"] == 0
    assert found["rows"][0]["miss_ratio"] is None
    code, _, err = said(str(path))
    assert (code, "nothing to replay" in err) == ((0, True) if content else (3, False))


def test_the_terminal_says_what_to_do(log: Path) -> None:
    """A row a setting with its curve, the advice with plan and bill, the price of a long life."""
    log.write_bytes(
        log.read_bytes() + lines([event("h", "2026-09-01T08:10:00Z", outcome="hit", digest=OTHER), CYCLE_END])
    )
    _, text, _ = said(str(log), "--ttl", "1h", "--ttl", "forever", "--per-template", "--batch")
    assert "as logged" in text
    assert "█" in text
    assert "Recommended: 1h" in text
    assert "Free is right already for what was logged, no further saving" in text
    assert "an image is shown for up to 1h after it was rendered; 1 of 27 hits (3.7%) shows another image" in " ".join(
        text.split()
    )
    assert "\x1b" not in text


def test_words_of_a_log_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Templates, accounts and keys are written out."""
    path = tmp_path / "usage.jsonl"
    evil = "\x1b[2J[bold]"
    path.write_bytes(
        lines([event(f"e{n}", f"2026-09-{n:02}T08:00:00Z", template=evil, account=evil, key=evil) for n in range(1, 8)])
    )
    _, text, _ = said(str(path), "--per-template", "--batch")
    assert "\\x1b[2J[bold]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ttl", "soon"], "--ttl = 'soon' is not a duration"),
        (["--capacity-bytes", "much"], "--capacity-bytes = 'much' is not a number of bytes"),
        (["--capacity-bytes", "9999999TB"], "more than any cache or memory holds"),
        (["--capacity-entries", "5", "--per-template"], "cannot be combined"),
        (["--since", "now"], "--since 'now' is not a time"),
    ],
)
def test_mistakes_get_one_sentence(arguments: list[str], words: str, log: Path) -> None:
    """Exit 2 and what to write instead."""
    code, _, err = said(str(log), *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def test_sizes_are_decimal_or_binary(log: Path) -> None:
    """2kB is 2,000, 2KiB and 2kiB are 2,048."""
    rows = simulated(
        str(log), *(part for text in ("2000", "2kB", "2KiB", "1MB") for part in ("--capacity-bytes", text))
    )
    assert [row["capacity_bytes"] for row in rows["rows"]] == [2000, 2048, 10**6]


@pytest.mark.parametrize(
    ("us", "words"),
    [(None, "forever"), (0, "0s"), (86_400 * 10**6, "24h"), (172_800 * 10**6, "2d"), (90 * 10**6, "90s"), (1, "1us")],
)
def test_a_life_is_written_as_the_option_takes_it(us: int | None, words: str) -> None:
    """The largest unit that divides it; one day is 24h."""
    assert ttl_words(us) == words


def test_the_document_depends_on_nothing_but_the_input(log: Path, tmp_path: Path) -> None:
    """Lines in another order over two files: the same bytes but for the names of the files."""
    parts = log.read_bytes().splitlines(keepends=True)
    for name, some in (("a.jsonl", parts[::-2]), ("b.jsonl", parts[-2::-2])):
        (tmp_path / name).write_bytes(b"".join(some))
    first = simulated(str(log), "--per-template")
    second = simulated(str(tmp_path / "b.jsonl"), str(tmp_path / "a.jsonl"), "--per-template")
    for document in (first, second):
        del document["inputs"]["files"], document["generated_at"]
    assert first == second


def test_a_median_between_two_microseconds_is_rounded_half_to_even(tmp_path: Path) -> None:
    """1 and 2 take 1.5, so 2: a request one microsecond after another waits for it, and does not find it done."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(
        lines(
            [
                event("a", key="k1", duration_ms=0.001),
                event("b", key="k2", duration_ms=0.002),
                event("c", "2026-09-02T00:00:00.000000Z", key="k3", outcome="hit"),
                event("d", "2026-09-02T00:00:00.000001Z", key="k3", outcome="hit"),
            ]
        )
    )
    (row,) = simulated(str(path), "--ttl", "1us")["rows"]
    assert (row["renders"], row["coalesced"], row["hits"]) == (3, 1, 0)


WHOLE = event("end", "2026-10-01T00:00:00Z", key="end")
"""Two days before, and the cycle is complete."""


@pytest.mark.parametrize(
    ("events", "over"),
    [
        ([event("a")], False),
        ([event("a"), event("b", "2026-09-20T00:00:00Z", key="b")], False),
        ([event("a"), event("b", account="other"), event("c", "2026-09-03T00:00:00Z", key="c")], False),
        ([event("a", credits=10**6), WHOLE], True),
        ([event("a", credits=10**6), WHOLE, event("b", "2026-10-02T00:00:00Z", account="other")], True),
    ],
)  # fmt: skip
def test_a_bill_that_is_unknown_is_not_over_the_cap(events: list[dict[str, Any]], over: bool, tmp_path: Path) -> None:
    """Only complete cycles have bills; where one of them has none, no plan holds it. Without bills there is no column."""
    (tmp_path / "usage.jsonl").write_bytes(lines(events))
    config = tmp_path / "auditor.toml"
    config.write_text("".join(f'[accounts.{name}]\nprovider = "imejis"\nplan = "Pro"\n' for name in ("main", "other")))
    done = ran("simulate", str(tmp_path / "usage.jsonl"), "--ttl", "24h", "--config", str(config))
    rows = [line for line in done.out.splitlines() if line.startswith(("as logged", "24h"))]
    assert [line.count("over the cap") for line in rows] == [2 * over] * 2, done.out
    assert ("Cheapest" in done.out) is over
    assert "too little data" not in "".join(rows)
