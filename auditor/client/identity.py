"""Identity of requests: what is hashed and sent, and the slot under which the picture is kept."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from auditor.caches import Slot
from auditor.client.arguments import check_name
from auditor.model.errors import InvalidRequestError
from auditor.model.fingerprint import Prepared, Scope, canonical, certain, spelling

_MOST_SHAPES, _MOST_KNOWN, _LONGEST_KNOWN = 4096, 4096, 2048
"""Pairs of template and options that are prepared, spellings that are remembered for all, bytes that one may have."""


class Known(NamedTuple):
    """The identity of one request."""

    slot: Slot
    body: bytes
    """Canonical JSON of the overrides: what was hashed, and what is sent."""


class Memo:
    """What is remembered for all shapes of a scope, so that there is one bound, however many shapes there are."""

    def __init__(self) -> None:
        self._tables: list[dict[bytes, Known]] = []
        self._count = 0

    def table(self) -> dict[bytes, Known]:
        """A new table for a shape: by spelling. It may be emptied at any time."""
        self._tables.append({})
        return self._tables[-1]

    def keep(self, table: dict[bytes, Known], spelled: bytes, found: Known) -> None:
        """Remember an identity in a table of this memo; a full memo forgets all first."""
        if self._count >= _MOST_KNOWN:
            self._count = 0
            for each in self._tables:
                each.clear()
        self._count += 1
        # Copies, since what orjson gives sits in a block of kilobytes.
        body = bytes(memoryview(found.body))
        table[body if body == spelled else bytes(memoryview(spelled))] = found._replace(body=body)


class Shape(NamedTuple):
    """What the requests for one template with one set of options have in common."""

    prepared: Prepared
    options: Mapping[str, Any]
    group: str
    secret: bytes
    memo: Memo
    known: dict[bytes, Known]
    """A table of the memo: a hit is most often spelled like the one before, and need not be put in order again."""

    def identify(self, overrides: Mapping[str, Any]) -> Known:
        """The slot and the bytes of a request; `InvalidRequestError` for what has no canonical JSON."""
        spelled = spelling(overrides)
        found = self.known.get(spelled) if spelled is not None else None
        if found is not None:
            return found
        try:
            body = canonical(overrides)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        found = Known(Slot(self.group, self.prepared.key(body), self.secret), body)
        if spelled is not None and len(spelled) <= _LONGEST_KNOWN and certain(spelled):
            self.memo.keep(self.known, spelled, found)
        return found


class Shapes:
    """The shapes of one scope; *check* names the provider's options, or raises `ValueError`."""

    def __init__(self, scope: Scope, check: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        self._scope, self._check = scope, check
        self._found: dict[tuple[Any, ...], Shape] = {}
        self._memo = Memo()

    def of(self, template: str, template_version: str | None, options: Mapping[str, Any]) -> Shape:
        """The shape of a template, its version and the output options."""
        try:
            shape = self._found.get((template, template_version, *options.items()))
        except TypeError:  # an option that cannot be hashed: the check will say what is wrong with it
            shape = None
        if shape is not None:
            return shape
        for what, name in (("template", template), ("template_version", template_version)):
            if name is not None:
                check_name(what, name)
        if not template:
            raise InvalidRequestError("the template is no name")
        try:
            checked = self._check(options)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        prepared = self._scope.prepare(template, checked, template_version)
        if len(self._found) >= _MOST_SHAPES:
            self._found.clear()
            self._memo = Memo()
        memo = self._memo
        shape = Shape(prepared, checked, self._scope.group(template), self._scope.secret, memo, memo.table())
        self._found[(template, template_version, *options.items())] = shape
        return shape
