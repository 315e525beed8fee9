"""A user's own nginx `log_format`, given with `--input-format` or as `[formats.NAME]` in auditor.toml.

In auditor.toml it may be a list, for a log that several `access_log` directives write: each line is read by the first
one that fits.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from typing import ClassVar
from zoneinfo import ZoneInfo

from auditor.exchanges.cache_field import names_cache
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import Format
from auditor.reading.log_example import example
from auditor.reading.log_template import LogTemplate
from auditor.reading.variables import decoded, exchange_of, roles_of, shape_of
from auditor.reading.wrapped import PREFIX


class LogFormat(Format):
    """Made for one string by `of`."""

    name = "log-format"
    title = "nginx with a log_format of one's own"
    template = None
    ending = True
    shapes = ()
    """(variable, what its values look like)."""

    @classmethod
    def of(cls, name: str, text: str | Sequence[str]) -> "type[LogFormat | LogFormats]":
        """The format of one string, or of a log of several; `ValueError` says what is wrong with it."""
        return cls._of(name, text) if isinstance(text, str) else LogFormats.of(name, text)

    @classmethod
    def _of(cls, name: str, text: str) -> "type[LogFormat]":
        template = LogTemplate.of(text)
        roles = roles_of(template.names)
        shaped = [(variable, role) for role, variable in roles.items()]
        shaped += [(variable, "cache") for variable in template.names if names_cache(variable)]
        shapes = tuple(
            (variable, shape) for variable, role in shaped if (shape := shape_of(variable, role)) is not None
        )
        ending = "request_time" not in template.names
        return type("LogFormat", (cls,), {"name": name, "template": template, "ending": ending, "shapes": shapes})

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        return exchange_of(self.fields(data), self.zone)

    def fields(self, data: bytes) -> dict[str, str]:
        """The variables of one line, as it has them."""
        if self.template is None:
            raise BadRecordError(Reason.NO_MATCH, "no log_format was given")
        data = data.rstrip(b"\r")
        values = self.template.split(data)
        if values is None and (prefix := PREFIX.match(data)):
            values = self.template.split(data[prefix.end() :])
        if values is None:
            raise BadRecordError(Reason.NO_MATCH, "not a line of the given log_format")
        fields = dict(zip(self.template.names, map(decoded, values), strict=True))
        for name, shape in self.shapes:
            if not shape.fullmatch(fields[name]):
                raise BadRecordError(Reason.NO_MATCH, f"what stands where the log_format has ${name} is no such value")
        return fields


class LogFormats(Format):
    """Several in one log."""

    kinds: ClassVar[tuple[type[LogFormat], ...]] = ()

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__(zone)
        self._readers = [kind(zone) for kind in self.kinds]

    @classmethod
    def of(cls, name: str, texts: Sequence[str]) -> "type[LogFormats]":
        """Of a list of strings. `ValueError` where the order of two decides what a line means."""
        kinds = []
        for number, text in enumerate(texts, 1):
            try:
                kinds.append(LogFormat._of(name, text))
            except ValueError as error:
                raise ValueError(f"{number} {error}") from None
        for (first, general), (second, special) in combinations(enumerate(kinds, 1), 2):
            if _misreads(general, special):
                fix = "keep one of them" if _misreads(special, general) else f"put {second} before {first}"
                raise ValueError(f"{first} also fits the lines of {second} and reads them differently; {fix}")
        return type("LogFormats", (cls,), {"name": name, "title": LogFormat.title, "kinds": tuple(kinds)})

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        for reader in self._readers:
            with suppress(BadRecordError):
                found = reader.parse(data)
                return replace(found, ended=True) if reader.ending and found.duration_us is None else found
        raise BadRecordError(Reason.NO_MATCH, "not a line of one of the given log_formats")


def _misreads(kind: type[LogFormat], other: type[LogFormat]) -> bool:
    """Whether *kind* reads a line that *other* describes, as another request than that does."""
    zone = ZoneInfo("UTC")
    with suppress(BadRecordError):
        assert other.template is not None
        line = example(other.template)
        return kind(zone).parse(line) != other(zone).parse(line)
    return False
