"""Lines out of what collectors wrote around them, and whole again where a container runtime split them at 16 KiB.

A line that was joined stands where its first part stood, and its other parts leave blank lines, so that numbers stay
those of the file. Where the last part is missing, the parts are one rejected record.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from auditor.model.events import BadRecordError, Reason
from auditor.reading.lines import MAX_LINE
from auditor.reading.wrapped import inside

_APART = 1000
"""Lines within which a line has to end, together with those that other streams wrote meanwhile."""


@dataclass(slots=True)
class _Begun:
    """A line of which the last part is still to come."""

    place: int
    """Where it began, among the lines that are held."""
    first: bytes
    """Its first part, as in the file."""
    text: bytearray = field(default_factory=bytearray)


class Unwrapper:
    """Takes one wrap off the lines of an input, or of its *head*: a line that goes on behind that is left out.

    While an input still *grows*, lines are given up to the first whose parts are not all there.
    """

    def __init__(self, *, head: bool = False, grows: bool = False) -> None:
        self._head, self._grows = head, grows
        self._held: list[bytes] = []
        self._begun: dict[str, _Begun] = {}

    def blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Blocks of whole lines, each as what was inside it; as many lines as came in."""
        for block in blocks:
            for line in block.removesuffix(b"\n").split(b"\n"):
                self._take(line)
            if ready := self._ready():
                yield ready
        for writer in () if self._grows else list(self._begun):
            self._give_up(writer)
        if ready := self._ready():
            yield ready

    def _take(self, line: bytes) -> None:
        found = inside(line)
        if found.writer in self._begun and self._is_late(found.writer):
            self._give_up(found.writer)
        begun = self._begun.get(found.writer)
        if found.text is None or (begun is None and not found.goes_on):
            self._held.append(found.text or line)
            return
        if begun is None:
            begun = self._begun[found.writer] = _Begun(len(self._held), line)
        if len(begun.text) <= MAX_LINE:
            begun.text += found.text
        self._held.append(b"")
        if not found.goes_on:
            self._held[begun.place] = bytes(begun.text[: MAX_LINE + 1])
            del self._begun[found.writer]

    def _is_late(self, writer: str) -> bool:
        return len(self._held) - self._begun[writer].place >= _APART

    def _give_up(self, writer: str) -> None:
        begun = self._begun.pop(writer)
        self._held[begun.place] = b"" if self._head else begun.first

    def _ready(self) -> bytes:
        """The lines that are held, up to the first of which a part may follow."""
        for writer in list(self._begun):
            if self._is_late(writer):
                self._give_up(writer)
        end = min((begun.place for begun in self._begun.values()), default=len(self._held))
        ready, self._held = self._held[:end], self._held[end:]
        for begun in self._begun.values():
            begun.place -= end
        return b"".join(line + b"\n" for line in ready)


def unwrapped(lines: Sequence[bytes]) -> list[bytes]:
    """The lines inside the first ones of an input."""
    found = b"".join(Unwrapper(head=True).blocks([b"\n".join(lines)]))
    return list(filter(None, found.split(b"\n")))


def or_part(bad: BadRecordError, line: bytes) -> BadRecordError:
    """Why a line cannot be read: maybe since it is the first part of one whose last part is missing."""
    if bad.reason is Reason.TOO_LONG or not inside(line).goes_on:
        return bad
    return BadRecordError(
        bad.reason, "the first part of a line that the container runtime split, whose last part is missing"
    )
