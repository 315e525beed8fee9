"""What identities cost: few bytes, however many requests, templates and options there are."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.client.identity import Known, Shapes
from auditor.model.fingerprint import Scope, derive_key

_SPENT = """
from auditor.client.identity import Shapes
from auditor.model.fingerprint import Scope, derive_key

def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

shapes = Shapes(Scope("imejis", "main", "production", derive_key("s")), dict)
shapes.of("warm", None, {}).identify({"title": "warm"})
before = held()
for template in range(6):
    for number in range(2000):
        shapes.of(f"t{template}", None, {}).identify({"title": "a title of some thirty letters", "at": number})
print(held() - before)
"""


def _shapes() -> Shapes:
    return Shapes(Scope("imejis", "main", "production", derive_key("s")), dict)


@pytest.mark.slow
@pytest.mark.parametrize("spread", ["templates", "options", "versions", "overrides"])
def test_there_is_one_bound_for_all_that_is_remembered(spread: str) -> None:
    """However requests differ; a bound for each template would be none, since there may be thousands."""
    shapes, gone = _shapes(), {id(one) for one in gc.get_objects() if type(one) is Known}
    for number in range(9000):
        part = number % 4500 if spread != "overrides" else 0
        template, version = f"t{part}" if spread == "templates" else "t", f"{part}" if spread == "versions" else None
        shape = shapes.of(template, version, {"width": part} if spread == "options" else {})
        shape.identify({"number": number})
    assert len([one for one in gc.get_objects() if type(one) is Known and id(one) not in gone]) <= 4200


@pytest.mark.parametrize("overrides", [{"b": 1, "a": "x"}, {"a": "x", "b": 1}, {"a": "é"}, {"a": 1.0}, {}])
def test_what_is_remembered_is_what_was_found(overrides: dict[str, object]) -> None:
    """Also after all was forgotten, of a shape that somebody still holds."""
    shapes = _shapes()
    shape = shapes.of("t", None, {})
    first = shape.identify(overrides)
    assert shape.identify(overrides) == first
    for number in range(5000):
        shapes.of(f"t{number}", None, {}).identify({"number": number})
    assert shape.identify(overrides) == first == _shapes().of("t", None, {}).identify(overrides)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory in use from /proc")
def test_identities_are_kept_in_exactly_their_bytes() -> None:
    """The serializer's own results hold a block of kilobytes each: 12,000 requests took 100 MB."""
    run = subprocess.run([sys.executable, "-c", _SPENT], capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) < 16_000_000
