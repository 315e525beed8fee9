"""Every registered format through the whole audit with each record written twice, so that every report names a repeat.

A format that needs what stood before a record (a header, say) has to see it also where single records are read again.
"""

import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditor.config import load, settings_of
from auditor.intake.read import detected_in
from auditor.intake.sources import Source
from auditor.model.errors import ConfigError
from auditor.model.settings import Settings
from auditor.pipeline import Options, Result, audit
from auditor.reading.lines import LineReader
from auditor.reading.packed import decompressed
from auditor.registry import FORMATS, REPORTS
from auditor.results.audit import document
from tests.conftest import event, lines
from tests.formats.samples import FOLDER, SAMPLES

IDS = re.compile(
    rb'(?<="RayID":")|(?<="insertId":")|(?<="id": ")|(?<=\t)(?=[\w-]+==\t)|^(?=Vz\d\t)|(?=rid\d==)'
    rb'|(?<="requestId":")|(?<="extendedRequestId":")|(?<="trackingReference":")|(?<="transactionId":")'
    rb'|(?<="spanId":")|(?<="event\.id":")|(?<="id":")(?=e\d")'
    rb"|(?<= )(?=[0-9A-F]{16} [A-Z])|(?<=\|)(?=[0-9a-f]{32}\|)"
)
"""Where the ids of some samples begin: the second copy of a record is another request of the same image."""
NO_REQUESTS = {"jsonl", "cache-trace"}
"""Formats that tell no request; nor do the exports of providers."""


def again(data: bytes) -> bytes:
    """A record under another id."""
    return IDS.sub(b"again", data)


def doubled(path: Path, settings: Settings) -> bytes:
    """A sample with each of its records twice."""
    if path.suffix == ".har":
        har = json.loads(path.read_bytes())
        har["log"]["entries"] = [entry for entry in har["log"]["entries"] for _ in range(2)]
        return json.dumps(har).encode()
    if path.suffix == ".parquet":
        table, out = pq.read_table(path), io.BytesIO()
        pq.write_table(pa.concat_tables([table, table]), out)
        return out.getvalue()
    detected = detected_in(Source(path.name, path), settings, None)
    with path.open("rb") as raw:
        records = list(detected.kind(settings.timezone).records(path, LineReader(decompressed(raw))))
    return b"".join(copy + b"\n" for record in records for copy in (record.data, again(record.data)))


def result_of(log: Path, settings: Settings) -> Result:
    """The audit of one log."""
    return audit([Source(log.name, log)], settings, Options(cache=False), lambda *_: None)


def written(result: Result) -> dict[str, str]:
    """The report in every format."""
    reports = {}
    for name, report in REPORTS.items():
        out = io.StringIO()
        try:
            report.write(result, out)
        except ConfigError as error:
            # A cost is never guessed: FOCUS needs a plan of each account.
            assert name == "focus"
            out.write(str(error))
        reports[name] = out.getvalue()
    return reports


def samples_of(name: str, folder: Path) -> list[Path]:
    """The samples of a format; usage events have theirs elsewhere."""
    if name != "jsonl":
        return [path for path in SAMPLES if path.name.startswith(f"{name}.")]
    path = folder / "jsonl.jsonl"
    path.write_bytes(lines([event("a"), event("b", key="k1:b")]))
    return [path]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_each_record_twice_in_every_report(name: str, tmp_path: Path) -> None:
    """Something repeats, the request that repeats is named as it stands in the log, and no report fails on it."""
    settings = load(FOLDER / "auditor.toml")
    samples = samples_of(name, tmp_path)
    assert samples
    for sample in samples:
        log = tmp_path / f"twice-{sample.name}"
        log.write_bytes(doubled(sample, settings))
        result = result_of(log, settings)
        found = document(result)
        assert found["inputs"]["files"][0]["format"].startswith(name)
        tops = [
            top.get("request", "")
            for finding in found["findings"]
            if finding["rule"] == "duplicate-renders"
            for top in finding["evidence"]["top_keys"]
        ]
        assert tops, "nothing repeats: does the format have ids? Then let IDS change those of the second copies"
        if name not in NO_REQUESTS and "-export" not in sample.name:
            assert all(request.startswith("/") for request in tops), tops
        assert all(written(result).values())


ROWS = {
    "csv": (
        "sep=;\ntime;method;url;status;bytes;note\n"
        + "".join(
            f'2026-09-01T06:00:0{n};GET;https://a.example/img/{n // 2}.png?v=1;200;10;"two\nlines"\n' for n in range(4)
        )
    ),
    "w3c": (
        "#Version: 1.0\n#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status\n"
        "2026-09-01 06:00:01 GET /img/0.png v=1 200\n2026-09-01 06:00:03 GET /img/0.png v=1 200\n"
        "#Fields: sc-status cs-uri-query cs-uri-stem cs-method time date\n"
        "200 v=1 /img/1.png GET 06:00:05 2026-09-01\n200 v=1 /img/1.png GET 06:00:07 2026-09-01\n"
    ),
    "w3c without a date": (
        "#Version: 1.0\n#Date: 2026-09-01 06:00:00\n#Fields: time cs-method cs-uri-stem cs-uri-query sc-status\n"
        + "".join(f"06:00:0{n} GET /img/{n // 2}.png v=1 200\n" for n in range(4))
    ),
    "cloudfront, reordered": (
        "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method x-host-header cs-uri-stem sc-status "
        "cs(Referer) cs(User-Agent) x-edge-result-type cs(Cookie) cs-uri-query x-edge-request-id time-taken\n"
        + "".join(
            f"2026-09-01\t06:00:0{n}\tFRA\t18592\t203.0.113.7\tGET\ta.example\t/img/{n // 2}.png\t200\t-\tMozilla\tMiss\t-\t"
            f"v=1\tid{n}==\t0.250\n"
            for n in range(4)
        )
    ),
    "cloudfront, own columns": (
        "#Version: 1.0\n#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status x-edge-result-type\n"
        + "".join(f"2026-09-01\t06:00:0{n}\tGET\t/img/{n // 2}.png\tv=1\t200\tMiss\n" for n in range(4))
    ),
    "tsv": (
        "Status\tRequest URL\tTimestamp\n"
        + "".join(f"200\thttps://a.example/img/{n // 2}.png?v=1\t2026-09-01T06:00:0{n}Z\n" for n in range(4))
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
def test_the_request_that_repeats_is_named_by_the_header_above_it(text: str, tmp_path: Path) -> None:
    """Whatever the order of the columns, and where they change within the file."""
    settings = settings_of({"sources": {"img": {"path": "/img/.*"}}}, "test")
    log = tmp_path / "x.log"
    log.write_text(text)
    result = result_of(log, settings)
    found = document(result)
    tops = [top["request"] for finding in found["findings"] for top in finding["evidence"].get("top_keys", ())]
    assert found["waste"]["total"] == 2
    assert sorted(tops) == ["/img/0.png?v=…", "/img/1.png?v=…"]
    assert all(written(result).values())
