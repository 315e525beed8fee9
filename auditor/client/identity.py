"""Identity of requests: what is hashed and sent, and the slot under which the image is kept."""

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


class Shape(NamedTuple):
    """What the requests for one template with one set of options have in common."""

    prepared: Prepared
    options: Mapping[str, Any]
    group: str
    secret: bytes
    known: dict[bytes, Known]
    """By spelling: a hit is most often spelled like the one before, and need not be put in order again."""
    keep: Callable[[dict[bytes, Known], bytes, Known], None]
    """Remembers an identity; it may be dropped at any time."""

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
            self.keep(self.known, spelled, found)
        return found


class Shapes:
    """The shapes of one scope; *check* names the provider's options, or raises `ValueError`."""

    def __init__(self, scope: Scope, check: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        self._scope, self._check = scope, check
        self._found: dict[tuple[Any, ...], Shape] = {}
        self._kept = 0

    def of(self, template: str, template_version: str | None, options: Mapping[str, Any]) -> Shape:
        """The shape of a template, its version and the output options."""
        known, kept = (template, template_version, *options.items()), True
        try:
            shape = self._found.get(known)
        except TypeError:  # lists and objects, which some providers take: prepared each time
            shape, kept = None, False
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
            self._kept = 0
        shape = Shape(prepared, checked, self._scope.group(template), self._scope.secret, {}, self._keep)
        if kept:
            self._found[known] = shape
        return shape

    def _keep(self, known: dict[bytes, Known], spelled: bytes, found: Known) -> None:
        """Remember an identity of one shape; there is one bound for all of them, at which all are dropped."""
        if self._kept >= _MOST_KNOWN:
            self._kept = 0
            for shape in list(self._found.values()):
                shape.known.clear()
        self._kept += 1
        # Copies, since what orjson gives sits in a block of kilobytes.
        body = bytes(memoryview(found.body))
        known[body if body == spelled else bytes(memoryview(spelled))] = found._replace(body=body)
