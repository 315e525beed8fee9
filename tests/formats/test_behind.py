"""What servers write behind a combined line, and in its head: verdicts, hosts and durations are read and named."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from auditor.config import settings_of
from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.mapper import Mapper
from auditor.intake.columnar.template_columns import TemplateBlocks
from auditor.intake.columns import batches
from auditor.intake.read import detected_in
from auditor.intake.sources import discover
from auditor.model.errors import InputError
from auditor.reading.lines import read_exactly
from auditor.reading.reader import Reading, Tally
from tests.conftest import documented

IMG = {"sources": {"img": {"path": "/img/.*"}}}
DENIED = "says nothing of a cache"


def report(folder: Path, *lines: str, config: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """JSON report of some lines, without findings."""
    log = folder / "access.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    return documented([log], folder, config or IMG, findings=False, **options)


def line(second: int, behind: str = "", target: str = "/img/1.png", agent: str = ' "-" "Mozilla/5.0 (X11)"') -> str:
    """One combined line of some second."""
    return f'203.0.113.7 - - [01/Sep/2026:06:00:{second:02} +0000] "GET {target} HTTP/1.1" 200 18211{agent}{behind}'


def assumed(found: dict[str, Any]) -> dict[str, int]:
    """Assumption -> events of the only file."""
    return dict(found["inputs"]["files"][0]["assumed"])


def told(found: dict[str, Any]) -> tuple[int, int, int]:
    """(renders, hits, wasted credits)."""
    return found["totals"]["renders"], found["totals"]["hits"], found["waste"]["total"]


@pytest.mark.parametrize(
    ("miss", "hit"),
    [
        (" MISS", " HIT"),
        (" miss 0.250112", " hit 0.000112"),
        (' "MISS" "203.0.113.9"', ' "HIT" "-"'),
        (' "-" 0.250 TCP_MISS/200', ' "-" 0.001 TCP_MEM_HIT/200'),
        (" rt=0.250 cs=MISS", " rt=0.001 cs=HIT"),
        (" cs=MISS rt=0.250", " rt=0.001 cs=HIT"),
        (" cached=false", " cached=true"),
        (' cache_hit="0"', ' cache_hit="1"'),
        (' "$cacheMiss: yes"', ' "$cacheMiss: no"'),
        (' cache="EXPIRED"', ' cache="STALE"'),
        (" cache_status:BYPASS", " cache_status:HIT"),
        (' "ucs: MISS" 17', ' "ucs: HIT" 18'),
        (" [MISS]", " [HIT]"),
        (' "Miss from cloudfront"', ' "Hit from cloudfront"'),
        (" 0.250 0.249 MISS", " 0.001 - HIT"),
        (' "MISS, MISS"', ' "MISS, HIT"'),
    ],
)
def test_a_verdict_behind_the_agent_is_used_and_named(tmp_path: Path, miss: str, hit: str) -> None:
    """In whatever place or behind whatever name it stands."""
    found = report(tmp_path, line(1, miss), line(5, hit))
    assert told(found) == (1, 1, 0)
    assert assumed(found)[Assumption.CACHE_BEHIND] == 2
    assert not any(DENIED in text for text in assumed(found))


def test_a_verdict_behind_a_common_line(tmp_path: Path) -> None:
    """The user agent may be missing."""
    assert told(report(tmp_path, line(1, " MISS", agent=""), line(5, " HIT", agent=""))) == (1, 1, 0)


@pytest.mark.parametrize("head", [" - {} ", " {} - ", " - - {} ", " - alice {} "])
def test_a_verdict_before_the_time(tmp_path: Path, head: str) -> None:
    """Where others have an identity or a user."""
    lines = [line(n).replace(" - - ", head.format(word), 1) for n, word in ((1, "MISS"), (5, "HIT"), (9, "-"))]
    found = report(tmp_path, *lines)
    assert told(found) == (2, 1, 1)
    assert assumed(found)[Assumption.CACHE_BEFORE] == 2


def test_dashes_are_no_verdict_and_not_against_one(tmp_path: Path) -> None:
    """Nor are lines that end before; those count as renders, as is said."""
    lines = [
        line(1, " MISS"),
        line(5, " HIT"),
        *(line(n, " -", f"/img/{n}.png") for n in range(6, 16)),
        line(20, "", "/img/x"),
    ]
    found = report(tmp_path, *lines)
    assert told(found) == (12, 1, 0)
    assert assumed(found)[Assumption.CACHE_BEHIND] == 2
    assert assumed(found)[Assumption.NO_VERDICT] == 11


@pytest.mark.parametrize(("odd", "used"), [(2, True), (3, False)])
def test_nine_of_ten_lines_decide(tmp_path: Path, odd: int, used: bool) -> None:
    """A word that stands there now and then is no verdict."""
    lines = [line(n % 60, " HIT" if n >= odd else " gate", f"/img/{n}") for n in range(20)]
    found = report(tmp_path, *lines)
    assert found["totals"]["hits"] == (20 - odd if used else 0)
    assert (Assumption.CACHE_BEHIND in assumed(found)) is used
    assert (Assumption.UNREAD_BEHIND in assumed(found)) is not used


def test_only_lines_that_a_source_fits_are_asked(tmp_path: Path) -> None:
    """However many other lines there are."""
    others = [line(n % 60, f" {word}", f"/cart/{n}") for n, word in enumerate(["static", "api", "-", "x"] * 100)]
    found = report(tmp_path, *others, line(1, " MISS"), line(5, " HIT"))
    assert told(found) == (1, 1, 0)


@pytest.mark.parametrize(
    "behind", [" blue", ' "203.0.113.9"', " 0.250 0.249", " pass", " [default-web]", " rt=0.25", " 17 18"]
)
def test_what_is_not_understood_is_named(tmp_path: Path, behind: str) -> None:
    """And nothing is read from it."""
    found = report(tmp_path, line(1, behind), line(5, behind))
    assert told(found) == (2, 0, 1)
    assert assumed(found)[Assumption.UNREAD_BEHIND] == 2


@pytest.mark.parametrize("more", [" HIT", ' "203.0.113.9"', " cs=HIT", " 0.250 img.example.com"])
def test_what_stands_behind_later_lines_alone_is_named(tmp_path: Path, more: str) -> None:
    """Behind more lines than a sample has."""
    found = report(tmp_path, *[line(1)] * 300, line(5, more), line(6), line(7, more))
    assert assumed(found)[Assumption.UNREAD_BEHIND] == 2


@pytest.mark.parametrize("behind", ["", ' "-"', " -", ' ""'])
def test_nothing_behind_the_agent_is_not_worth_a_word(tmp_path: Path, behind: str) -> None:
    assert Assumption.UNREAD_BEHIND not in assumed(report(tmp_path, line(1, behind), line(5, behind)))


@pytest.mark.parametrize(
    "place",
    [' "{}"', " {}", ' "-" {}', ' "203.0.113.9" "{}"', " 0.250 {} MISS", " host={}", ' vhost="{}"', " {}:8443"],
)
def test_a_host_behind_the_agent_is_part_of_the_key(tmp_path: Path, place: str) -> None:
    """Two virtual hosts with one path are two images; one host is one."""
    a, b = place.format("a.example"), place.format("b.example")
    found = report(tmp_path, line(1, a), line(5, b))
    assert told(found) == (2, 0, 0)
    assert assumed(found)[Assumption.HOST_BEHIND] == 2
    assert told(report(tmp_path, line(1, a), line(5, a)))[2] == 1


def test_a_table_for_one_host_takes_its_lines(tmp_path: Path) -> None:
    """Though no line fits it before the host is known."""
    config = {"sources": {"img": {"host": r"a\.example", "path": "/img/.*"}}}
    found = report(tmp_path, line(1, ' "a.example"'), line(5, ' "b.example"'), config=config)
    assert (found["totals"]["renders"], found["inputs"]["filtered"]) == (1, 1)


@pytest.mark.parametrize("second", ["{0}.example", "{0}.example:8080", "10.0.0.{1}"])
def test_a_host_in_the_second_place_is_part_of_the_key(tmp_path: Path, second: str) -> None:
    """lighttpd writes `%h %V %u`."""
    a, b = (line(n, "").replace(" - - ", f" {second.format(name, n)} - ", 1) for n, name in ((1, "a"), (5, "b")))
    found = report(tmp_path, a, b)
    assert told(found) == (2, 0, 0)
    assert assumed(found)[Assumption.HOST_SECOND] == 2
    assert told(report(tmp_path, a, a.replace(":00:01", ":00:05")))[2] == 1


def test_a_client_whose_name_was_looked_up(tmp_path: Path) -> None:
    """Behind the virtual host, which is the image's."""
    a, b = (line(n).replace("203.0.113.7", f"a.example {name}.isp.example", 1) for n, name in ((1, "x"), (5, "y")))
    found = report(tmp_path, a, b, config={"sources": {"img": {"host": "a.example", "path": "/img/.*"}}})
    assert told(found) == (2, 0, 1)


def test_an_identity_is_no_host(tmp_path: Path) -> None:
    """A name without a dot."""
    a, b = (line(n).replace(" - - ", f" {name} - ", 1) for n, name in ((1, "alice"), (5, "bob")))
    assert told(report(tmp_path, a, b)) == (2, 0, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (" 4500000", " 3000000"),
        (" 4/4500000", " 3/3000000"),
        (" MISS 4500000", " MISS 3000000"),
        (" 4500000 -", " 3000000 -"),
    ],
)
def test_apache_durations_are_read(tmp_path: Path, first: str, second: str) -> None:
    """`%D` and `%T/%D`: the two requests ran side by side."""
    found = report(tmp_path, line(5, first), line(6, second))
    assert found["waste"]["concurrent"] == 1
    assert found["window"]["start"] == "2026-09-01T06:00:00.500000Z"
    assert assumed(found)[Assumption.MICROS_BEHIND] == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (" 45000", " 30000"),  # 45 s in milliseconds is as likely as 45 ms
        (" 842", " 790"),
        (" 18511", " 18514"),  # the bytes with the headers
        (" 1", " 0"),
        (" 4500000 89", " 3000000 91"),
    ],
)
def test_a_number_that_may_be_another_is_not_used(tmp_path: Path, first: str, second: str) -> None:
    """And is named as unread."""
    found = report(tmp_path, line(5, first), line(6, second))
    assert found["window"]["start"] == "2026-09-01T06:00:05Z"
    assert assumed(found)[Assumption.UNREAD_BEHIND] >= 1
    assert Assumption.MICROS_BEHIND not in assumed(found)


INGRESS = [
    ' 89 4.500 [default-web-8080] [] 172.17.0.5:8080 18211 4.500 200 529a0079',
    ' 89 3.000 [default-web-8080] [] 172.17.0.6:80, 172.17.0.5:80 0, 18211 1.000, 2.000 502, 200 629a0079',
]  # fmt: skip


@pytest.mark.parametrize("cut", ["", " []", "id"])
def test_ingress_nginx(tmp_path: Path, cut: str) -> None:
    """Its default format, of older releases too, by its own name."""
    behind = [text.rpartition(" ")[0] if cut == "id" else text.replace(cut, "", 1) for text in INGRESS]
    found = report(tmp_path, line(5, behind[0]), line(6, behind[1]))
    assert found["inputs"]["files"][0]["format"] == "ingress-nginx"
    assert found["waste"]["concurrent"] == 1
    assert found["window"]["start"] == "2026-09-01T06:00:00.500000Z"


def test_ingress_nginx_until_release_0_24(tmp_path: Path) -> None:
    """`$proxy_add_x_forwarded_for`, one address or several, between the client and the user."""
    clients = ("203.0.113.7 - [203.0.113.7] - -", "203.0.113.8 - [198.51.100.1, 203.0.113.8] - alice")
    old = [line(5 + n, INGRESS[n]).replace("203.0.113.7 - -", client, 1) for n, client in enumerate(clients)]
    found = report(tmp_path, *old)
    assert found["inputs"]["files"][0]["format"] == "ingress-nginx"
    assert (found["inputs"]["rejected"], found["waste"]["concurrent"]) == (0, 1)


MESSAGES = (
    "-" * 79,
    "NGINX Ingress controller",
    "  Release:       v1.11.1",
    'I0901 06:00:00.123456       7 controller.go:177] "Configuration changes detected, backend reload required"',
    'W0901 06:00:00.123456      17 controller.go:1112] Service "default/web" does not have any active Endpoint.',
    '2026/09/01 06:00:00 [error] 31#31: *1 connect() failed (111: Connection refused), request: "GET /a.png HTTP/1.1"',
)


@pytest.mark.parametrize("prefix", ["", "2026-09-01T06:00:05.123456789Z stdout F ", "controller-1  | "])
def test_messages_of_the_controller_between_requests_are_filtered(tmp_path: Path, prefix: str) -> None:
    """As `kubectl logs` has them: no damage, and no reason to ask."""
    lines = (*MESSAGES, line(5, INGRESS[0]), *MESSAGES, line(6, INGRESS[1]))
    found = report(tmp_path, *(f"{prefix}{text}" for text in lines))
    inputs = found["inputs"]
    assert inputs["files"][0]["format"] == "ingress-nginx"
    assert (inputs["lines"], inputs["events"], inputs["filtered"], inputs["rejected"]) == (14, 2, 12, 0)
    assert found["waste"]["concurrent"] == 1


def test_messages_alone_are_a_question(tmp_path: Path) -> None:
    """Without a request nothing tells whose they are."""
    with pytest.raises(InputError, match="cannot tell the format"):
        report(tmp_path, *MESSAGES)


@pytest.mark.parametrize(
    "cells",
    [
        "{1}",  # quotes that a table doubled, and the table is gone
        '{0},"{1}","a ""name"""',  # a row with two cells of quotes: neither is taken for the line
    ],
)
def test_lines_without_a_method_do_not_decide_what_a_log_is(tmp_path: Path, cells: str) -> None:
    """Where all that can be read is not a request, the log is a question."""
    lines = [cells.format(n, line(n).replace('"', '""')) for n in range(5)]
    with pytest.raises(InputError, match="cannot tell the format"):
        report(tmp_path, '"@timestamp","@message"', *lines)


def test_a_request_between_blanks_is_a_question(tmp_path: Path) -> None:
    """cPanel's `cacheStatus` format."""
    with pytest.raises(InputError, match="cannot tell the format"):
        report(tmp_path, *(line(n).replace('"GET', '" GET').replace('1.1"', '1.1 "') for n in range(5)))


def test_garbage_between_requests_does_not_hide_the_format(tmp_path: Path) -> None:
    """TLS on a plain port."""
    garbage = '203.0.113.7 - - [01/Sep/2026:06:00:05 +0000] "\\x16\\x03\\x01" 400 150 "-" "-"'
    found = report(tmp_path, line(1), *[garbage] * 9, line(5))
    assert found["inputs"]["files"][0]["format"] == "combined"
    assert told(found) == (2, 0, 1)


def odd(rng: random.Random) -> str:
    """A line with something behind it, or odd in another way."""
    behind = rng.choice(["HIT", "MISS", '"-"', "-", "STALE", "gate", ""]) + rng.choice(["", " 0.250", " 9"])
    behind += rng.choice([' "a.example"', ' "b.example:80"', ' "-"', ' "10.0.0.1"', " cs=HIT", ""])
    number = rng.choice([4500000, 250000, 3, 10**15])
    agent = rng.choice([' "-" "Mozilla/5.0"', ' "-" "a \\"b\\""', "", ' "-"'])
    text = line(
        rng.randrange(60), f" {behind} {number}" if rng.random() < 0.9 else " ", f"/img/{rng.randrange(4)}", agent
    )
    return text.replace(" - - ", rng.choice([" - - "] * 5 + [" c.example - ", " - al ice ", " bob - "]), 1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["tail", "ingress"])
def test_many_at_once_is_one_by_one(tmp_path: Path, seed: int, kind: str) -> None:
    """What stands behind the lines is read alike at both speeds."""
    rng = random.Random(seed)
    plain = [line(n, f' HIT {2 * 10**6} "a.example"') for n in range(30)] if kind == "tail" else []
    lines = plain + [
        odd(rng) if kind == "tail" else line(rng.randrange(60), rng.choice([*INGRESS, " 89"])) for _ in range(200)
    ]
    log = tmp_path / "access.log"
    log.write_text("\n".join(lines))
    settings = settings_of(IMG, "test")
    (source,) = discover([str(log)], tmp_path)
    if kind == "ingress":
        settings = settings_of({"sources": {"img": {"path": "/img/.*", "provider": "imejis"}}}, "test")
    detected = detected_in(source, settings, "ingress-nginx" if kind == "ingress" else "combined").kind
    assert detected.tail is not None
    results = []
    for compiled in (True, False):
        made, mapper, tally = detected(settings.timezone), Mapper(settings, "x"), Tally()
        reading = Reading("x", made, mapper, tally)
        blocks = TemplateBlocks(reading)
        batch, rest, _ = blocks.read(log.read_bytes(), 0) if compiled else read_exactly(log.read_bytes(), 0)
        events = [*([batch] if batch is not None else []), *batches(reading.events(rest))]
        rows = sorted(pa.Table.from_batches(events).to_pylist(), key=lambda row: row["line"])
        results.append((rows, tally))
    assert results[0] == results[1]
    assert len(results[0][0]) > 50
