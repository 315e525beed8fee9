"""What passes a caller's keywords on has no name of its own that one of them could be."""

import inspect
import pkgutil
from importlib import import_module

import auditor.client


def test_no_keyword_of_a_caller_meets_a_name_of_ours() -> None:
    """What stands before `*args, **kwargs` and is ours is positional only: it ends in `/`, or is `self` alone."""
    found = []
    for module in pkgutil.iter_modules(auditor.client.__path__, "auditor.client."):
        members = vars(import_module(module.name)).values()
        functions = [*members, *(each for kind in members if isinstance(kind, type) for each in vars(kind).values())]
        for function in filter(inspect.isfunction, functions):
            if not function.__module__.startswith("auditor.client."):
                continue
            kinds = [each.kind for each in inspect.signature(function).parameters.values()]
            forwards = inspect.Parameter.VAR_POSITIONAL in kinds and inspect.Parameter.VAR_KEYWORD in kinds
            named = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
            if forwards and named > 1 and inspect.Parameter.POSITIONAL_ONLY not in kinds:
                found.append(f"{function.__module__}.{function.__qualname__}")
    assert not set(found), "put `/` behind the names that are ours"
