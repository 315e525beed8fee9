"""Arguments of a call by the names that the innermost function has for them, also those that partials give."""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, NamedTuple

_LEFT_OPEN = getattr(functools, "Placeholder", object())
"""What stands in a partial for an argument of the call, from Python 3.14 on."""


class Given(NamedTuple):
    """What one partial gives."""

    after: int
    """How many of the call's arguments come first: 1 for a method, else 0."""
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def joined(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the function below."""
        rest = iter(args[self.after :])
        given = [next(rest, value) if value is _LEFT_OPEN else value for value in self.args]
        return (*args[: self.after], *given, *rest), {**self.keywords, **keywords}


class Binding(NamedTuple):
    """How arguments become inputs."""

    given: tuple[Given, ...]
    """From the outermost partial to the innermost."""
    signature: inspect.Signature | None
    """None for a built-in that does not tell."""

    @classmethod
    def of(cls, function: Callable[..., Any], follow: bool) -> "Binding":
        """The binding of a function; *follow* looks below decorators, which may take what it does not."""
        given: list[Given] = []
        passed: set[int] = set()
        while id(function) not in passed:  # one may wrap itself
            passed.add(id(function))
            method = getattr(function, "__partialmethod__", None) or getattr(function, "_partialmethod", None)
            if isinstance(function, functools.partial):
                given.append(Given(0, function.args, function.keywords))
                function = function.func
            elif isinstance(function, MethodType) or hasattr(function, "__signature__"):
                break
            elif isinstance(method, functools.partialmethod):
                given.append(Given(1, method.args, method.keywords))
                function = method.func
            elif follow:
                function = getattr(function, "__wrapped__", function)
        return cls(tuple(given), signature_of(function, follow))

    def bound(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The arguments by name, with those that have defaults; None where they do not fit."""
        for each in self.given:
            args, keywords = each.joined(args, keywords)
        if self.signature is None:
            return {"args": args, **keywords}
        try:
            bound = self.signature.bind(*args, **keywords)
        except TypeError:
            return None
        bound.apply_defaults()
        return bound.arguments


def signature_of(function: Callable[..., Any], follow: bool) -> inspect.Signature | None:
    """The signature of a function; None for a built-in that does not tell."""
    try:
        return inspect.signature(function, follow_wrapped=follow)
    except (TypeError, ValueError):
        return None
