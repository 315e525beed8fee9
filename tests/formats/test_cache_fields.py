"""One list of names and words for what a cache did, whichever reader comes upon it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from auditor.config import settings_of
from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cache_field import cache_of, names_cache
from auditor.exchanges.exchange import Exchange, Exported
from auditor.exchanges.outcome import Served, is_verdict, served
from auditor.formats.caddy import Caddy
from auditor.formats.csv_table import CsvTable
from auditor.formats.fastly import Fastly
from auditor.formats.har import Har
from auditor.formats.log_format import LogFormat
from auditor.formats.nginx_json import NginxJson
from auditor.formats.parquet import Parquet
from auditor.formats.structlog import Structlog
from auditor.formats.traefik import Traefik
from auditor.formats.w3c import W3C
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.results.audit import document

UTC = ZoneInfo("UTC")
NAMES = [
    "cacheStatus", "x-cache", "X-Cache-Status", "cf-cache-status", "CF_Cache_Status", "proxy_cache", "cache_result", "ucs",
    "cs", "handling", "upstream_cache_status", "$upstream_cache_status", "sent_http_x_cache", "cache-status",
    "upstream_http_cf_cache_status", "x_proxy_cache", "edgeCacheStatus", "x-vercel-cache", "cdn_cache_status", "CacheResult",
    "fastcgi_cache_status", "varnish_handling", "cacheHitMiss", "hit_or_miss", "x-nextjs-cache", "xcache", "cache_code",
]  # fmt: skip
BOOLEANS = [
    "cache_hit",
    "cacheHit",
    "from_cache",
    "fromCache",
    "cached",
    "isCached",
    "served_from_cache",
    "cache-hit",
    "hit",
]


def nginx(name: str, value: Any) -> Exchange:
    """nginx JSON."""
    record = {"time": "2026-09-01T06:00:01Z", "request": "GET /img/1.png HTTP/1.1", "status": 200, name: value}
    return NginxJson(UTC).parse(orjson.dumps(record))


def program(name: str, value: Any) -> Exchange:
    """A program's JSON."""
    record = {
        "event": "x",
        "timestamp": "2026-09-01T06:00:01Z",
        "url": "https://a.example/1",
        "status": 200,
        name: value,
    }
    return Structlog(UTC).parse(orjson.dumps(record))


def nested(name: str, value: Any) -> Exchange:
    """The same, within the headers of the response."""
    return program("response", {"headers": {name: value}})


def table(name: str, value: Any) -> Exchange:
    """CSV."""
    out, reader = io.StringIO(), CsvTable(UTC)
    csv.writer(out).writerow(["time", "url", "status", name])
    assert reader.parse(out.getvalue().strip().encode()) is None
    row = ["2026-09-01T06:00:01Z", "https://a.example/1", "200", value]
    return reader.parse(",".join(map(str, row)).encode())


def columns(name: str, value: Any) -> Exchange:
    """Parquet."""
    row = {"time": "2026-09-01T06:00:01Z", "url": "https://a.example/1", "status": 200, name: value}
    return Parquet(UTC).parse(orjson.dumps(row))


def fastly(name: str, value: Any) -> Exchange:
    """Fastly's JSON."""
    row = {"time_start": "2026-09-01T06:00:01Z", "url": "/1", "status": 200, "is_edge": True, name: value}
    return Fastly(UTC).parse(orjson.dumps(row))


READERS = [nginx, program, nested, table, columns, fastly]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_every_reader_knows_every_name(read: Callable[[str, Any], Exchange], name: str) -> None:
    """In any spelling."""
    for word, verdict in (("HIT", Served.HIT), ("miss", Served.FORWARDED), ("-", None), ("", None)):
        assert served(read(name, word).cache) is verdict


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", BOOLEANS)
def test_booleans_are_verdicts(read: Callable[[str, Any], Exchange], name: str) -> None:
    """Not only true: what is known to be no hit was a call."""
    if name != "hit" or read is not table:
        assert served(read(name, True).cache) is Served.HIT
        assert served(read(name, False).cache) is Served.FORWARDED


@pytest.mark.parametrize("name", [name for name in NAMES if name.islower() and "-" not in name and "$" not in name])
def test_a_log_format_knows_every_name(name: str) -> None:
    """As variables."""
    kind = LogFormat.of("own", f'[$time_iso8601] "$request" $status "${name}"')(UTC)
    for word, verdict in (("HIT", Served.HIT), ("MISS", Served.FORWARDED), ("-", None)):
        found = kind.parse(f'[2026-09-01T06:00:01Z] "GET /1 HTTP/1.1" 200 "{word}"'.encode())
        assert served(found.cache) is verdict


@pytest.mark.parametrize("name", ["x-cache", "CF-Cache-Status", "X-Proxy-Cache", "X-LiteSpeed-Cache", "CDN-Cache"])
def test_headers_of_answers(name: str) -> None:
    """HAR, Caddy and Traefik keep them."""
    entry = {
        "startedDateTime": "2026-09-01T06:00:01Z", "request": {"method": "GET", "url": "https://a.example/1"},
        "response": {"status": 200, "headers": {name.lower(): "HIT"}, "content": {}},
    }  # fmt: skip
    assert served(Har(UTC).parse(json.dumps(entry).encode()).cache) is Served.HIT
    record = {"ts": 1, "request": {"method": "GET", "uri": "/"}, "status": 200, "resp_headers": {name: ["HIT"]}}
    assert served(Caddy(UTC).parse(json.dumps(record).encode()).cache) is Served.HIT
    record = {
        "RequestMethod": "GET", "RequestPath": "/", "StartUTC": "2026-09-01T06:00:01Z", f"downstream_{name}": "HIT",
    }  # fmt: skip
    assert served(Traefik(UTC).parse(json.dumps(record).encode()).cache) is Served.HIT


@pytest.mark.parametrize("name", ["x-cache", "cached", "sc(X-Cache-Status)", "s-action", "cache-result"])
def test_columns_of_extended_logs(name: str) -> None:
    kind = W3C(UTC)
    assert kind.parse(f"#Fields: date time cs-method cs-uri-stem sc-status {name}".encode()) is None
    word = "1" if name == "cached" else "TCP_HIT"
    assert served(kind.parse(f"2026-09-01 06:00:01 GET /1 200 {word}".encode()).cache) is Served.HIT


@pytest.mark.parametrize("name", ["cached", "from_cache", "cacheStatus", "Cache"])
def test_exports_of_providers(name: str) -> None:
    """Where a row is a render."""
    kind = CsvTable(UTC)
    assert kind.parse(f"id,template,created_at,{name}".encode()) is None
    for word, outcome in (("true", "hit"), ("false", "render"), ("HIT", "hit"), ("", "render")):
        found = kind.parse(f"1,og,2026-09-01T06:00:01Z,{word}".encode())
        assert isinstance(found, Exported)
        assert found.event.outcome == outcome


@pytest.mark.parametrize(
    "name",
    ["cache_control", "cache_key", "cache_age", "cache_ttl", "dns_cache", "opcache", "no_cache", "memcached_status",
     "state", "status", "caches", "cache_bytes", "request_cache_control", "x" * 5000],
)  # fmt: skip
def test_other_fields_are_no_verdicts(name: str) -> None:
    assert not names_cache(name)
    assert cache_of({name: "HIT"}) is None


@pytest.mark.parametrize(
    ("name", "value"), [("cs", "en-US"), ("handling", "drop shipping"), ("hit", 17), ("ucs", "0.2")]
)
def test_short_names_count_with_a_verdict_only(name: str, value: Any) -> None:
    """Other programs use them for other things."""
    assert cache_of({name: value}) is None


def test_several_fields_are_several_caches() -> None:
    """One hit is enough, whichever stands first; what misses is no hit where it is true."""
    assert served(cache_of({"upstream_cache_status": "-", "sent_http_x_cache": "HIT"})) is Served.HIT
    assert served(cache_of({"cf-cache-status": "DYNAMIC", "x-cache": "HIT"})) is Served.HIT
    assert served(cache_of({"cache": {"status": "HIT", "ttl": 60}})) is Served.HIT
    assert served(cache_of({"cache_miss": True})) is Served.FORWARDED
    assert served(cache_of({"cache_miss": False})) is Served.HIT


COUNTS = [("0", Served.FORWARDED), ("3", Served.HIT), (0, Served.FORWARDED), (12, Served.HIT), ("0, 0", Served.FORWARDED),
          ("0, 1", Served.HIT), ("-", None)]  # fmt: skip


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "name", ["x_cache_hits", "X-Cache-Hits", "cacheHits", "sent_http_x_cache_hits", "cache_hits_count"]
)
def test_counts_of_hits(read: Callable[[str, Any], Exchange], name: str) -> None:
    for value, verdict in COUNTS:
        told = str(value).partition(",")[0] if read is table and verdict is Served.FORWARDED else value
        if read is not table or "," not in str(told):
            assert served(read(name, told).cache) is verdict


@pytest.mark.parametrize("name", ["sent_http_x_cache_hits", "x_cache_hits"])
def test_counts_of_hits_in_a_log_format(name: str) -> None:
    kind = LogFormat.of("own", f'[$time_iso8601] "$request" $status "${name}"')(UTC)
    for value, verdict in COUNTS:
        found = kind.parse(f'[2026-09-01T06:00:01Z] "GET /1 HTTP/1.1" 200 "{value}"'.encode())
        assert served(found.cache) is verdict


def test_a_count_does_not_overrule_a_verdict() -> None:
    """Fastly counts what it passed on, too."""
    assert served(cache_of({"x-cache-hits": "3", "x-cache": "MISS"})) is Served.FORWARDED
    assert served(cache_of({"x-cache": "-", "x-cache-hits": "3"})) is Served.HIT
    assert served(cache_of({"headers": {"x-cache": "HIT", "x-cache-hits": "0"}})) is Served.HIT


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("yes", "no"), [("Y", "N"), ("y", "n"), ("T", "F"), ("Yes", "No"), ("true", "false"), (True, False)]
)
def test_letters_and_names_that_deny(read: Callable[[str, Any], Exchange], yes: Any, no: Any) -> None:
    for name in ("cache_hit", "from_cache", "isCached"):
        assert served(read(name, yes).cache) is Served.HIT
        assert served(read(name, no).cache) is Served.FORWARDED
    for name in ("uncached", "is_uncached", "notCached", "not_cached", "non_cached", "cache_miss", "cacheMissed"):
        assert served(read(name, yes).cache) is Served.FORWARDED
        assert served(read(name, no).cache) is Served.HIT


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("HIT", True), ("TCP_MISS/200", True), ("Souin; hit; ttl=4", True), ("MISS, HIT", True), ("hit(4)", True),
     ("request timed out", False), ("miss universe", False), ("Mozilla/5.0 hit", False), ("", False), ("a" * 999, False)],
)  # fmt: skip
def test_a_verdict_alone(text: str, is_one: bool) -> None:
    assert is_verdict(text) is is_one


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [("cacheStatus", ("MISS", "HIT"), None), ("cacheStatus", ("blue", "green"), Assumption.ODD_VERDICT),
     ("other", ("MISS", "HIT"), Assumption.NO_VERDICT), ("cache_hit", (False, True), None)],
)  # fmt: skip
def test_what_the_report_says(tmp_path: Path, name: str, words: tuple[Any, Any], sentence: str | None) -> None:
    """A word that nobody knows is no hit, but nor is it silence."""
    log = tmp_path / "access.log"
    records = [
        {"time": f"2026-09-01T06:00:0{n}Z", "request": "GET /img/1.png HTTP/1.1", "status": 200, name: word}
        for n, word in enumerate(words)
    ]
    log.write_bytes(b"\n".join(map(orjson.dumps, records)))
    settings = settings_of({"sources": {"img": {"path": "/img/.*"}}}, "test")
    found = document(audit(discover([str(log)], tmp_path), settings, Options(cache=False), lambda *_: None))
    assumed = found["inputs"]["files"][0]["assumed"]
    assert found["totals"]["hits"] == (0 if sentence else 1)
    assert [each for each in (Assumption.ODD_VERDICT, Assumption.NO_VERDICT) if each in assumed] == (
        [sentence] if sentence else []
    )
