"""AWS load balancers: what the documented examples have and the sample has not."""

from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from auditor.exchanges.exchange import Exchange
from auditor.exchanges.outcome import Fate, fate
from auditor.formats.alb import Alb
from auditor.formats.elb import Elb
from auditor.formats.google_cloud import GoogleCloud
from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError, Outcome
from auditor.reading.format import NO_REQUEST, Sample

UTC = ZoneInfo("UTC")
HEAD = "2018-07-02T22:23:00.186641Z app/lb/50dc6c495c0c9188 192.0.2.39:2817 10.0.0.1:80"
TAIL = 'arn:aws:x "Root=1-2" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'


def alb(line: str) -> Exchange:
    found = Alb(UTC).parse(line.encode())
    assert isinstance(found, Exchange)
    return found


@pytest.mark.parametrize("kind", ["http", "https", "h2", "grpcs", "ws", "wss"])
def test_every_type_starts_when_its_request_arrived(kind: str) -> None:
    found = alb(
        f'{kind} {HEAD} 0.086 0.048 0.037 200 200 0 57 "GET https://h.example:443/a?b=1 HTTP/1.1" "-" - - {TAIL}'
    )
    assert found.ts_us == parse_time("2018-07-02T22:22:48.364Z", UTC)[0]
    assert (found.duration_us, found.bytes, found.target) == (171_000, 57, "https://h.example:443/a?b=1")


def test_a_line_without_its_arrival_is_reckoned_back() -> None:
    """Lines of 2016 and 2017 end with the trace id."""
    found = alb(f'http {HEAD} 0.5 1 0.25 200 200 0 57 "GET http://h.example:80/ HTTP/1.1" "-" - - arn:aws:x "Root=1-2"')
    assert found.ts_us == parse_time("2018-07-02T22:22:58.436641Z", UTC)[0]


def test_quotes_in_an_agent_and_values_that_came_later_shift_nothing() -> None:
    line = f'h2 {HEAD} 0 0 0 200 200 0 57 "GET https://h.example:443/ HTTP/2.0" "a \\"b\\" c" - - {TAIL}'
    later = "TID_1 new.example:443 /new Success more"
    assert Alb(UTC).fields(f"{line} {later}".encode())["transformed_uri"] == "/new"
    assert Alb(UTC).fields(line.encode())["request_creation_time"] == "2018-07-02T22:22:48.364000Z"


def test_no_whole_answer_has_no_duration() -> None:
    found = alb(f'http {HEAD} -1 -1 -1 503 - 0 0 "GET http://h.example:80/ HTTP/1.1" "-" - - {TAIL}')
    assert (found.status, found.duration_us) == (503, None)
    gone = alb(f'http {HEAD} 0 -1 -1 460 - 0 0 "GET http://h.example:80/ HTTP/1.1" "-" - - {TAIL}')
    assert gone.status == 460
    assert fate(gone.status, None, Outcome.RENDER) == Fate(Outcome.ERROR, None, "connection", None)


CLASSIC = "2015-05-13T23:39:43.945958Z my-lb 192.0.2.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29"


def test_a_classic_line_needs_no_agent_and_no_zone() -> None:
    """The first years had neither agent nor cipher; the time is UTC all the same."""
    found = Elb(UTC).parse(f'{CLASSIC.replace("Z ", " ", 1)} "GET http://h.example:80/ HTTP/1.1"'.encode())
    assert isinstance(found, Exchange)
    assert found.ts_us == parse_time("2015-05-13T23:39:43.945958Z", UTC)[0]
    assert found.duration_us == 1178
    assert not found.assumed_timezone


def test_a_connection_is_no_request() -> None:
    line = CLASSIC.replace("200 200", "- -")
    assert Elb(UTC).parse(f'{line} "- - - " "-" - -'.encode()) is NO_REQUEST


@pytest.mark.parametrize("line", [f'{CLASSIC} "GET http://h.exam', f"http {CLASSIC}", "", '"" "" ""', CLASSIC[:60]])
def test_what_is_cut_or_of_another_kind_is_rejected(line: str) -> None:
    with pytest.raises(BadRecordError):
        Elb(UTC).parse(line.encode())
    with pytest.raises(BadRecordError):
        Alb(UTC).parse(line.encode())


def google(**request: object) -> Exchange:
    record = {
        "timestamp": "2026-09-01T08:00:01Z", "logName": "projects/x/logs/requests", "insertId": "a1",
        "httpRequest": {"requestMethod": "GET", "requestUrl": "https://h.example/a?b=1", "status": 200, **request},
    }  # fmt: skip
    found = GoogleCloud(UTC).parse(orjson.dumps(record))
    assert isinstance(found, Exchange)
    return found


@pytest.mark.parametrize(
    ("latency", "microseconds"),
    [("0.251204s", 251_204), ("3s", 3_000_000), ({"seconds": 1, "nanos": 5000}, 1_000_005), ({"nanos": 7000}, 7),
     ({"seconds": "2"}, 2_000_000), ({"nanos": "x"}, None), ("soon", None), (None, None), (5, None)],
)  # fmt: skip
def test_latencies_of_google_in_both_spellings(latency: object, microseconds: int | None) -> None:
    assert google(latency=latency).duration_us == microseconds


def test_google_leaves_out_what_is_false_or_zero() -> None:
    assert [google(**said).cache for said in ({}, {"cacheLookup": True}, {"cacheLookup": True, "cacheHit": True})] == [
        None,
        "miss",
        "hit",
    ]
    assert (google(status=None).status, google().bytes, google(responseSize="9").bytes) == (None, None, 9)


@pytest.mark.parametrize("request_", ["x", [], {"requestMethod": "GET"}, {"requestUrl": "/"}])
def test_a_request_of_google_without_an_address_is_rejected(request_: object) -> None:
    record = {"timestamp": "2026-09-01T08:00:01Z", "logName": "x", "httpRequest": request_}
    with pytest.raises(BadRecordError, match="httpRequest"):
        GoogleCloud(UTC).parse(orjson.dumps(record))


def test_entries_of_google_without_requests_are_no_such_log() -> None:
    line = b'{"timestamp":"2026-09-01T08:00:01Z","logName":"x","textPayload":"hello"}'
    assert GoogleCloud(UTC).parse(line) is NO_REQUEST
    assert GoogleCloud.detect(Sample(Path("x"), line, (line,))) == 0
