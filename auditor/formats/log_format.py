"""A user's own nginx `log_format`, given with `--input-format` or as `[formats.NAME]` in auditor.toml."""

from typing import ClassVar

from auditor.events import BadRecordError, Reason
from auditor.exchanges.exchange import Exchange
from auditor.formats.base import Lines
from auditor.formats.log_template import LogTemplate
from auditor.formats.variables import decoded, exchange_of
from auditor.formats.wrapped import PREFIX


class LogFormat(Lines):
    """Made for one string by `of`."""

    name: ClassVar[str] = "log-format"
    title: ClassVar[str] = "nginx with a log_format of one's own"
    template: ClassVar[LogTemplate | None] = None
    ending: ClassVar[bool] = True

    @classmethod
    def of(cls, name: str, text: str) -> "type[LogFormat]":
        """The format of one string; `ValueError` says what is wrong with it."""
        template = LogTemplate.of(text)
        return type("LogFormat", (cls,), {"name": name, "template": template, "ending": _ending(template)})

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
        return dict(zip(self.template.names, map(decoded, values), strict=True))


def _ending(template: LogTemplate) -> bool:
    return "request_time" not in template.names
