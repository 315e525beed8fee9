"""A table of auditor.toml that knows where it stands, and which of its keys nobody asked for."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_type_hints

from auditor.config.values import READERS, Readers
from auditor.model.errors import ConfigError

T = TypeVar("T")
D = TypeVar("D")


@dataclass(slots=True)
class CheckedTable:
    """A table that remembers which of its keys were read, so that the rest can be named as unknown."""

    values: Mapping[str, Any]
    where: str
    path: str
    known: set[str] = field(default_factory=set)

    def fail(self, key: str, message: str) -> ConfigError:
        """An error that names the file and the key."""
        return ConfigError(f"{self.where}: {'.'.join(filter(None, (self.path, key)))} {message}")

    def take(self, key: str, convert: Callable[[Any], T], default: D) -> T | D:
        """The converted value of *key*, or *default* where it is absent."""
        self.known.add(key)
        return self.need(key, convert) if key in self.values else default

    def need(self, key: str, convert: Callable[[Any], T]) -> T:
        """The converted value of *key*, an error where it is absent."""
        if key not in self.values:
            raise self.fail(key, "is missing")
        self.known.add(key)
        try:
            return convert(self.values[key])
        except (ValueError, TypeError) as error:
            raise self.fail(key, str(error)) from None

    def table(self, key: str) -> "CheckedTable":
        """The sub-table *key*, empty where it is absent."""
        self.known.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(key, "is not a table")
        return CheckedTable(value, self.where, ".".join(filter(None, (self.path, key))))

    def tables(self, key: str | None = None) -> list[tuple[str, "CheckedTable"]]:
        """(name, table) of each table below *key*, or below this one."""
        parent = self if key is None else self.table(key)
        return [(name, parent.table(name)) for name in parent.values]

    def each(self, read: Callable[[str, "CheckedTable"], T], key: str | None = None) -> dict[str, T]:
        """What *read* makes of the name and the table of each below *key*, or below this one, by name."""
        return {name: table.all_of(read(name, table)) for name, table in self.tables(key)}

    def entries(self, key: str, read: Callable[["CheckedTable"], T]) -> list[T]:
        """What *read* makes of the tables of `[[key]]`, none where it is absent."""
        self.known.add(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.fail(key, f"is not a list of tables; write [[{self.path}.{key}]]")
        path = ".".join(filter(None, (self.path, key)))
        tables = [CheckedTable(entry, self.where, f"{path}[{number}]") for number, entry in enumerate(value, 1)]
        return [table.all_of(read(table)) for table in tables]

    def read(self, kind: Callable[..., T], readers: Readers = MappingProxyType({}), **given: Any) -> T:
        """A dataclass whose fields are keys of this table, but for the *given* ones: one without a default is needed.

        Values are converted as their names or their types say, or by *readers*.
        """
        assert isinstance(kind, type)
        hints, known = get_type_hints(kind), {**READERS, **readers}
        for each in (each for each in fields(kind) if each.name not in given):
            self.known.add(each.name)
            if each.name in self.values or MISSING is each.default is each.default_factory:
                keys = (each.name, hints[each.name], *get_args(hints[each.name]))
                given[each.name] = self.need(each.name, next(known[key] for key in keys if key in known))
        made: T = kind(**given)
        return made

    def all_of(self, made: T) -> T:
        """What was *made* of the table, unless that left out a key: the first one is an error."""
        for key in self.values:
            if key not in self.known:
                raise self.fail(key, f"is unknown; allowed are {', '.join(sorted(self.known))}")
        return made
