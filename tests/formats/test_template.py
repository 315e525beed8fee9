"""The compiled splitter and the exact one read the same line alike, or the compiled one hands it back."""

import random
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from auditor.config import load, settings_of
from auditor.exchanges.mapper import Mapper
from auditor.formats.combined import Combined
from auditor.formats.log_format import LogFormat
from auditor.intake.columnar.coded import distinct
from auditor.intake.columnar.template_columns import TemplateBlocks
from auditor.intake.columns import batches
from auditor.reading.lines import read_exactly
from auditor.reading.log_template import LogTemplate
from auditor.reading.reader import Reading, Tally
from tests.formats.samples import FOLDER

UTC = ZoneInfo("UTC")
LOG_FORMAT = (
    '$http_host [$time_iso8601] "$request" $status $bytes_sent rt=$request_time cs=$upstream_cache_status '
    '"$sent_http_content_type" ($http_user_agent)'
)


def both(kind_of: type[Combined] | type[LogFormat], block: bytes) -> tuple[list[dict], list[dict], Tally, Tally]:
    """(events read at once, events read one by one, and what each way counted)."""
    settings = load(FOLDER / "auditor.toml")
    tallies = Tally(), Tally()
    tables = []
    for tally, compiled in zip(tallies, (True, False), strict=True):
        kind, mapper = kind_of(UTC), Mapper(settings, "x")
        reading = Reading("x", kind, mapper, tally)
        batch, rest, _ = TemplateBlocks(reading).read(block, 7) if compiled else read_exactly(block, 7)
        found = [batch] if batch is not None else []
        rows = pa.Table.from_batches([*found, *batches(reading.events(rest))]).to_pylist() if found or rest else []
        tables.append(sorted(rows, key=lambda row: row["line"]))
    return tables[0], tables[1], *tallies


def noise(rng: random.Random) -> bytes:
    """A line that is odd in one of many ways, or plain."""
    address = rng.choice(
        [
            "203.0.113.7",
            "2001:db8::1",
            "shop.example 10.0.0.1",
            "shop.example:80 ::1",
            "web-1  | 10.0.0.1",
            "-",
            "",
            "10.0.0.2, 10.0.0.1",
            'cafe.de "10.0.0.2, 10.0.0.1"',
            "2026-09-01T08:00:00Z 10.0.0.1",
            "2026-09-01T08:00:00+02:00 web1 nginx: shop.example 10.0.0.1",
            "<134>1 2026-09-01T08:00:00Z web1 nginx - - - ::1",
        ]
    )
    user = rng.choice(["- -", "- alice", "- alice smith", "-", "", " - - ", " "])
    time = rng.choice(
        [
            f"01/Sep/2026:08:00:0{rng.randrange(10)} +0200",
            "31/Feb/2026:08:00:00 +0200",
            "2026-09-01T08:00:00Z",
            "01/Sep/2026:08:00:60 +0000",
            "01/Sep/2026:08:00:00",
            "01/Sep/2026 08:00:00",
            "Tue, 01 Sep 2026 08:00:00 GMT",
            "Tue Sep  1 08:00:00 2026",
        ]
    )
    target = rng.choice(
        [
            f"/img/og/{rng.randrange(4)}.png",
            f"/img/card/7-400x300.webp?w={rng.randrange(3)}&v=1",
            "/cart",
            "/img/og/a b.png",
            "/img/og/1.png?t=\\xD0\\x90\\x22",
            "https://render.imejis.io/v1/og?dma-api-key=0123456789abcdef&title.text=x",
        ]
    )
    request = rng.choice(
        [f"GET {target} HTTP/1.1"] * 6
        + [
            f"POST {target} HTTP/1.1",
            f"HEAD {target} HTTP/1.1",
            f"GET {target}",
            "-",
            "",
            "\\x16\\x03\\x01",
            f'GET {target}\\"x HTTP/1.1',
            f'GET {target}\\" 200 5 HTTP/1.1',
            f"GET {target}\\\\",
        ]
    )
    status = rng.choice(["200"] * 6 + ["304", "404", "429", "499", "503", "000", "-", "", "2x0", "2000", "20"])
    size = rng.choice(["18211"] * 4 + ["0", "-", "", "12a", "9" * 17])
    tail = rng.choice(
        ["", ' "-" "agent"', ' "https://u:secret@x/" "say \\"hi\\""', ' "-" "a" "b"', " ", "\r", ' "half']
    )
    line = f'{address} {user} [{time}] "{request}" {status} {size}{tail}'
    if rng.random() < 0.1:
        line = line[: rng.randrange(len(line) + 1)]
    return line.encode() if rng.random() < 0.9 else line.encode() + bytes([rng.randrange(128, 256)])


def shaped(rng: random.Random) -> bytes:
    """A line of `LOG_FORMAT`."""
    target = f"/img/og/{rng.randrange(4)}.png?v={rng.randrange(2)}"
    return (
        f"{rng.choice(['shop.example', 'staging.shop.example', '-'])} [2026-09-01T08:00:0{rng.randrange(10)}+02:00] "
        f'"{rng.choice(["GET", "GET", "PUT"])} {target} HTTP/1.1" {rng.choice(["200", "200", "504", "-", "1000", "20"])} '
        f"{rng.choice(['7', '0', '-'])} rt={rng.choice(['0.250', '0.001', '-', '1, 2'])} "
        f"cs={rng.choice(['HIT', 'MISS', '-', 'UPDATING', 'odd'])} "
        f'"{rng.choice(["image/webp", "image/png; q=1", "-", "text/html"])}" {rng.choice(["(ua)", "(ua)", "(ua", "((x))"])}'
    ).encode()


@pytest.mark.parametrize("seed", range(12))
def test_many_at_once_is_one_by_one(seed: int) -> None:
    """Values, counts, secrets, assumptions and rejections, whatever the lines are like."""
    rng = random.Random(seed)
    kind = Combined if seed % 2 else LogFormat.of("own", LOG_FORMAT)
    block = b"\n".join(
        rng.choice([b"", b"  "]) if rng.random() < 0.02 else (noise if seed % 2 else shaped)(rng) for _ in range(600)
    )
    fast, exact, counted, counted_exactly = both(kind, block)
    assert fast == exact
    assert counted == counted_exactly
    assert len(exact) > 50


@pytest.mark.slow
def test_more_different_addresses_than_64_bits_number() -> None:
    """Five variables of an address with 7,000 values each: lines of it stay apart, and two that are alike together."""
    kind = LogFormat.of("own", '$host [$time_iso8601] "$request" "$request_method" "$request_uri" "$args" $status')
    block = "".join(
        f'h{n}.example [2026-09-01T08:00:00Z] "GET /img/og/{n}.png HTTP/1.1" "{n}" "/{n}" "v={n}" 200\n'
        for n in [*range(7000), *range(100)]
    )
    fast, exact, counted, counted_exactly = both(kind, block.encode())
    assert (fast, counted) == (exact, counted_exactly)
    assert len({row["key"] for row in fast}) == 7000
    # (65536^4 is 2^64: their sums are alike but for what goes beyond)
    codes, rows, counts = distinct([np.array([1, 0, 0, 1]), *[np.array([0, 65535, 0, 0])] * 4])
    assert (codes.tolist(), counts) == ([0, 1, 2, 0], [2, 1, 1])
    assert rows == [(1, 0, 0, 0, 0), (0, *[65535] * 4), (0, 0, 0, 0, 0)]


def test_plain_lines_are_taken_at_once() -> None:
    """The compiled reader would be of no use if it handed back everything."""
    line = b'203.0.113.7 - - [01/Sep/2026:08:00:00 +0200] "GET /img/og/1.png HTTP/1.1" 200 18211 "-" "agent"\n'
    kind, mapper = Combined(UTC), Mapper(settings_of({}, "x"), "x")
    read = TemplateBlocks(Reading("x", kind, mapper, Tally())).read
    assert read(line * 100, 0)[1:] == ([], 100)


def test_a_directive_as_it_stands_in_nginx_conf() -> None:
    """Joined strings, escapes and the name are understood."""
    text = (
        "log_format main escape=json '$remote_addr [$time_local] '\n  '\"$request\" $status it\\'s $body_bytes_sent';"
    )
    assert LogTemplate.of(text).literals[-2:] == (b" it's ", b"")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$time_local$status $request", "nothing tells where one ends"),
        ("$remote_addr", r"no \$time_local or \$time_iso8601 or \$msec and no \$status and no \$request or"),
        ("$time_local $request", r"has no \$status"),
    ],
)
def test_a_log_format_that_tells_no_event_is_refused(text: str, words: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=words):
        LogTemplate.of(text)
