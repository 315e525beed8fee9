"""The log: a line an entry, with time and level, that a collector of logs can read."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from auditor_exporter.log import LOG, EntryFormat, Level, begin

from tests.exporters.test_serve import started

TS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ODD = ['a "quoted" \\ word', "two\nlines", "\x1b[31mred\x07", "\u202ereversed", "a=b level=error", ""]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The handlers that were there are put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("form", get_args(EntryFormat))
def test_an_entry_is_a_line(form: EntryFormat, text: str) -> None:
    """Whatever it says; nothing of it steers a terminal."""
    stream = io.StringIO()
    begin("info", form, stream)
    LOG.warning("%s", text)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    if form == "json":
        entry = json.loads(line)
        assert re.fullmatch(TS, entry["ts"]) and (entry["level"], entry["msg"]) == ("warn", text)
    else:
        assert re.fullmatch(rf'ts={TS} level=warn msg="(?:[^"\\]|\\.)*"', line)


def test_levels_and_faults_of_libraries() -> None:
    """A fault of any library is an entry too, its traceback in the line; keys in addresses are of no level."""
    for level, count in zip(get_args(Level), (4, 3, 2, 1), strict=True):
        stream = io.StringIO()
        begin(level, "logfmt", stream)
        LOG.debug("d"), LOG.info("i"), LOG.warning("w")
        logging.getLogger("httpx").info("GET https://x/?key=s3cret")
        try:
            raise RuntimeError("a fault")
        except RuntimeError:
            logging.getLogger("aiohttp.server").exception("unexpected")
        lines = stream.getvalue().splitlines()
        assert len(lines) == count and "s3cret" not in stream.getvalue()
        assert "level=error" in lines[-1] and "RuntimeError: a fault" in lines[-1]


@pytest.mark.parametrize("form", get_args(EntryFormat))
def test_the_command_s(tmp_path: Path, form: EntryFormat) -> None:
    """`--log.format` and `--log.level` of a real one; every line of its log is an entry."""
    (tmp_path / "broken.jsonl").write_text("nonsense\n" * 3)
    process = started(
        tmp_path, "serve", "--listen", "127.0.0.1:0", "--follow", "broken.jsonl", "--log.format", form, "--log.level", "info"
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    first = process.stderr.readline()
    process.terminate()
    rest = process.communicate(timeout=30)[1]
    assert "broken.jsonl" in first + rest
    for line in (first + rest).splitlines():
        assert set(json.loads(line)) == {"ts", "level", "msg"} if form == "json" else line.startswith("ts=")
