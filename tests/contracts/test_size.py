"""A module holds one idea, and fits a few screens."""

from tests.conftest import ROOT

MOST = 300


def test_no_module_is_longer_than_its_idea() -> None:
    """Of the product; tests and benchmarks may be longer."""
    sizes = {
        path.relative_to(ROOT): path.read_bytes().count(b"\n")
        for folder in ("auditor", "exporters")
        for path in (ROOT / folder).rglob("*.py")
    }
    long = [
        f"{path} has {lines} lines, more than {MOST}: give one of its ideas a module"
        for path, lines in sizes.items()
        if lines > MOST
    ]
    assert len(sizes) > 200
    assert not long, "\n".join(long)
