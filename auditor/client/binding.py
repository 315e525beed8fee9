"""Arguments of a call by the names that what is really called has for them, also those that partials give."""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType
from typing import Any, NamedTuple

_LEFT_OPEN = getattr(functools, "Placeholder", object())
"""What stands in a partial for an argument of the call, from Python 3.14 on."""
_OBJECT = object()
"""What stands for the object of a bound method."""
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


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
    sure: bool
    """Whether it is that of what is called: a decorator that takes whatever comes may give other defaults."""

    @classmethod
    def of(cls, function: Any, follow: bool) -> "Binding":
        """The binding of a function; *follow* looks below decorators that take whatever comes, for names."""
        given: list[Given] = []
        passed: set[int] = set()
        sure = True
        while id(function) not in passed:  # one may wrap itself
            passed.add(id(function))
            method = getattr(function, "__partialmethod__", None) or getattr(function, "_partialmethod", None)
            if isinstance(function, functools.partial):
                given.append(Given(0, function.args, function.keywords))
                function = function.func
            elif isinstance(function, MethodType):
                given.append(Given(0, (_OBJECT,), {}))
                function = function.__func__
            elif isinstance(method, functools.partialmethod):
                given.append(Given(1, method.args, method.keywords))
                function = method.func
            elif isinstance(function, functools._lru_cache_wrapper):
                function = function.__wrapped__
            elif follow and _takes_whatever_comes(function):
                function, sure = function.__wrapped__, False
        own = _own(function)
        if own is None or (hasattr(function, "__signature__") and _open(own)):
            own, sure = signature_of(function, follow=False), sure and own is None
        return cls(tuple(given), own, sure)

    def bound(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The arguments by name, with those that are known to have defaults; None where they do not fit."""
        for each in self.given:
            args, keywords = each.joined(args, keywords)
        if self.signature is None:
            found = {"args": args, **keywords} if "args" not in keywords else {"args": args, "keywords": keywords}
        else:
            try:
                bound = self.signature.bind(*args, **keywords)
            except TypeError:
                return None
            if self.sure:
                bound.apply_defaults()
            found = bound.arguments
        if not self.given:
            return found
        return {
            name: tuple(item for item in value if item is not _OBJECT) if type(value) is tuple else value
            for name, value in found.items()
            if value is not _OBJECT
        }


def signature_of(function: Callable[..., Any], follow: bool) -> inspect.Signature | None:
    """The signature of a function; None for a built-in that does not tell."""
    try:
        return inspect.signature(function, follow_wrapped=follow)
    except (TypeError, ValueError):
        return None


def _own(function: Any) -> inspect.Signature | None:
    """The signature of the code itself, whatever `__signature__` and `__wrapped__` say; None if there is none."""
    if type(function) is FunctionType:
        bare = FunctionType(function.__code__, {}, None, function.__defaults__, function.__closure__)
        bare.__kwdefaults__ = function.__kwdefaults__
        return inspect.signature(bare)
    own = signature_of(getattr(type(function), "__call__", None), follow=False)  # type: ignore[arg-type] # noqa: B004
    if own is None or (_open(own) and not hasattr(function, "__wrapped__")):
        return None  # a built-in takes whatever comes, and may tell more in another way
    return own.replace(parameters=list(own.parameters.values())[1:])


def _open(signature: inspect.Signature) -> bool:
    return any(each.kind in _VARIABLE for each in signature.parameters.values())


def _takes_whatever_comes(function: Any) -> bool:
    """Whether a decorated function takes what the one below takes, by `*args` or `**kwargs`, after the same names."""
    below, own = getattr(function, "__wrapped__", None), _own(function)
    names = None if below is None else signature_of(below, follow=True)
    if own is None or names is None or not _open(own):
        return False
    first = [each for each in own.parameters.values() if each.kind not in _VARIABLE]
    return [each.name for each in first] == list(names.parameters)[: len(first)]
