"""S3 server access logs, CloudFront's real-time logs and Bunny CDN: what their manuals say, derived by hand."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.addresses import split
from auditor.exchanges.exchange import Exchange
from auditor.formats.bunny import Bunny
from auditor.formats.cloudfront_realtime import FIELDS, CloudFrontRealtime
from auditor.formats.s3 import S3
from auditor.model.errors import ConfigError, InputError
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError
from auditor.reading.format import NO_REQUEST, Format
from tests.formats.samples import FOLDER, taken_of

UTC = ZoneInfo("UTC")
IMAGES = {"sources": {"img": {"path": "/img/.*"}}}
CARD = "/img/card/1042-400x300.webp"
START = "2026-09-01T06:00:0"
TABLE = {
    # start, method, host, path, query, status, cache, µs, bytes, id
    "s3": [
        (START + "1Z", "GET", "shop.example", CARD, "v=2", 200, None, 250_000, 18_211, "44EE8651683CB4D1"),
        (START + "5Z", "GET", "shop.example", CARD, "v=2", 304, None, 9_000, None, "44EE8651683CB4D2"),
    ],
    "cloudfront-realtime": [
        (START + "1Z", "GET", "shop.example", CARD, "v=2", 200, "Miss", 250_000, 18_211, "AAAA=="),
        (START + "5.25Z", "GET", "shop.example", CARD, "v=2", 200, "Hit", 2_000, 18_211, "BBBB=="),
    ],
    "bunny": [
        (START + "1.25Z", "GET", "shop.example", CARD, "v=2", 200, "MISS", None, 18_592,
         "322b688bd63fb63f2babe9de30a5d262"),
        (START + "5.25Z", "GET", "shop.example", CARD, "v=2", 200, "HIT", None, 18_592,
         "322b688bd63fb63f2babe9de30a5d263"),
    ],
}  # fmt: skip
KINDS: dict[str, type[Format]] = {"s3": S3, "cloudfront-realtime": CloudFrontRealtime, "bunny": Bunny}


def read(kind: type[Format], line: str) -> Exchange:
    found = kind(UTC).parse(line.encode())
    assert isinstance(found, Exchange)
    return found


def sample(name: str) -> list[str]:
    return (FOLDER / f"{name}.log").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", TABLE)
def test_two_requests_for_one_image(name: str) -> None:
    for line, (start, *expected) in zip(sample(name), TABLE[name], strict=False):
        found = read(KINDS[name], line)
        host, path, query = split(found.host, found.target)
        assert found.ts_us == parse_time(start, UTC)[0]
        assert [
            found.method, host, path, query, found.status, found.cache, found.duration_us, found.bytes, found.id
        ] == expected  # fmt: skip
        assert not found.assumed_timezone


S3_LINE = sample("s3")[0]


@pytest.mark.parametrize(
    "operation",
    ["REST.PUT.OBJECT", "REST.GET.ACL", "REST.COPY.OBJECT_GET", "BATCH.DELETE.OBJECT", "S3.EXPIRE.OBJECT",
     "REST.POST.UPLOADS", "REST.GET.BUCKET"],
)  # fmt: skip
def test_s3_delivers_nothing_but_objects(operation: str) -> None:
    assert S3(UTC).parse(S3_LINE.replace("REST.GET.OBJECT", operation).encode()) is NO_REQUEST


def test_s3_lines_of_earlier_years_have_the_bucket_for_a_host() -> None:
    """Two buckets with equal keys are two images; AWS's own example of 2014 ends with the version."""
    earlier = S3_LINE[: S3_LINE.index(" s9lz")]
    assert (read(S3, earlier).host, read(S3, earlier.replace("shop-images", "b")).host) == ("shop-images", "b")
    assert read(S3, S3_LINE.replace("shop.example", "-")).host == "shop-images"


def test_s3_fields_may_be_dashes_and_agents_have_quotes() -> None:
    found = read(S3, S3_LINE.replace(" 200 - 18211 18211 250 16 ", " 200 - - - - - ").replace("(X11)", '\\"X\\"'))
    assert (found.bytes, found.duration_us, found.host) == (None, None, "shop.example")


@pytest.mark.parametrize(
    "agent",
    ['"', 'a "b" c', '"a" "b"', '" ', "[a", "a] [b", "a\\", '\\" x', "a - SigV4 x AuthHeader evil.example"],
)  # fmt: skip
def test_s3_host_is_not_moved_by_what_an_agent_sends(agent: str) -> None:
    """The agent is what the client sent, and nothing behind it has quotes; of a line that is cut, the bucket counts."""
    line = S3_LINE.replace("Mozilla/5.0 (X11)", agent)
    assert line != S3_LINE
    assert read(S3, line) == read(S3, S3_LINE)
    for end in range(S3_LINE.index("Mozilla"), line.index("shop.example TLS")):
        assert read(S3, line[:end]).host == "shop-images"


RT_LINES = sample("cloudfront-realtime")
RT_VALUES = dict(zip(FIELDS, RT_LINES[0].split("\t"), strict=False))


def realtime(names: str, **changed: str) -> str:
    values = RT_VALUES | {name.replace("_", "-"): value for name, value in changed.items()}
    return "\t".join(values[name] for name in names.split())


CHOSEN = "timestamp c-ip sc-status cs-method cs-host cs-uri-stem time-taken x-edge-result-type"


def test_realtime_fields_of_before_s_ip_was_added() -> None:
    earlier = [name for name in RT_VALUES if name != "s-ip"]
    found = read(CloudFrontRealtime, realtime(" ".join(earlier)))
    assert found == read(CloudFrontRealtime, RT_LINES[0])


def test_realtime_fields_of_a_configuration(tmp_path: Path) -> None:
    """In the order of the manual, whatever the order of the list; AWS's command writes tabs between them."""
    lines = [realtime(CHOSEN), realtime(CHOSEN, timestamp="1788242405.252", x_edge_result_type="Hit")]
    text = "".join(f"{line}\n" for line in lines)
    with pytest.raises(InputError, match="name the fields of the configuration: --input-format"):
        taken_of(tmp_path, {"rt.log": text}, IMAGES)
    for listed in (CHOSEN, "\t".join(sorted(CHOSEN.split())), CHOSEN.replace(" ", ", ")):
        found = taken_of(tmp_path, {"rt.log": text}, IMAGES, input_format=listed)
        assert [record["outcome"] for record in found.records] == ["render", "hit"]
        assert found.records[0]["duration_us"] == 250_000
    with pytest.raises(ConfigError, match="lacks timestamp and cs-uri-stem"):
        taken_of(tmp_path, {"rt.log": text}, IMAGES, input_format="c-ip sc-status")
    names = "$msec $remote_addr $status $request_method $host $request_uri $request_time $x_edge_result_type"
    config = {**IMAGES, "formats": {"rt": {"log_format": names.replace(" ", "\t")}}}
    assert [record["outcome"] for record in taken_of(tmp_path, {"rt.log": text}, config).records] == ["render", "hit"]


def test_realtime_lines_with_other_values_are_rejected() -> None:
    kind = CloudFrontRealtime.of(CHOSEN)
    assert kind is not None
    assert read(kind, realtime(CHOSEN)).host == "shop.example"
    for line in (realtime(CHOSEN) + "\tmore", realtime(CHOSEN, sc_status="GET"), realtime(CHOSEN, timestamp="-"), ""):
        with pytest.raises(BadRecordError, match="--input-format"):
            kind(UTC).parse(line.encode())


@pytest.mark.parametrize(
    ("result", "answered", "cache"),
    [("Error", "Hit", "Hit"), ("Error", "Error", "Error"), ("RefreshHit", "RefreshHit", "RefreshHit")],
)
def test_realtime_outcomes(result: str, answered: str, cache: str) -> None:
    line = realtime(" ".join(RT_VALUES), x_edge_result_type=result, x_edge_response_result_type=answered)
    assert read(CloudFrontRealtime, line).cache == cache


BUNNY_LINE = sample("bunny")[0]


@pytest.mark.parametrize(
    ("old", "new", "target"),
    [
        ("?v=2", "?v=a|b", "?v=a|b"), ("Mozilla/5.0 (Windows NT 10.0)", "a|b|DE|c", "?v=2"), ("|DE\n", "|-\n", "?v=2"),
        ("|DE|", "|-|", "?v=2"),
    ],
)  # fmt: skip
def test_bunny_values_may_hold_the_delimiter(old: str, new: str, target: str) -> None:
    found = read(Bunny, f"{BUNNY_LINE}\n".replace(old, new, 1)[:-1])
    assert found.target == f"https://shop.example{CARD}{target}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("|DE|Mozilla", "|Mozilla"),
        ("|390|", "|390|more|"),
        ("|1788242401250|", "|now|"),
        ("https://", ""),
        ("|200|", "|ok|"),
    ],
)
def test_bunny_lines_of_another_shape_are_rejected(old: str, new: str) -> None:
    with pytest.raises(BadRecordError):
        Bunny(UTC).parse(BUNNY_LINE.replace(old, new, 1).encode())
