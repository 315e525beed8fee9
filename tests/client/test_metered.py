"""`metered` says of a function only what is known: its key, its bytes, its status, what it cost."""

import asyncio
import base64
import collections
import contextlib
import enum
import functools
import gc
import http.client
import io
import ipaddress
import json
import logging
import socket
import ssl
import typing
import urllib.error
import urllib.request
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import aiohttp
import attrs
import httpx
import numpy
import pydantic
import pydantic.v1
import pytest
from prometheus_client import CollectorRegistry

from auditor import Metering, metered
from auditor.client.binding import Binding
from auditor.client.stable import UnstableError, stable
from auditor.model.errors import ConfigError, QuotaExceededError
from auditor.model.fingerprint import canonical
from tests.client.conftest import PICTURE
from tests.client.test_renderer import value

Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def metering(tmp_path: Path, registry: CollectorRegistry) -> Iterator[Metering]:
    """Events into the test's folder."""
    made = Metering(account="main", events=tmp_path / "usage", secret="s", registry=registry)
    yield made
    made.close()


@pytest.fixture
def finals(events: Events, metering: Metering) -> Events:
    """The final events, each with its attempt; hits and refusals have none."""

    def read() -> list[dict[str, Any]]:
        metering.close()
        found = events()
        done = [event for event in found if event["outcome"] != "attempt"]
        assert sorted(e["id"] for e in found if e["outcome"] == "attempt") == sorted(e["id"] for e in done)
        return done

    return read


# What came back


class Model:
    """As an ORM has them, and mocks."""

    status = 404

    def __init__(self) -> None:
        self.content = "text"
        self.add_done_callback = print


class Lazy:
    """Whose properties do something."""

    @property
    def headers(self) -> dict[str, str]:
        raise ValueError("a query")

    content = headers


class Closed:
    """Will not say yet."""

    @property
    def content(self) -> bytes:
        raise ValueError("this is an address")


@pytest.mark.parametrize(
    "result",
    ["https://cdn/x.png", None, io.BytesIO(PICTURE), Model(), Lazy(), Closed(), (PICTURE, 1), [PICTURE], {"url": "x"}, b"", 7,
     b'{"id": 1, "url": "https://cdn/x.png"}', b'[{"b64_json": "AA"}]', object(), iter([PICTURE])],
    ids=lambda result: type(result).__name__,
)  # fmt: skip
def test_without_bytes_there_is_neither_size_nor_digest(result: Any, metering: Metering, finals: Events) -> None:
    """Else all of them would be the same image, and every argument noise."""

    @metered("og", metering=metering)
    def draw() -> Any:
        return result

    assert draw() is result
    (render,) = finals()
    assert render["outcome"] == "render" and render["credits"] == 1
    assert not {"bytes", "digest", "width", "format", "status"} & set(render)


@pytest.mark.parametrize(
    "result", [PICTURE, bytearray(PICTURE), memoryview(PICTURE), httpx.Response(200, content=PICTURE)]
)
def test_bytes_are_measured(result: Any, metering: Metering, finals: Events) -> None:
    """Of whatever kind, and those of an answer."""
    metered("og", metering=metering)(lambda: result)()
    (render,) = finals()
    assert (render["bytes"], render["width"], render["format"]) == (len(PICTURE), 16, "png")
    assert render.get("status") == (200 if isinstance(result, httpx.Response) else None)


def test_bytes_are_taken_from_a_result(metering: Metering, finals: Events, registry: CollectorRegistry) -> None:
    """`picture=`; what it cannot take, or fails at, is not known."""
    taken = metered("og", metering=metering, picture=lambda result: base64.b64decode(result["b64"]))
    encoded = {"b64": base64.b64encode(PICTURE).decode()}
    assert taken(lambda: encoded)() is encoded
    assert taken(lambda: {"url": "x"})() == {"url": "x"}
    metered("og", metering=metering, picture=lambda result: "no bytes")(lambda: 1)()
    assert [event.get("bytes") for event in finals()] == [len(PICTURE), None, None]
    assert value(registry, "faults_total") == 1


def test_an_answer_whose_picture_is_not_found_is_still_an_answer(metering: Metering, finals: Events) -> None:
    """What `picture=` fails at tells its size all the same."""
    answer = httpx.Response(200, headers={"content-type": "image/png"}, content=PICTURE)
    assert metered("og", metering=metering, picture=lambda result: result["b64"])(lambda: answer)() is answer
    assert [event.get("bytes") for event in finals()] == [len(PICTURE)]


@pytest.mark.parametrize(
    ("answer", "outcome", "error", "credits"),
    [
        (httpx.Response(404), "error", "not_found", 0),
        (httpx.Response(504), "error", "timeout", None),
        (httpx.Response(302), "error", "other", 0),
        (httpx.Response(304), "hit", None, 0),
        (httpx.Response(402), "error", "quota", 0),
        (httpx.Response(429), "error", "throttled", 0),
        (httpx.Response(429, json={"data": {"remaining": 0}}), "error", "quota", 0),
        (httpx.Response(429, json={"reason": "no-plan"}), "error", "no_plan", 0),
        (httpx.Response(200, json={"url": "x"}), "render", None, 1),
    ],
)
def test_an_answer_that_is_returned_is_read(
    answer: Any, outcome: str, error: str | None, credits: int | None, metering: Metering, finals: Events
) -> None:
    """`return client.post(…)` without `raise_for_status()` is not a render for that."""
    assert metered("og", metering=metering)(lambda: answer)() is answer
    (event,) = finals()
    assert (event["outcome"], event.get("error"), event["credits"]) == (outcome, error, credits)
    assert event["status"] == answer.status_code and "digest" not in event


# What it cost


@pytest.mark.parametrize(
    ("options", "credits"),
    [
        ({}, 1),
        ({"units": 4}, 4),
        ({"units": len}, 3),
        ({"credits": 2}, 2),
        ({"credits": Decimal("0.04"), "units": len}, Decimal("0.12")),
        ({"credits": lambda result: 0.1 * 3}, Decimal(str(0.1 * 3))),
        ({"credits": lambda result: numpy.int64(5)}, 5),
        ({"units": lambda result: 0}, 0),
        ({"credits": lambda result: None}, None),
        ({"credits": lambda result: -1}, None),
        ({"credits": lambda result: float("nan")}, None),
        ({"units": lambda result: True}, None),
        ({"credits": lambda result: result["cost"]}, None),
    ],
)
def test_several_images_in_one_call(options: Any, credits: Any, metering: Metering, finals: Events) -> None:
    """Exactly, and unknown where the functions do not tell."""
    metered("og", metering=metering, **options)(lambda: ["a", "b", "c"])()
    (render,) = finals()
    assert render["credits"] == credits


@pytest.mark.parametrize(
    "options", [{"units": -1}, {"credits": "2"}, {"units": True}, {"credits": float("inf")}, {"template": ""},
                {"template": len}, {"provider": None}, {"account": "x"}],
)  # fmt: skip
def test_options_are_checked_at_once(options: Any, metering: Metering) -> None:
    """Not at the thousandth call, and not in silence."""
    with pytest.raises(ConfigError):
        metered(**{"template": "og", "metering": metering, **options})


@pytest.mark.parametrize("thing", [1, "f", int, property(lambda self: 1)])
def test_only_functions_are_metered(thing: Any, metering: Metering) -> None:
    """The message names what is at hand."""
    with pytest.raises(ConfigError, match=type(thing).__name__):
        metered("og", metering=metering)(thing)


# What it was asked for


class Color(enum.Enum):
    """Plain."""

    RED = 1
    BLUE = 2


class Size(enum.StrEnum):
    """Is its value."""

    LARGE = "large"


@dataclass(frozen=True)
class Post:
    title: str
    day: date = date(2026, 9, 1)
    tags: list[str] = field(default_factory=list, compare=False)


class Card(pydantic.BaseModel):
    title: str
    price: Decimal = Decimal("1.50")


class Loose(pydantic.BaseModel, extra="allow"):
    title: str


@attrs.define
class Mark:
    text: str
    at: Path = Path("a/b")


class Point(NamedTuple):
    x: int
    y: int


class Markup(str):
    """A string that is written in another way."""


ZURICH, ROME = ZoneInfo("Europe/Zurich"), ZoneInfo("Europe/Rome")
DIFFERENT: list[Callable[[], Any]] = [
    lambda: 1, lambda: True, lambda: "1", lambda: None, lambda: 1.5, lambda: Decimal("1.5"), lambda: Decimal("1.50"),
    lambda: 2**53, lambda: 2**53 + 1, lambda: float("inf"), lambda: date(2026, 9, 1), lambda: date(2026, 9, 2),
    lambda: datetime.fromisoformat("2026-09-01T00:00"), lambda: datetime(2026, 9, 1, tzinfo=UTC),
    lambda: datetime(2026, 9, 1, tzinfo=ZURICH), lambda: datetime(2026, 9, 1, tzinfo=ROME),
    lambda: datetime(2026, 10, 25, 2, 30, tzinfo=ZURICH), lambda: datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZURICH),
    lambda: datetime(2026, 9, 1, tzinfo=timezone(timedelta(hours=2))), lambda: time(12), lambda: timedelta(1),
    lambda: timedelta(seconds=1), lambda: "2026-09-01", lambda: ["(date)", "2026-09-01"],
    lambda: ["(list)", ["(date)", "2026-09-01"]], lambda: Color.RED, lambda: Color.BLUE, lambda: Size.LARGE,
    lambda: Path("a"), lambda: Path("a/b"), lambda: b"a", lambda: b"b", lambda: Fraction(1, 3),
    lambda: uuid.UUID(int=1), lambda: {1, 2}, lambda: {1, 2, 3}, lambda: {1: "a"}, lambda: {"1": "a"},
    lambda: {(1, 2): "a"}, lambda: range(3), lambda: range(4), lambda: "\ud800", lambda: "\ud801",
    lambda: Post("a"), lambda: Post("b"), lambda: Post("a", date(2026, 9, 2)), lambda: Post("a", tags=["x"]),
    lambda: {"(type)": "Post", "title": "a"}, lambda: Card(title="a"), lambda: Card(title="b"),
    lambda: Card(title="a", price=Decimal("1.5")), lambda: Loose(title="a"), lambda: Loose(title="a", more=1),
    lambda: Mark("a"), lambda: Mark("a", Path("c")), lambda: Point(1, 2), lambda: [1, 2], lambda: Markup("1"),
    lambda: numpy.float64(2.25), lambda: numpy.array([1, 2]), lambda: numpy.array([1, 3]),
    lambda: numpy.array([1, 2], dtype="int8"), lambda: numpy.datetime64("2026-09-01"),
    lambda: numpy.datetime64("2026-09-01T00"), lambda: [Post("a")], lambda: {"x": Post("a")},
    lambda: ZURICH, lambda: ROME, lambda: [Color.RED, {b"a": Decimal(1)}],
]  # fmt: skip


def test_equal_arguments_have_equal_forms_and_no_others() -> None:
    """Made twice, so that no identity helps; each is different from all others."""
    forms = [canonical(stable(make())) for make in DIFFERENT]
    assert forms == [canonical(stable(make())) for make in DIFFERENT]
    assert len(set(forms)) == len(forms)


@pytest.mark.parametrize(
    ("one", "other"),
    [(numpy.int64(5), 5), (numpy.float64(0.5), 0.5), (numpy.str_("a"), "a"), (numpy.bool_(True), True), (Size.LARGE, "large"),
     ((1, 2), [1, 2]), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (bytearray(b"a"), b"a"), ({3, 1, 2}, {1, 2, 3}), (1.0, 1)],
)  # fmt: skip
def test_the_same_in_another_type_is_the_same(one: Any, other: Any) -> None:
    """Where nobody who draws could tell them apart."""
    assert canonical(stable(one)) == canonical(stable(other))


class Derived(Post):
    """Has something that no field tells."""

    def __init__(self, title: str, extra: int) -> None:
        super().__init__(title)
        object.__setattr__(self, "extra", extra)


@dataclass
class Scaled:
    """Keeps what was only for its making."""

    title: str
    scale: InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        self.kept = scale


@dataclass(slots=True)
class Slotted:
    title: str


class SlottedMore(Slotted):
    """With a slot beside the field, of a private name."""

    __slots__ = ("__extra",)

    def __init__(self, title: str, extra: int) -> None:
        super().__init__(title)
        self.__extra = extra


@dataclass
class Headed(str):
    """A text with a field: the text is no field."""

    __hash__ = str.__hash__
    size: int = 1

    def __new__(cls, text: str, size: int = 1) -> "Headed":
        return super().__new__(cls, text)

    def __init__(self, text: str, size: int = 1) -> None:
        self.size = size


class Private(pydantic.BaseModel):
    title: str
    _scale: int = pydantic.PrivateAttr(1)


class PrivateBefore(pydantic.v1.BaseModel):
    title: str
    _scale: int = pydantic.v1.PrivateAttr(1)


class LooseBefore(pydantic.v1.BaseModel):
    title: str

    class Config:
        extra = "allow"


@attrs.define(slots=False)
class Open:
    title: str


class Pointed(Point):
    """Has a `__dict__`, as named tuples have not."""


class Price(Decimal):
    """An amount that knows its currency."""


class SlottedPrice(Decimal):
    __slots__ = ("extra",)


class SlottedText(str):
    __slots__ = ("extra",)


class Day(date):
    """A date with something."""


class Named(type(Path())):  # type: ignore[misc]
    """A path with something."""


class Chosen(set[int]):
    """A set with something."""


class Blob(bytes):
    """Bytes with something."""


def given(value: Any, extra: Any) -> Any:
    """With an attribute."""
    object.__setattr__(value, "extra", extra)
    return value


def private(value: Any, extra: Any) -> Any:
    value._scale = extra
    return value


@pytest.mark.parametrize(
    "make",
    [lambda n: Derived("a", n), lambda n: Scaled("a", n), lambda n: SlottedMore("a", n), lambda n: given(Post("a"), n),
     lambda n: Headed("ab"[n - 1]), lambda n: private(Private(title="a"), n), lambda n: private(PrivateBefore(title="a"), n),
     lambda n: LooseBefore(title="a", more=n), lambda n: given(Open("a"), n), lambda n: given(Pointed(1, 2), n),
     lambda n: given(Price(1), n), lambda n: given(SlottedPrice(1), n), lambda n: given(Day(2026, 1, 1), n),
     lambda n: given(Named("a"), n), lambda n: given(Chosen([1]), n), lambda n: given(Blob(b"a"), n),
     lambda n: [Derived("a", n)], lambda n: {"x": given(Price(1), n)}, lambda n: Post("a", tags=[given(Price(1), n)])],
)  # fmt: skip
def test_what_holds_more_than_its_fields_makes_the_key_unknown(make: Callable[[int], Any]) -> None:
    """Else two of different content would be one image."""
    for number in (1, 2):
        with pytest.raises(UnstableError):
            stable(make(number))


@pytest.mark.parametrize("make", [SlottedText, Markup])
def test_what_a_text_holds_beside_is_in_its_form(make: Callable[[str], Any]) -> None:
    """In a slot as in its `__dict__`."""
    forms = [canonical(stable(value)) for value in (make("a"), given(make("a"), 1), given(make("a"), 2))]
    assert len(set(forms)) == 3
    with pytest.raises(UnstableError):
        stable(given(make("a"), Session()))


class Shown(Decimal):
    """An amount that is shown with two digits."""

    def __str__(self) -> str:
        return f"{self:.2f}"


class ShownFraction(Fraction):
    def __str__(self) -> str:
        return "part"


class ShownId(uuid.UUID):
    def __str__(self) -> str:
        return "id"


class ShownPath(type(Path())):  # type: ignore[misc]
    def __str__(self) -> str:
        return self.name


class Loud(str):
    def __str__(self) -> str:
        return self.upper()


@pytest.mark.parametrize(
    ("one", "other"),
    [(Shown("1.001"), Shown("1.002")), (ShownFraction(1, 3), ShownFraction(2, 3)), (Loud("a"), Loud("A")),
     (ShownId(int=1), ShownId(int=2)), (ShownPath("a/c"), ShownPath("b/c")),
     (collections.defaultdict(int), collections.defaultdict(list)), (collections.defaultdict(int), collections.defaultdict(None)),
     (collections.defaultdict(int, a=1), collections.defaultdict(int, a=2))],
)  # fmt: skip
def test_the_form_is_of_the_value_not_of_how_it_is_shown(one: Any, other: Any) -> None:
    """A class may show less than it holds."""
    assert canonical(stable(one)) != canonical(stable(other))


def test_a_default_that_nobody_can_see_has_no_form() -> None:
    """Factories that make JSON values are known by name: `list`, `dict`. A function of the user's own is not."""
    assert stable(collections.defaultdict(list, a=[1])) == stable(collections.defaultdict(list, a=[1]))
    for _ in range(2):
        with pytest.raises(UnstableError):
            stable(collections.defaultdict(lambda: 1))


@dataclass(frozen=True)
class Counted:
    """Notes what it has found out."""

    title: str

    @functools.cached_property
    def length(self) -> int:
        return len(self.title)


@attrs.frozen(cache_hash=True)
class Hashed:
    title: str


class Generic(pydantic.BaseModel, typing.Generic[typing.TypeVar("T")]):  # type: ignore[misc]
    title: str


class PlainBefore(pydantic.v1.BaseModel):
    title: str


class Bits(enum.Flag):
    A = 1
    B = 2


class Planet(enum.Enum):
    """With attributes of its own, which its name tells."""

    EARTH = (1, 2)

    def __init__(self, mass: int, radius: int) -> None:
        self.mass, self.radius = mass, radius


@pytest.mark.parametrize(
    ("make", "use"),
    [(lambda: Counted("abc"), lambda value: value.length), (lambda: Hashed("a"), hash), (lambda: Slotted("a"), repr),
     (lambda: Generic[int](title="a"), repr), (lambda: PlainBefore(title="a"), lambda value: value.json()),
     (lambda: Card(title="a"), lambda value: value.model_dump_json()), (lambda: Point(1, 2), hash),
     (lambda: Bits.A | Bits.B, hash), (lambda: Planet.EARTH, hash), (lambda: Path("a/b"), lambda value: value.parts),
     (lambda: ipaddress.ip_interface("10.0.0.1/8"), lambda value: value.network), (lambda: Price(1), hash),
     (lambda: ipaddress.ip_address("fe80::1%a"), str), (lambda: Day(2026, 1, 1), hash), (lambda: Pointed(1, 2), hash),
     (lambda: collections.Counter("aab"), repr), (lambda: collections.OrderedDict(a=1), repr), (lambda: Fraction(1, 3), hash),
     (lambda: Open("a"), repr)],
)  # fmt: skip
def test_what_objects_note_of_themselves_changes_nothing(make: Callable[[], Any], use: Callable[[Any], Any]) -> None:
    """Their form is that of before they were used, and that of another like them."""
    value = make()
    before = canonical(stable(value))
    with contextlib.suppress(TypeError):
        use(value)
    assert canonical(stable(value)) == before == canonical(stable(make()))


class Session:
    """Nobody sees what is in it."""


class Locked(pydantic.BaseModel):
    """Holds such a thing."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    session: Session


@dataclass
class Broken:
    """A field that cannot be read."""

    title: str = field(init=False)


LOOP: list[Any] = []
LOOP.append(LOOP)
UNSTABLE: list[Any] = [
    Session(), object(), lambda: 1, open, io.BytesIO(b"a"), Session, Post, [Session()], {"a": Session()}, Locked(session=Session()),
    iter([1]), (n for n in [1]), Broken(), LOOP, numpy.array([Session()]), json, socket.socket, {"a": {1: Session()}},
    functools.partial(print), Point(1, Session()),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize("thing", UNSTABLE, ids=lambda thing: type(thing).__name__)
def test_what_nobody_can_see_makes_the_key_unknown(
    thing: Any, metering: Metering, finals: Events, caplog: pytest.LogCaptureFixture
) -> None:
    """Never equal to another, no inputs to blame, one warning that names the argument and the fix, and no value."""
    with pytest.raises(UnstableError):
        stable(thing)

    @metered("og", metering=metering)
    def draw(title: str, thing: Any) -> bytes:
        return PICTURE

    with caplog.at_level(logging.WARNING):
        draw("SECRETvalue", thing)
        draw("SECRETvalue", thing)
    first, second = finals()
    assert first["key"] != second["key"] and first.get("inputs") is None
    (said,) = caplog.messages
    assert "thing" in said and "key=" in said and "SECRETvalue" not in said


def test_the_key_can_be_told(metering: Metering, finals: Events) -> None:
    """`key=` is called with the function's arguments."""

    @metered("og", metering=metering, key=lambda session, title, size=2: {"title": title, "size": size})
    def draw(session: Session, title: str, size: int = 2) -> bytes:
        return PICTURE

    @metered("og", metering=metering, key=lambda *args, **kwargs: Post("a"))
    def other(thing: Any) -> bytes:
        return PICTURE

    draw(Session(), "a")
    draw(Session(), title="a", size=2)
    draw(Session(), "b")
    other(Session())
    other(object())
    keys = [event["key"] for event in finals()]
    assert keys[0] == keys[1] != keys[2] and keys[3] == keys[4] and keys[3] not in keys[:3]
    assert set(finals()[0]["inputs"]) == {"title", "size"}


@pytest.mark.parametrize("key", [lambda: 1, lambda thing: 1 / 0, lambda thing: Session()])
def test_a_key_that_fails_is_unknown(
    key: Any, metering: Metering, finals: Events, caplog: pytest.LogCaptureFixture
) -> None:
    """The render goes on."""
    draw = metered("og", metering=metering, key=key)(lambda thing: PICTURE)
    assert draw(1) == draw(1) == PICTURE
    first, second = finals()
    assert first["key"] != second["key"] and len(caplog.messages) == 1


class Cards:
    """Methods of every kind, in either order."""

    def __init__(self, metering: Metering) -> None:
        self.metering = metering

    @staticmethod
    def made(metering: Metering) -> type:
        """A class whose methods are metered."""
        mark = metered("og", metering=metering)

        class Drawn:
            @mark
            def method(self, title: str) -> bytes:
                return PICTURE

            @mark
            @classmethod
            def above(cls, title: str) -> bytes:
                assert issubclass(cls, Drawn)
                return PICTURE

            @classmethod
            @mark
            def below(cls, title: str) -> bytes:
                assert issubclass(cls, Drawn)
                return PICTURE

            @mark
            @staticmethod
            def static_above(title: str) -> bytes:
                return PICTURE

            @staticmethod
            @mark
            def static_below(title: str) -> bytes:
                return PICTURE

            @mark
            @classmethod
            async def later(klass, title: str) -> bytes:  # noqa: N804
                return PICTURE

        return Drawn


def test_methods_of_every_kind(metering: Metering, finals: Events) -> None:
    """The object is no input, whatever its name in a class method; the same title is the same key for all of them."""
    drawn = Cards.made(metering)
    for name in ("method", "above", "below", "static_above", "static_below"):
        assert getattr(drawn(), name)("a") == getattr(drawn(), name)(title="a") == PICTURE
    for name in ("above", "below", "static_above", "static_below"):
        assert getattr(drawn, name)("a") == PICTURE
    assert asyncio.run(drawn.later("a")) == PICTURE  # type: ignore[attr-defined]
    found = finals()
    assert len(found) == 15 and len({event["key"] for event in found}) == 1
    assert all(set(event["inputs"]) == {"title"} for event in found)


@pytest.mark.parametrize("key", [lambda self, title: title, lambda title: title])
def test_the_key_of_a_method(key: Any, metering: Metering, finals: Events) -> None:
    """With the object or without."""

    class Drawn:
        @metered("og", metering=metering, key=key)
        def draw(self, title: str) -> bytes:
            return PICTURE

    Drawn().draw("a"), Drawn().draw("a"), Drawn().draw("b")
    keys = [event["key"] for event in finals()]
    assert keys[0] == keys[1] != keys[2]


def test_a_decorator_in_between_that_gives_arguments(metering: Metering, finals: Events) -> None:
    """Its signature says more than callers do."""

    def injected(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(Session(), *args, **kwargs)

        return call

    @metered("og", metering=metering)
    @injected
    def draw(session: Session, title: str) -> bytes:
        return PICTURE

    assert draw(title="a") == PICTURE == draw(title="a")
    first, second = finals()
    assert first["key"] == second["key"]


def drawn(title: str, size: int = 1) -> bytes:
    return title.encode()


def passed_on(function: Any) -> Any:
    """Decorated, as many are."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Sized:
    """A class with methods made of another."""

    def draw(self, title: str, size: int = 1) -> bytes:
        return title.encode()

    a, b = functools.partialmethod(draw, "A"), functools.partialmethod(draw, title="B")
    other = functools.partialmethod(a, 2)


def within(title: str) -> Any:
    """A partial inside another, which keeps its own."""

    class Own(functools.partial[bytes]):
        """One that is not merged with the next."""

    return functools.partial(Own(drawn, title), size=3)


@pytest.mark.parametrize(
    ("one", "other", "inputs"),
    [
        (functools.partial(drawn, "A"), functools.partial(drawn, "B"), ("A", 1)),
        (functools.partial(drawn, title="A"), functools.partial(drawn, title="B"), ("A", 1)),
        (functools.partial(drawn, "A", 2), functools.partial(drawn, "A", 3), ("A", 2)),
        (functools.partial(functools.partial(drawn, "A"), 3), functools.partial(functools.partial(drawn, "B"), 3), ("A", 3)),
        (within("A"), within("B"), ("A", 3)),
        (passed_on(functools.partial(drawn, "A", 1)), passed_on(functools.partial(drawn, "B", 1)), ("A", 1)),
        (functools.partial(passed_on(drawn), "A", 1), functools.partial(passed_on(drawn), "B", 1), ("A", 1)),
        (functools.update_wrapper(functools.partial(drawn, "A"), drawn), functools.partial(drawn, "B"), ("A", 1)),
        (functools.partial(Sized.a, Sized()), functools.partial(Sized.b, Sized()), ("A", 1)),
        (functools.partial(Sized.other, Sized()), functools.partial(Sized.a, Sized()), ("A", 2)),
        (Sized().a, Sized().b, ("A", 1)),
        (Sized().other, Sized().a, ("A", 2)),
        (functools.partial(Sized.draw, Sized(), "A"), functools.partial(Sized.draw, Sized(), "B"), ("A", 1)),
    ],
)  # fmt: skip
def test_what_a_partial_gives_is_an_input_like_any_other(
    one: Any, other: Any, inputs: tuple[str, int], metering: Metering, finals: Events
) -> None:
    """By name, as if the call had given it."""
    mark = metered("og", metering=metering)
    mark(one)(), mark(other)(), mark(drawn)(*inputs)
    first, second, plain = finals()
    assert first["key"] == plain["key"] != second["key"]
    assert first["inputs"] == plain["inputs"] and set(plain["inputs"]) == {"title", "size"}


def test_methods_made_of_another_by_their_class(metering: Metering, finals: Events) -> None:
    """The object comes with the call, before what the partial gives."""
    mark = metered("og", metering=metering)
    mark(Sized.a)(Sized()), mark(Sized.b)(Sized()), mark(Sized.other)(Sized()), mark(drawn)("A")
    keys = [event["key"] for event in finals()]
    assert keys[0] == keys[3] and len(set(keys)) == 3


def test_a_partial_with_what_nobody_can_see_makes_the_key_unknown(
    metering: Metering, finals: Events, caplog: pytest.LogCaptureFixture
) -> None:
    """As the argument itself does."""
    draw = metered("og", metering=metering)(functools.partial(lambda session, title: PICTURE, Session()))
    draw("a"), draw("a")
    first, second = finals()
    assert first["key"] != second["key"] and first["key"].startswith("u1:") and first.get("inputs") is None
    assert caplog.text.count("session (Session) cannot be hashed") == 1


def test_a_partial_that_leaves_arguments_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """`functools.Placeholder` stands for those of the call."""
    left_open = object()
    monkeypatch.setattr("auditor.client.binding._LEFT_OPEN", left_open)
    binding = Binding.of(functools.partial(drawn, left_open, 3), follow=True)
    assert binding.bound(("A",), {}) == {"title": "A", "size": 3}


@pytest.mark.parametrize("follow", [True, False])
def test_a_partial_of_a_built_in(follow: bool) -> None:
    """Which does not tell what its parameters are called."""
    binding = Binding.of(functools.partial(getattr, "A", default=2), follow)
    assert binding.bound(("b",), {}) == {"args": ("A", "b"), "default": 2}


def test_a_class_method_of_a_partial(metering: Metering, finals: Events) -> None:
    """The class goes where the partial leaves room."""

    def below(title: str, owner: type, size: int) -> bytes:
        return PICTURE

    class Drawn:
        a = metered("og", metering=metering)(classmethod(functools.partial(below, "A")))
        b = metered("og", metering=metering)(classmethod(functools.partial(below, "B")))

    Drawn.a.__func__(Drawn, 2), Drawn.b.__func__(Drawn, 2)
    first, second = finals()
    assert first["key"] != second["key"] and set(first["inputs"]) == {"title", "size"}


def test_a_call_that_does_not_fit_is_the_function_s_to_refuse(metering: Metering, events: Events) -> None:
    """Nothing left, so nothing is written."""
    with pytest.raises(TypeError, match="missing"):
        metered("og", metering=metering)(lambda title: PICTURE)()
    metering.close()
    assert events() == []


# Failures


def requests_error(status: int) -> Exception:
    """As `raise_for_status()` of requests; its response is false."""

    class Response:
        status_code = status
        headers = (("Retry-After", "3"),)

        def __init__(self) -> None:
            self._content = b'{"data": {"remaining": 0}}' if status == 429 else b""

        def __bool__(self) -> bool:
            return False

    error = OSError("an HTTPError is one")
    error.response = Response()  # type: ignore[attr-defined]
    return error


def httpx_error(status: int) -> Exception:
    request = httpx.Request("POST", "https://x")
    return httpx.HTTPStatusError("x", request=request, response=httpx.Response(status, request=request))


def aiohttp_error(status: int) -> Exception:
    return aiohttp.ClientResponseError(None, (), status=status)  # type: ignore[arg-type]


def urllib_error(status: int) -> Exception:
    return urllib.error.HTTPError("https://x", status, "x", http.client.HTTPMessage(), None)


def caused(error: Exception) -> Exception:
    try:
        raise KeyError("mine") from error
    except KeyError as made:
        return made


@pytest.mark.parametrize(
    "make", [requests_error, httpx_error, aiohttp_error, urllib_error, lambda s: caused(httpx_error(s))]
)
@pytest.mark.parametrize(
    ("status", "word", "credits"),
    [(404, "not_found", 0), (401, "auth", 0), (402, "quota", 0), (422, "invalid", 0), (500, "server", 0),
     (503, "server", 0), (502, "server", None), (504, "timeout", None), (408, "timeout", None), (302, "other", 0)],
)  # fmt: skip
def test_errors_of_raise_for_status_carry_their_status(
    make: Any, status: int, word: str, credits: int | None, metering: Metering, finals: Events
) -> None:
    """Of whichever library."""
    error = make(status)

    @metered("og", metering=metering)
    def draw() -> bytes:
        raise error

    with pytest.raises(type(error)) as raised:
        draw()
    assert raised.value is error
    (event,) = finals()
    assert (event["status"], event["error"], event["credits"]) == (status, word, credits)


def held(response: Any, cause: Exception | None = None) -> Exception:
    """An error of one's own that keeps the answer, as SDKs do."""
    error = ValueError("the image cannot be used")
    error.response = response  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


def with_(**attributes: Any) -> Exception:
    error = ValueError("of some SDK")
    vars(error).update(attributes)
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (aiohttp.ContentTypeError(None, (), status=200), 200),  # type: ignore[arg-type]
        (held(httpx.Response(200, json={"data": {"remaining": 0}})), 200),
        (held(httpx.Response(206), httpx.ConnectError("of the image's host")), 206),
        (caused(held(httpx.Response(201))), 201),
        (requests_error(202), 202),
        (with_(status_code=http.HTTPStatus.OK), 200),
        (with_(status=299), 299),
        (aiohttp.WSServerHandshakeError(None, (), status=101), 101),  # type: ignore[arg-type]
        (with_(status_code=199), 199),
        (with_(status="200"), None), (with_(status=None), None), (with_(status=True), None),
        (with_(code=200), None), (with_(status=600), None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["imejis", "openai", "mine"])
def test_an_error_after_a_good_answer_may_have_been_paid_for(
    error: Exception, status: int | None, provider: str, metering: Metering, finals: Events
) -> None:
    """Its answer refused nothing; nor does one that is not final, or cannot be read from the error."""
    with pytest.raises(type(error)):
        metered("og", metering=metering, provider=provider)(raising_(error))()
    (event,) = finals()
    assert (event.get("status"), event["error"], event["credits"]) == (status, "other", None)


def response_error(said: str, module: str = "urllib3.exceptions") -> Exception:
    """As urllib3's, which is no dependency."""
    return type("ResponseError", (Exception,), {"__module__": module})(said)  # type: ignore[no-any-return]


def reasoned(reason: Exception) -> Exception:
    """As urllib3's MaxRetryError."""
    error = ValueError("Max retries exceeded with url: / (Caused by …)")
    error.reason = reason  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("around", [lambda e: e, reasoned, caused, lambda e: OSError(reasoned(e)), OSError])
@pytest.mark.parametrize(
    ("said", "module", "status", "credits"),
    [("too many 503 error responses", "urllib3.exceptions", 503, 0),
     ("too many 402 error responses", "urllib3.exceptions", 402, 0),
     ("too many 524 error responses", "urllib3.exceptions", 524, None),
     ("too many 200 error responses", "urllib3.exceptions", 200, None),
     ("too many 999 error responses", "urllib3.exceptions", None, None),
     ("too many error responses", "urllib3.exceptions", None, None),
     ("too many redirects", "urllib3.exceptions", None, None),
     ("too many 503 error responses", "mine", None, None)],
)  # fmt: skip
def test_retries_that_are_used_up_have_the_status_of_the_last_answer(
    said: str, module: str, status: int | None, credits: int | None, around: Any, metering: Metering, finals: Events
) -> None:
    """Which urllib3 keeps in a message alone."""
    error = around(response_error(said, module))
    with pytest.raises(type(error)):
        metered("og", metering=metering)(raising_(error))()
    (event,) = finals()
    assert (event.get("status"), event["credits"]) == (status, credits)


def test_a_429_is_told_apart_by_its_body(metering: Metering, finals: Events) -> None:
    """As the provider declares."""
    for error in (requests_error(429), httpx_error(429), QuotaExceededError("x", status=429)):
        with pytest.raises(type(error)):
            metered("og", metering=metering)(raising_(error))()
    assert [event["error"] for event in finals()] == ["quota", "throttled", "quota"]


def raising_(error: BaseException) -> Callable[[], Any]:
    def draw() -> Any:
        raise error

    return draw


def refused_by(library: str) -> BaseException:
    """What a library says of a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/"

        async def asked() -> None:
            async with aiohttp.ClientSession() as session, session.get(url):
                pass

        calls: dict[str, Callable[[], Any]] = {
            "httpx": lambda: httpx.get(url),
            "urllib": lambda: urllib.request.urlopen(url),
            "aiohttp": lambda: asyncio.run(asked()),
            "http.client": lambda: http.client.HTTPConnection(url.split("/")[2]).request("GET", "/"),
            "socket": lambda: socket.create_connection(("127.0.0.1", int(url.split(":")[2].strip("/")))),
        }
        try:
            calls[library]()
        except Exception as error:
            return error
    raise AssertionError("somebody listened")


@pytest.mark.parametrize("library", ["httpx", "urllib", "aiohttp", "http.client", "socket"])
def test_a_refused_connection_costs_nothing(library: str, metering: Metering, finals: Events) -> None:
    """Nothing has left."""
    error = refused_by(library)
    with pytest.raises(type(error)):
        metered("og", metering=metering)(raising_(error))()
    (event,) = finals()
    assert (event["error"], event["credits"], event["status"]) == ("connection", 0, None)


@pytest.mark.parametrize(
    ("error", "word", "credits"),
    [
        (socket.gaierror(-2, "Name or service not known"), "connection", 0),
        (urllib.error.URLError(socket.gaierror(-2, "x")), "connection", 0),
        (urllib.error.URLError(TimeoutError()), "timeout", None),
        (ssl.SSLCertVerificationError("x"), "connection", 0),
        (httpx.ReadTimeout("x"), "timeout", None),
        (httpx.ConnectTimeout("x"), "connection", 0),
        (httpx.ReadError("x"), "connection", None),
        (TimeoutError(), "timeout", None),
        (aiohttp.ServerDisconnectedError(), "connection", None),
        (http.client.RemoteDisconnected("x"), "connection", None),
        (http.client.IncompleteRead(b"x"), "connection", None),
        (ConnectionResetError(), "connection", None),
        (KeyError("status_code"), "other", None),
        (SystemExit(404), "other", None),
        (asyncio.CancelledError(), "other", None),
    ],
)
def test_other_failures(
    error: BaseException, word: str, credits: int | None, metering: Metering, finals: Events
) -> None:
    """By how far the call came."""
    with pytest.raises(type(error)):
        metered("og", metering=metering)(raising_(error))()
    (event,) = finals()
    assert (event["error"], event["credits"]) == (word, credits)


# Functions of every kind


async def drained(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def test_generators_are_metered_while_they_work(metering: Metering, events: Events, finals: Events) -> None:
    """From the first step to the last; what is sent and returned passes."""

    @metered("og", metering=metering)
    def pieces(title: str) -> Any:
        got = yield b"a"
        yield got
        return "end"

    waiting = pieces("a")
    metering.close()
    assert events() == []  # nothing was asked for yet
    assert next(waiting) == b"a" and waiting.send("sent") == "sent"
    with pytest.raises(StopIteration) as stopped:
        next(waiting)
    assert stopped.value.value == "end"

    @metered("og", metering=metering)
    def breaks() -> Iterator[bytes]:
        yield b"a"
        raise httpx_error(404)

    with pytest.raises(httpx.HTTPStatusError):
        list(breaks())
    early = pieces("b")
    next(early)
    early.close()
    found = finals()
    assert [(e["outcome"], e.get("error"), e["credits"]) for e in found] == [
        ("render", None, 1), ("error", "not_found", 0), ("render", None, 1),
    ]  # fmt: skip
    assert not any("digest" in event for event in found)


def test_async_generators_too(metering: Metering, finals: Events) -> None:
    """Sent, thrown, left and broken."""
    seen: list[Any] = []

    @metered("og", metering=metering)
    async def pieces() -> Any:
        try:
            seen.append((yield 1))
        except KeyError:
            yield "caught"
        yield 2

    async def main() -> None:
        assert await drained(pieces()) == [1, 2]
        thrown = pieces()
        assert await anext(thrown) == 1
        assert await thrown.athrow(KeyError("x")) == "caught"
        assert await drained(thrown) == [2]
        sent = pieces()
        await anext(sent)
        assert await sent.asend("sent") == 2
        await sent.aclose()
        broken = pieces()
        await anext(broken)
        with pytest.raises(ValueError, match="y"):
            await broken.athrow(ValueError("y"))

    asyncio.run(main())
    assert seen == [None, "sent"]
    assert [event["outcome"] for event in finals()] == ["render", "render", "render", "error"]


class Kept:
    """Something that a generator works with."""


class ThrownError(Exception):
    """ThrownError into one; a weak reference may watch it."""


def _stepped(awaitable: Any) -> None:
    with contextlib.suppress(StopIteration):
        awaitable.send(None)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["raises", "raises another", "ends", "goes on"])
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["metered", "plain"])
def test_an_error_that_is_thrown_in_keeps_nothing_alive(
    wrapped: bool, kind: str, then: str, metering: Metering
) -> None:
    """Neither itself nor what the generator works with, whatever this makes of it: no cycle waits for the collector."""
    caught = () if then == "raises" else ThrownError

    def pieces(kept: Kept) -> Iterator[Any]:
        try:
            yield 1
        except caught:
            if then == "raises another":
                raise ValueError from None
            if then == "ends":
                return
        yield 2

    async def apieces(kept: Kept) -> AsyncIterator[Any]:
        try:
            yield 1
        except caught:
            if then == "raises another":
                raise ValueError from None
            if then == "ends":
                return
        yield 2

    function: Any = pieces if kind == "sync" else apieces

    def throw(made: Any, errors: list[ThrownError]) -> None:
        """Taken out, too: this frame is in their traceback."""
        next(made) if kind == "sync" else _stepped(anext(made))
        while errors:
            with contextlib.suppress(ThrownError, ValueError, StopIteration, StopAsyncIteration):
                made.throw(errors.pop()) if kind == "sync" else made.athrow(errors.pop()).send(None)

    def watched() -> list[Any]:
        kept, errors = Kept(), [ThrownError(), ThrownError()]
        seen = [weakref.ref(each) for each in (kept, *errors)]
        throw(function(kept), errors)
        return seen

    if wrapped:
        function = metered("og", metering=metering, key=lambda kept: "one")(function)
    gc.collect()
    gc.disable()
    try:
        assert [one() for one in watched()] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_result_of_a_generator_is_what_it_gave(kind: str, metering: Metering, finals: Events) -> None:
    """`n` images, each a step."""
    mark = metered("og", metering=metering, units=len, picture=lambda items: items[0])
    if kind == "sync":

        @mark
        def pictures() -> Iterator[bytes]:
            yield PICTURE
            yield PICTURE

        assert list(pictures()) == [PICTURE] * 2
    else:

        @mark
        async def later() -> AsyncIterator[bytes]:
            yield PICTURE
            yield PICTURE

        assert asyncio.run(drained(later())) == [PICTURE] * 2
    (render,) = finals()
    assert (render["credits"], render["bytes"]) == (2, len(PICTURE))


async def slow(title: str) -> bytes:
    await asyncio.sleep(0)
    return PICTURE


async def fails(title: str) -> bytes:
    await asyncio.sleep(0)
    raise httpx_error(404)


class Later:
    """Its call is async."""

    def __init__(self, function: Any) -> None:
        self.function = function

    async def __call__(self, title: str) -> bytes:
        result: bytes = await self.function(title)
        return result


@pytest.mark.parametrize(
    "around",
    [lambda f: f, Later, functools.partial, lambda f: lambda title: f(title),  # noqa: PLW0108
     lambda f: lambda title: asyncio.ensure_future(f(title)), lambda f: lambda title: Later(f)(title)],  # noqa: PLW0108
)  # fmt: skip
def test_async_callables_of_every_kind(around: Any, metering: Metering, finals: Events) -> None:
    """Measured when they are awaited, and failures seen."""
    mark = metered("og", metering=metering)

    async def main() -> None:
        assert await mark(around(slow))("a") == PICTURE
        with pytest.raises(httpx.HTTPStatusError):
            await mark(around(fails))("a")
        await asyncio.sleep(0)

    asyncio.run(main())
    assert [(e["outcome"], e.get("bytes"), e.get("status")) for e in finals()] == [
        ("render", len(PICTURE), None), ("error", None, 404),
    ]  # fmt: skip


def test_futures_of_threads(metering: Metering, finals: Events) -> None:
    """A future stays the future that it is."""
    with ThreadPoolExecutor(1) as pool:
        draw = metered("og", metering=metering)(lambda title: pool.submit(lambda: PICTURE))
        made: Any = draw("a")
        assert isinstance(made, Future) and made.result() == PICTURE
    (render,) = finals()
    assert render["bytes"] == len(PICTURE)


def test_nothing_of_ours_reaches_the_caller(
    metering: Metering, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it breaks: counted each time, said once, without a value."""
    from auditor.client import observed

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise LookupError("SECRETvalue")

    draw = metered("og", metering=metering)(lambda title: PICTURE)
    places = [(Metering, "named"), (Metering, "request"), (observed.ObservedCall, "_entry"), (observed, "failure_of"),
              (observed, "picture_of")]  # fmt: skip
    for owner, name in places:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, broken)
            assert draw("a") == PICTURE
            with pytest.raises(KeyError):
                metered("og", metering=metering)(raising_(KeyError()))()
    assert value(registry, "faults_total") >= len(places)
    assert len(caplog.messages) == 1 and "SECRETvalue" not in caplog.text and "LookupError" in caplog.text
