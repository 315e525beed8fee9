"""Errors cross processes and threads: each is copied and pickled as it is."""

import copy
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

import auditor
from auditor.model.errors import AuditorError

for _module in pkgutil.walk_packages(auditor.__path__, "auditor."):
    if not _module.name.endswith("__main__"):
        import_module(_module.name)


def errors(kind: type[AuditorError]) -> Iterator[type[AuditorError]]:
    """A kind of error, and all kinds of it that are ours."""
    yield kind
    for each in kind.__subclasses__():
        if each.__module__.startswith("auditor."):
            yield from errors(each)


def made(kind: type[AuditorError]) -> AuditorError:
    """One whose arguments are their own names."""
    if not inspect.isfunction(kind.__init__):  # (an exception's own: what happened)
        return kind("what happened")
    parameters = list(inspect.signature(kind).parameters.values())
    needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    keywords: dict[str, Any] = {each.name: each.name for each in needed if each.kind is each.KEYWORD_ONLY}
    return kind(*(each.name for each in needed if each.kind is not each.KEYWORD_ONLY), **keywords)


@pytest.mark.parametrize("kind", sorted(set(errors(AuditorError)), key=lambda kind: kind.__qualname__))
def test_each_is_copied_and_pickled(kind: type[AuditorError]) -> None:
    """With its sentence and all that it holds."""
    error = made(kind)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), str(other), vars(other)) == (kind, str(error), vars(error))
