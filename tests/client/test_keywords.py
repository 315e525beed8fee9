"""What passes a caller's keywords on has no name of its own that one of them could be."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import CodeType
from typing import Any

import auditor.client
from auditor import Renderer, connect, meter, metered
from auditor.client.metering import shared

OF_OURS = {Renderer.render, Renderer.arender, connect, meter, metered, shared}
"""What takes options of ours, by our names."""


def codes(members: Iterator[Any], module: str) -> Iterator[CodeType]:
    """The code of all functions of a module: of its classes, and inside functions."""
    for each in members:
        if inspect.isfunction(each) and each.__module__ == module and inspect.unwrap(each) not in OF_OURS:
            yield from inside(inspect.unwrap(each).__code__)
        elif isinstance(each, type) and each.__module__ == module:
            yield from codes(iter(vars(each).values()), module)


def inside(code: CodeType) -> Iterator[CodeType]:
    """Itself, and what is defined in it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from inside(each)


def test_no_keyword_of_a_caller_meets_a_name_of_ours() -> None:
    """What stands before `**kwargs` and is ours is positional only: it ends in `/`, or is `self` alone."""
    found = set()
    for module in pkgutil.iter_modules(auditor.client.__path__, "auditor.client."):
        for code in codes(iter(vars(import_module(module.name)).values()), module.name):
            named = [name for name in code.co_varnames[code.co_posonlyargcount : code.co_argcount] if name != "self"]
            if code.co_flags & inspect.CO_VARKEYWORDS and named and not code.co_posonlyargcount:
                found.add(f"{module.name}.{code.co_qualname}" if hasattr(code, "co_qualname") else str(code))
    assert not found, "put `/` behind the names that are ours"
