"""Unequal values never have one form; equal ones have it in every process, whatever its hash seed."""

import array
import dataclasses
import enum
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy
import pydantic
import pytest

from auditor.client.stable import UnstableError, stable
from auditor.model.fingerprint import canonical


def form(value: Any) -> bytes:
    return canonical(stable(value))


class Style(enum.Enum):
    """With a list of its own, which somebody changes."""

    WIDE = 1

    def __init__(self, number: int) -> None:
        self.words = ["a"]


class Tone(enum.StrEnum):
    """A text that has an attribute, too."""

    DARK = "dark"

    def __init__(self, text: str) -> None:
        self.words = ["a"]


class Code(enum.StrEnum):
    """Whose value is not its text."""

    ONE = ("one", 1)

    def __new__(cls, text: str, number: int) -> "Code":
        made = str.__new__(cls, text)
        made._value_ = number  # type: ignore[assignment]
        return made


@pytest.mark.parametrize("member", [Style.WIDE, Tone.DARK])
def test_an_attribute_of_an_enum_counts(member: Any) -> None:
    """As it is at the call, not as it was."""
    before = form(member)
    member.words.append("b")
    try:
        assert form(member) != before
    finally:
        member.words.pop()
    assert form(member) == before


class Bit(enum.Flag):
    """Its members note their opposite once somebody asked for it."""

    A = 1
    B = 2


class Mask(enum.IntFlag):
    A = 1
    B = 2


BEFORE = [form(Bit.A), form(Mask.A)]


def test_what_enum_notes_of_a_member_does_not_count() -> None:
    assert ~Bit.A is Bit.B and ~Mask.A == Mask.B
    assert [form(Bit.A), form(Mask.A)] == BEFORE


def made(name: str, value: Any) -> Any:
    return enum.Enum("Made", {name: value})[name]  # type: ignore[misc]


def posted(module: str) -> Any:
    kind = dataclasses.make_dataclass("Post", ["title"])
    kind.__module__ = module
    return kind("a")


class Zone(tzinfo):
    """Says its name to those who know how to ask."""

    def __init__(self, name: str) -> None:
        self.name = name

    def utcoffset(self, moment: Any) -> timedelta:
        return timedelta(0)

    dst = utcoffset

    def tzname(self, moment: Any) -> str:
        return self.name


class Count(int):
    def __int__(self) -> int:
        return 0


class Shy(list[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(())


class ShySet(frozenset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(())


class Brief(datetime):
    def isoformat(self, *args: Any, **kwargs: Any) -> str:
        return "soon"


HOUR = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        (made("RED", 1), made("RED", 2)), (Code.ONE, 1), (Code.ONE, "one"),
        (posted("shop"), posted("blog")),
        (datetime(2026, 1, 1, tzinfo=HOUR), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET"))),
        (timezone(timedelta(0)), timezone(timedelta(0), "X")), (timezone(timedelta(0), "X"), timezone(timedelta(1 / 24), "X")),
        (PurePosixPath("a\\b"), PureWindowsPath("a/b")),
        (memoryview(array.array("i", [1, 2])), array.array("i", [1, 2]).tobytes()),
        (memoryview(b"abcd").cast("B", [2, 2]), b"abcd"), (memoryview(b"ab").cast("b"), b"ab"),
        (numpy.array([[1]]).view(numpy.matrix), numpy.array([[1]])),
        (Count(1), Count(2)), (Shy([1]), Shy([2])), (ShySet([1]), ShySet([2])), (Brief(2026, 1, 1), Brief(2026, 1, 2)),
        (float("nan"), "nan"), (True, 1), ({1: "a"}, {"1": "a"}),
    ],
)  # fmt: skip
def test_unequal_values_have_unequal_forms(one: Any, other: Any) -> None:
    assert form(one) != form(other)


class Words(pydantic.RootModel[list[str]]):
    """A model that is its only field."""


@pytest.mark.parametrize(
    "make",
    [lambda: Words(["a"]), lambda: datetime(2026, 1, 1, tzinfo=HOUR), lambda: memoryview(b"abcdef")[::2],
     lambda: Code.ONE, lambda: Style.WIDE, lambda: HOUR, lambda: made("RED", 1), lambda: PureWindowsPath("a/b"),
     lambda: OrderedDict(b=1, a=2), lambda: PurePosixPath("\udc80")],
)  # fmt: skip
def test_equal_values_have_a_form_of_their_own(make: Callable[[], Any]) -> None:
    """Rather than an unknown key."""
    assert form(make()) == form(make())


@pytest.mark.parametrize("value", [Zone("A"), datetime(2026, 1, 1, tzinfo=Zone("A")), made("CALL", print)])
def test_what_does_not_tell_itself_has_no_form(value: Any) -> None:
    """A zone without a text, an enum of functions."""
    with pytest.raises(UnstableError):
        stable(value)


def test_what_a_library_keeps_in_c_counts() -> None:
    """Nanoseconds, which no attribute of `timedelta` holds."""
    pandas = pytest.importorskip("pandas")
    for kind in (pandas.Timedelta, pandas.Timestamp):
        assert form(kind(1)) != form(kind(2)) and form(kind(1)) == form(kind(1))


SCRIPT = """
import enum, dataclasses, collections
from auditor.client.stable import stable
from auditor.model.fingerprint import canonical
class Color(enum.Enum):
    RED = frozenset("abc")
@dataclasses.dataclass(frozen=True)
class Post:
    tags: frozenset
print(canonical(stable([Color.RED, Post(frozenset("xyz")), set("qwerty"), {b"a": 1, ("b",): {2, "3"}}])).decode())
"""


def test_forms_are_the_same_in_every_process() -> None:
    """Sets have another order in each."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
