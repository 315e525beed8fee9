"""Lines that somebody made to hurt, for tests that run over every format."""

from tests.formats.samples import SAMPLES

LINES = [line for path in SAMPLES if path.suffix != ".parquet" for line in path.read_bytes().split(b"\n") if line]
"""Good lines of all formats, to be damaged."""


def grown(line: bytes, at: int, piece: bytes, times: int) -> bytes:
    """*line* with *piece* put in at a place, again and again."""
    return line[:at] + piece * times + line[at:]


PIECES = [b"\\", b'"', b" ", b"/", b"{", b"[", b"(", b"%", b"%2", b"&a=", b"?", b"://", b"@", b",", b"-", b"0", b"x", b"\\x",
          b'\\"', b'" "', b": ", b"key=", b"token", b"a.b-", b"\xff", b"\t", b'{"a":', b"web |", b"Sep  1 "]  # fmt: skip
