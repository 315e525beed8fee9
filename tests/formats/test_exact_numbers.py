"""Numbers of a request that a double does not hold: two images never become one repeat, they are unknown."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.samples import taken_of

PAIRS = [
    ("-9223372036854775809", "-9223372036854775810"),
    ("18446744073709551616", "18446744073709551617"),
    ("9007199254740993", "9007199254740992"),
    ("-9007199254740993", "-9007199254740994"),
    ("1" + "0" * 40, "1" + "0" * 39 + "1"),
    ("9007199254740993.0", "9007199254740992.0"),
    ("1e400", "1e401"),
]
KNOWN = ["9007199254740991", "-9007199254740991", "0.1", "1e3", "12"]
PLACES = ['{"id": %s}', '{"layer": {"image": {"id": %s}, "text": "a"}}', '{"ids": [1, [%s]]}']
ADDRESSES = {
    "https://render.imejis.io/v1/og-card": "%s",
    "https://hcti.io/v1/image/og-card": '{"template_values": %s}',
    "https://sync.api.bannerbear.com/v2/images": '{"template": "og", "modifications": [%s]}',
    "https://api.placid.app/api/rest/og-card": '{"layers": %s}',
}


def har(url: str, bodies: Sequence[str]) -> str:
    """A call a minute."""
    entries = [
        {
            "startedDateTime": f"2026-09-01T06:{n:02}:00Z", "time": 250,
            "request": {"method": "POST", "url": url, "bodySize": len(body), "postData": {"mimeType": "application/json", "text": body}},
            "response": {"status": 200, "content": {"size": 9, "mimeType": "image/png"}},
        }
        for n, body in enumerate(bodies)
    ]  # fmt: skip
    return json.dumps({"log": {"entries": entries}})


def calls(url: str, bodies: Sequence[str], text: bool) -> str:
    """The same as JSON lines, whose body is an object or its text."""
    return "".join(
        f'{{"ts": "2026-09-01T06:{n:02}:00Z", "method": "POST", "url": "{url}", "status_code": 200, '
        f'"request_body": {json.dumps(body) if text else body}}}\n'
        for n, body in enumerate(bodies)
    )


CARRIERS: dict[str, Callable[[str, Sequence[str]], str]] = {
    "a.har": har,
    "text.jsonl": lambda url, bodies: calls(url, bodies, True),
    "object.jsonl": lambda url, bodies: calls(url, bodies, False),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize("url", ADDRESSES)
def test_calls_that_differ_by_such_a_number_are_unknown(
    tmp_path: Path, url: str, name: str, pair: tuple[str, str]
) -> None:
    """However deep it stands."""
    if name == "object.jsonl" and pair[0] == "1e400":
        pytest.skip("such a line is not JSON for its reader")
    bodies = [ADDRESSES[url] % (place % each) for place in PLACES for each in (*pair, pair[0])]
    found = taken_of(tmp_path, {name: CARRIERS[name](url, bodies)})
    assert found.count("render") == 9
    assert found.unknown == {"no_body": 9}


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize("url", ADDRESSES)
def test_numbers_that_a_double_holds_repeat(tmp_path: Path, url: str, name: str) -> None:
    bodies = [ADDRESSES[url] % (PLACES[1] % number) for number in KNOWN] * 2
    found = taken_of(tmp_path, {name: CARRIERS[name](url, bodies)})
    assert (found.unknown, found.repeats) == ({}, len(KNOWN))


OWN = {"sources": {"api": {"path": "/api/og"}}}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", CARRIERS)
def test_endpoints_of_the_users_own(tmp_path: Path, name: str, pair: tuple[str, str]) -> None:
    """Where the body is kept as text it is told apart; nowhere do two become one."""
    if name == "object.jsonl" and pair[0] == "1e400":
        pytest.skip("such a line is not JSON for its reader")
    text = CARRIERS[name]("https://shop.example/api/og", [PLACES[0] % each for each in pair])
    found = taken_of(tmp_path, {name: text}, OWN)
    assert (found.count("render"), found.repeats) == (2, 0)


@pytest.mark.parametrize("pair", PAIRS)
def test_bodies_of_a_log_format(tmp_path: Path, pair: tuple[str, str]) -> None:
    config = {"formats": {"own": {"log_format": '$time_iso8601 $host "$request" $status $request_body'}}}
    lines = [
        f'2026-09-01T06:0{n}:00Z render.imejis.io "POST /v1/og-card HTTP/1.1" 200 {PLACES[0] % each}'
        for n, each in enumerate((*pair, "12", "12"))
    ]
    found = taken_of(tmp_path, {"own.log": "\n".join(lines)}, config, input_format="own")
    assert (found.count("render"), found.unknown.total(), found.repeats) == (4, 2, 1)


def table(values: Sequence[Any]) -> dict[str, list[Any]]:
    """An export with inputs."""
    times = [f"2026-09-01T06:{n:02}:00Z" for n in range(len(values))]
    return {
        "id": [f"r{n}" for n in range(len(values))],
        "template": ["og"] * len(values),
        "created_at": times,
        "modifications": list(values),
    }


@pytest.mark.parametrize("pair", PAIRS[:-1])
@pytest.mark.parametrize("packed", [False, True])
def test_inputs_of_an_export(tmp_path: Path, pair: tuple[str, str], packed: bool) -> None:
    """Of a column of JSON; what is not JSON is text, and no other text is the same."""
    columns = table([PLACES[0] % each for each in (*pair, pair[0], "12", "12")])
    name = "export.parquet" if packed else "export.csv"
    if packed:
        pq.write_table(pa.table(columns), tmp_path / name)
    else:
        rows = zip(*columns.values(), strict=True)
        quoted = ["\t".join(map(str, row)) for row in rows]
        text = "\n".join(["\t".join(columns), *(row.replace('"', '""') for row in quoted)])
        (tmp_path / name).write_text(text.replace("{", '"{').replace("}", '}"'))
    found = taken_of(tmp_path, {name: None})
    assert (found.count("render"), found.repeats) == (5, 1)
    assert found.unknown == {"no_inputs": 3}


def test_inputs_that_are_a_column_of_their_own_type(tmp_path: Path) -> None:
    """Whole numbers of 64 bits and decimals are exact in Parquet, and so they stay."""
    whole = [2**53 + 1, 2**53 + 2, 2**53 + 1]
    pq.write_table(pa.table(table([{"id": each} for each in whole])), tmp_path / "export.parquet")
    found = taken_of(tmp_path, {"export.parquet": None})
    assert (found.unknown, found.repeats) == ({}, 1)


@pytest.mark.parametrize("number", ["99999999999999999999", "9007199254740993", "0" * 30 + "85"])
def test_options_in_an_address_are_calls_all_the_same(tmp_path: Path, number: str) -> None:
    """Whatever digits stand there: one image, and another."""
    addresses = [
        f"https://render.imejis.io/v1/og-card?quality={each}&format=jpeg" for each in (number, number, f"{number}1")
    ]
    lines = [
        json.dumps({"ts": f"2026-09-01T06:0{n}:00Z", "method": "GET", "url": url, "status_code": 200})
        for n, url in enumerate(addresses)
    ]
    found = taken_of(tmp_path, {"calls.jsonl": "\n".join(lines)})
    assert (found.count("render"), found.repeats) == (3, 1)
