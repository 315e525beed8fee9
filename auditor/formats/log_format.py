"""A user's own nginx `log_format`, given with `--input-format` or as `[formats.NAME]` in auditor.toml."""

from auditor.exchanges.cache_field import names_cache
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import Format
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
    def of(cls, name: str, text: str) -> "type[LogFormat]":
        """The format of one string; `ValueError` says what is wrong with it."""
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
