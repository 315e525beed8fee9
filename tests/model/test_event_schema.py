"""The JSON Schema of the usage event says what the reader does: valid exactly where `parse_event` takes the record."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from auditor.model import events
from auditor.model.event_reader import parse_event
from auditor.model.events import BadRecordError, Outcome, UsageEvent
from tests.conftest import ROOT
from tests.records import record_of

SCHEMA = json.loads((files("auditor") / "usage_event_v1.schema.json").read_text())
VALID = Draft202012Validator(SCHEMA)
UTC = ZoneInfo("UTC")
BASE = {
    "v": 1, "id": "a", "ts": "2026-09-01T08:00:00Z", "outcome": "render", "provider": "imejis", "account": "main",
    "environment": "production", "template": "t", "key": "k1:0",
}  # fmt: skip
MAX = 2**63 - 1
FIELDS: dict[str, list[Any]] = {
    "v": [1, 1.0, 2, 0, "1", True, None],
    "id": ["x", "x" * 200, "é" * 200, "x" * 201, "", None, 7],
    "ts": [
        "2026-09-01T08:00:00Z", "2026-09-01 08:00:00.123456789+02:00", "2026-09-01t08:00:00z", "2016-12-31T23:59:60Z",
        "2026-09-01T08:00:00", "0002-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "0001-12-31T00:00:00Z", "9999-01-01T00:00:00Z",
        "2026-13-01T08:00:00Z", "2026-00-01T08:00:00Z", "2026-09-32T08:00:00Z", "2026-09-01T24:00:00Z", "2026-09-01T08:60:00Z",
        "2026-09-01T08:00:61Z", "2026-09-01T08:00:00+24:00", "2026-09-01T08:00:00+02:60", "2026-09-01T08:00:00Z\n",
        "2026-09-01T08:00:00.Z", "2026-09-01T08:00Z", "２026-09-01T08:00:00Z", "20260901T080000Z", "", 1788249600, None,
    ],
    "outcome": [*map(str, Outcome), "miss", "Render", "", None, 1],
    **{name: ["x", " ", "", None, 3, ["x"]] for name in ("provider", "account", "environment", "template", "key")},
    **{name: ["x", "", None, 3, {}] for name in ("template_version", "placement")},
    "count": [1, 2, 10**15, None, 0, -1, 1.5, 10**15 + 1, "2", True],
    "source": ["online", "batch", None, "cron", "", 1],
    "format": [*sorted(events.FORMATS), "jpg", None, "PNG", "bmp", "", 1],
    "width": [1, 10**9, 5.0, None, 0, -1, 1.5, 10**9 + 1, "1", False],
    "height": [1, 10**9, 5.0, None, 0, -1, 1.5, 10**9 + 1, "1", True],
    "bytes": [0, 1, 10**12, None, -1, 0.5, 10**12 + 1, "1", True],
    "digest": ["sha256:" + "a" * 64, "sha256:" + "A" * 64, None, "sha256:" + "a" * 63, "a" * 64, "sha256:" + "a" * 64 + "\n",
               "sha256:" + "g" * 64, "", 1],
    "duration_ms": [0, 12.5, MAX // 4000, None, -1, -0.5, MAX, "1", True],
    "status": [0, 200, 502, MAX, None, -1, 200.5, MAX + 1, "200", True],
    "credits": [0, 1, 0.25, 999_999_999_999, None, -1, -0.5, 10**12, "1", True],
    "inputs": [{}, {"a": "b", "": ""}, None, {"a": 1}, {"a": None}, ["a"], "a", True],
    "error": [*sorted(events.ERRORS), None, "boom", "", 5],
    "retried": [True, False, None, "yes", 1, 0],
}  # fmt: skip
"""For each field values that are taken, and values that are not."""


def taken(text: str) -> bool:
    """What the normative reader says of a line."""
    try:
        parse_event(json.loads(text, parse_float=Decimal), UTC)
    except BadRecordError:
        return False
    return True


def agree(record: Mapping[str, Any]) -> bool:
    """Whether both say the same; the answer."""
    text = json.dumps(record)
    said = VALID.is_valid(json.loads(text))
    assert said is taken(text), (text, [error.message for error in VALID.iter_errors(json.loads(text))])
    return said


def test_it_is_a_schema() -> None:
    """Of its own draft, for all fields and words of the reader and no others."""
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["required"]) == set(events.REQUIRED)
    of_the_reader = {"v", "ts", "duration_ms"} | {field.name for field in fields(UsageEvent)}
    assert set(SCHEMA["properties"]) == of_the_reader - {
        "ts_us", "duration_us", "assumed_timezone", "unknown", "assumed", "unrendered", "page", "lifetime_s",
        "shown_width",
    }  # fmt: skip
    assert set(FIELDS) == set(SCHEMA["properties"])
    assert all(SCHEMA["properties"][name]["description"] for name in FIELDS)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FIELDS.items() for value in values])
def test_every_value_of_every_field(name: str, value: Any) -> None:
    """On a render, and on the outcomes that some fields are for."""
    agree({**BASE, name: value})
    if name != "outcome":
        for outcome in ("hit", "error"):
            agree({**BASE, "outcome": outcome, name: value})


@pytest.mark.parametrize("name", FIELDS)
def test_there_is_a_good_and_a_bad_value_of_every_field(name: str) -> None:
    """A schema that took everything, or nothing, would fail here."""
    outcome = {"retried": "error", "count": "hit"}.get(name, "render")
    found = {agree({**BASE, "outcome": outcome, name: value}) for value in FIELDS[name]}
    assert found == {True, False}


@pytest.mark.parametrize("name", sorted(set(FIELDS) - set(events.REQUIRED)))
def test_optional_fields_may_be_absent_or_null(name: str) -> None:
    """And required ones may be neither."""
    assert agree({**BASE, name: None})
    for required in events.REQUIRED:
        assert not agree({key: value for key, value in BASE.items() if key != required} | {name: None})


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "true"])
def test_what_is_no_object_is_no_event(text: str) -> None:
    """A line is an object."""
    assert not VALID.is_valid(json.loads(text))


def test_unknown_fields_are_ignored() -> None:
    """So that writers may add their own."""
    assert agree({**BASE, "trace_id": "0af7", "extra": {"deep": [1]}})


@pytest.mark.slow
@given(
    st.fixed_dictionaries(
        {name: st.sampled_from(values) for name, values in FIELDS.items() if name in events.REQUIRED},
        optional={name: st.sampled_from(values) for name, values in FIELDS.items() if name not in events.REQUIRED},
    )
)
@settings(max_examples=300, deadline=None)
def test_any_mixture(record: dict[str, Any]) -> None:
    """Values that exclude each other too; what a schema cannot say is left out, see below."""
    if record.get("outcome") == "attempt" or record.get("count") not in (1, None):
        record.pop("credits", None)
        record.pop("bytes", None)
    agree(record)


@given(
    st.fixed_dictionaries(
        {
            name: st.sampled_from([v for v in values if agree({**BASE, name: v})])
            for name, values in FIELDS.items()
            if name not in ("count", "retried")
        }
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_valid(record: dict[str, Any]) -> None:
    """An event that was read, written again."""
    event = parse_event(json.loads(json.dumps(record), parse_float=Decimal), UTC)
    again = record_of(event)
    if isinstance(again.get("credits"), str):
        again["credits"] = float(again["credits"])
    assert VALID.is_valid(json.loads(json.dumps(again)))


@pytest.mark.parametrize(
    ("record", "valid"),
    [
        ({"ts": "2026-02-30T08:00:00Z"}, True),
        ({"outcome": "hit", "count": 10**15, "bytes": 10**12}, True),
        ({"key": "\ud800"}, True),
        ({"outcome": "attempt", "credits": -1}, False),
    ],
)
def test_what_a_schema_cannot_say(record: dict[str, Any], valid: bool) -> None:
    """The few records on which both differ, which docs/events.md names."""
    text = json.dumps({**BASE, **record})
    assert (VALID.is_valid(json.loads(text)), taken(text)) == (valid, not valid)


def test_more_decimals_than_are_kept() -> None:
    """The last of these: a parser of JSON with binary fractions cannot even see them."""
    text = json.dumps(BASE)[:-1] + ', "credits": 0.0000000000000000001}'
    assert VALID.is_valid(json.loads(text))
    assert not taken(text)


def test_real_events_are_valid() -> None:
    """Those of the samples, as the client wrote them."""
    with gzip.open(ROOT / "sample_logs" / "usage-2026-07.jsonl.gz", "rt") as log:
        lines = [line for line, _ in zip(log, range(300), strict=False)]
    valid = [VALID.is_valid(json.loads(line)) for line in lines if taken(line)]
    assert len(valid) > 100
    assert all(valid)
