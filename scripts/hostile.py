"""Hostile inputs, each audited in a process of its own: what it costs and how it ends, as a table.

`python -m scripts.hostile [NAME …]` prints it; the tests hold each row to `MEMORY` and `SECONDS`.
"""

import bz2
import gzip
import json
import lzma
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from auditor.reading.lines import MAX_BATCH
from auditor.reading.shaped import MAX_VALUES

MEMORY = 1 << 30
"""Bytes, of which the kernel says that they were the most."""
SECONDS = 30
"""Of processor time."""
_MIB = 1 << 20
_EVENT = {
    "v": 1, "id": "e", "ts": "2026-09-01T08:00:00Z", "outcome": "render", "provider": "imejis", "account": "main",
    "environment": "production", "template": "og", "key": "k1:a",
}  # fmt: skip
_ACCESS = b'203.0.113.7 - - [01/Sep/2026:08:00:00 +0000] "GET /og?title=a HTTP/1.1" 200 5120 "-" "x"\n'
_ENTRY = json.dumps({
    "startedDateTime": "2026-09-01T12:00:00Z", "time": 1, "request": {"method": "GET", "url": "https://h.example/a.png"},
    "response": {"status": 200, "content": {"size": 5, "mimeType": "image/png"}},
}).encode()  # fmt: skip


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstandard.ZstdCompressor().compress,
}  # fmt: skip


def _bomb(piece: bytes, mib: int = 400, head: bytes = b"", tail: bytes = b"") -> Callable[[Path], None]:
    """Some MiB of a piece, packed as the name says: members behind each other, so that making it takes no time."""

    def made(path: Path) -> None:
        pack = PACK[path.suffix[1:]]
        block = piece * (4 * _MIB // len(piece) + 1)
        with path.open("wb") as out:
            out.write(pack(head) if head else b"")
            packed = pack(block)
            for _ in range(mib * _MIB // len(block)):
                out.write(packed)
            out.write(pack(tail) if tail else b"")

    return made


def _access_columns(rows: int, path: pa.Array) -> dict[str, pa.Array]:
    times = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["2026-09-01T08:00:00Z"])
    return {
        "time": times,
        "method": pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["GET"]),
        "path": path,
        "status": pa.array([200] * rows, pa.int16()),
    }


def _dictionary(path: Path) -> None:
    """One value of 8 MiB that 4,096 rows point at."""
    rows = 4096
    pointing = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["/" + "a" * (8 * _MIB)])
    pq.write_table(pa.table(_access_columns(rows, pointing)), path, compression="zstd")


def _equal_rows(path: Path) -> None:
    rows = 1_000_000
    pointing = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["/og.png"])
    table = pa.table(_access_columns(rows, pointing))
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(table)


def _one_value(path: Path) -> None:
    """A value of 1 GiB, which packs to little."""
    column = pa.array(["/" + "a" * (1 << 30)], pa.large_string())
    pq.write_table(pa.table(_access_columns(1, column)), path, compression="zstd", use_dictionary=False)


def _long_lists(path: Path) -> None:
    """Four rows, each with a list of 50 million numbers."""
    values = pa.array([1] * 10_000_000, pa.int8())
    values = pa.concat_arrays([values] * 20)
    lists = pa.ListArray.from_arrays(pa.array([0, *(50_000_000 * n for n in range(1, 5))], pa.int32()), values)
    columns = _access_columns(4, pa.array(["/og.png"] * 4))
    pq.write_table(pa.table({**columns, "inputs": lists}), path, compression="zstd")


def _prefixes(path: Path) -> None:
    """Values that share a prefix of 4 MiB with the one before, in the encoding that stores it once."""
    values = pa.array(["/" + "a" * (4 * _MIB) + str(n % 10) for n in range(100)])
    pq.write_table(
        pa.table(_access_columns(100, values)), path, compression="zstd", use_dictionary=False,
        column_encoding={"path": "DELTA_BYTE_ARRAY", "time": "PLAIN", "method": "PLAIN", "status": "PLAIN"},
    )  # fmt: skip


def _batch(path: Path) -> None:
    """A line of 16 MiB with as many objects as a batch may have, each within the one before."""
    chain = b"," + b'{"a":' * 900 + b"0" + b"}" * 900
    head, tail = b'{"resourceSpans":[{}', b"]}\n"
    count = (MAX_VALUES - 10) // 901
    blanks = b" " * ((MAX_BATCH - len(head) - len(tail)) // count - len(chain))
    attributes = [
        {"key": "url.full", "value": {"stringValue": "https://render.imejis.io/v1/og?title=a"}},
        {"key": "http.response.status_code", "value": {"intValue": "200"}},
    ]
    span = {"startTimeUnixNano": "1788242401250000000", "attributes": attributes}
    small = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode() + b"\n"
    path.write_bytes(small + head + (chain + blanks) * count + tail)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(json.dumps(_EVENT).encode() + b"\n")
        file.truncate(64 << 30)


_EVENTS = b"".join(json.dumps({**_EVENT, "id": f"e{n}"}).encode() + b"\n" for n in range(2000))
_HAR = b'{"log":{"version":"1.2","creator":{},'
INPUTS: dict[str, Callable[[Path], None]] = {
    "objects.jsonl.xz": _bomb(b"{}\n", head=_EVENTS),
    "blank.jsonl.gz": _bomb(b"\n", head=_EVENTS),
    "one-line.jsonl.gz": _bomb(b"a"),
    "nulls.jsonl.zst": _bomb(b"\0"),
    "events.jsonl.zst": _bomb(json.dumps(_EVENT).encode() + b"\n"),
    "access.log.bz2": _bomb(_ACCESS),
    "array.json.gz": _bomb(b",{}", head=b"[{}", tail=b"]"),
    "deep.jsonl.gz": _bomb(b'{"a":' * 100_000 + b"\n", head=_EVENTS),
    "brackets.json.xz": _bomb(b"[", head=b'[{"a":'),
    "columns.csv.gz": _bomb(b"," * 400_003 + b"\n", head=b"time,method,path,status" + b",a" * 400_000 + b"\n"),
    "quote.csv.gz": _bomb(b"a\n", head=b'time,method,path,status\n2026-09-01T08:00:00Z,GET,"'),
    "emoji.har.gz": _bomb(b"a", head=_HAR + b'"entries":[' + _ENTRY[:-3] + b',"text":"\xf0\x9f\x96\xbc'),
    "entries.har.gz": _bomb(b",{}", head=_HAR + b'"entries":[{}', tail=b"]}}"),
    "lists.har.gz": _bomb(b",[]", head=_HAR + b'"entries":[{"a":[[]', tail=b"]}]}}"),
    "pages.har.gz": _bomb(b",12", head=_HAR + b'"pages":[1', tail=b'],"entries":[]}}'),
    "dictionary.parquet": _dictionary,
    "equal-rows.parquet": _equal_rows,
    "one-value.parquet": _one_value,
    "long-lists.parquet": _long_lists,
    "prefixes.parquet": _prefixes,
    "batch.jsonl": _batch,
    "sparse.jsonl": _sparse,
}  # fmt: skip
"""Name of the file -> what makes it."""
NAMED = {
    "array.json.gz": "jsonl", "brackets.json.xz": "jsonl", "columns.csv.gz": "csv", "quote.csv.gz": "csv",
    "batch.jsonl": "otlp",
}  # fmt: skip
"""The formats of those that would be refused before they are read, as none that is known."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one input ended."""

    name: str
    size: int
    peak: int
    seconds: float
    code: int
    said: str

    def __str__(self) -> str:
        return f"| `{self.name}` | {self.size:,} | {self.peak >> 20:,} | {self.seconds:.1f} | {self.code} |"


def _made(name: str, path: Path) -> None:
    INPUTS[name](path)


def make(name: str, folder: Path) -> Path:
    """Make an input in a process of its own: the kernel counts what a parent had for the peak of its child."""
    path = folder / name
    worker = multiprocessing.get_context("spawn").Process(target=_made, args=(name, path))
    worker.start()
    worker.join()
    return path


def measured(path: Path) -> Row:
    """Audit a file in a process of its own; peak and seconds are the kernel's.

    That process is started by a small one, since the kernel counts the peak of who starts it, too.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (path,))


def _measured(path: Path) -> Row:
    command = [sys.executable, "-m", "auditor", "audit", str(path), "--no-cache", "--format", "json"]
    if path.name in NAMED:
        command += ["--input-format", NAMED[path.name]]
    with tempfile.TemporaryFile() as said, Path(os.devnull).open("wb") as nothing:
        actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
        _, status, used = os.wait4(pid, 0)
        said.seek(0)
        text = said.read().decode()
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    code = os.waitstatus_to_exitcode(status)
    return Row(path.name, path.stat().st_size, peak, used.ru_utime + used.ru_stime, code, text)


def main() -> None:
    """Print the table."""
    print("| input | bytes | peak MiB | CPU s | exit code |\n| --- | ---: | ---: | ---: | ---: |")
    for name in sys.argv[1:] or INPUTS:
        with tempfile.TemporaryDirectory() as folder:
            row = measured(make(name, Path(folder)))
        print(row, flush=True)
        print(row.said.replace(folder, "").rstrip(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
