"""Requests that are sent again, for as long as that may help and at the receiver's pace; no message holds a secret."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import to_builtins

from auditor.feed.address import TOKEN, Address
from auditor.feed.sender import FIRST, LONGEST, OtherMarksError, RefusedByReceiverError, Sender, UndeliveredError
from auditor.feed.tail import START, Mark, digest
from auditor.feed.wire import Part, marks_to
from auditor.model.errors import AuditorError, ConfigError

SECRET = "s3cret-and-long-enough"
PART = Part(digest(b"a"), "host:/a", 0, START, Mark(2, 1, digest(b"a\n")), digest(b"a\n"))
TAKEN: dict[str, Any] = {
    "lines": 1, "events": 1, "superseded": 0, "duplicates": 0, "set_aside": 0, "late": 0,
    "rejected": [{"line": 1, "detail": "odd"}], "rejected_total": 1, "again": False,
}  # fmt: skip


class Clock:
    """Seconds that pass only while somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()
        self.stopped = False

    def wait(self, seconds: float) -> bool:
        """Wait, unless it was stopped."""
        self.waits.append(seconds)
        self.now += seconds
        return self.stopped


def sender(
    answers: list[Any], clock: Clock, said: list[str] | None = None, **options: Any
) -> tuple[Sender, list[httpx.Request]]:
    """One whose receiver answers so, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        asked.append(request)
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, httpx.Response) else httpx.Response(found, json={"detail": SECRET * 20})

    address = Address.of(f"https://me:{SECRET}@ledger.example:19710/base/", "--to")
    made = Sender(
        address, wait=clock.wait, steady=lambda: clock.now, chance=lambda: 0.0,
        say=(said if said is not None else []).append, transport=httpx.MockTransport(answer), **options,
    )  # fmt: skip
    return made, asked


def test_it_goes_on_until_it_is_taken_ever_more_slowly() -> None:
    """A lost answer, no connection, a receiver that is busy: twice as long each time, up to a minute."""
    clock, said = Clock(), list[str]()
    troubles = [httpx.ReadError(SECRET), httpx.ConnectTimeout(SECRET), 503, 502, 500, 408, 503, 503, 503, 503]
    made, asked = sender([*troubles, httpx.Response(200, json=TAKEN)], clock, said)
    assert to_builtins(made.send(b"a\n", PART)) == TAKEN
    assert clock.waits == [min(FIRST * 2**number, LONGEST) for number in range(len(troubles))]
    assert {gzip.decompress(each.content) for each in asked} == {b"a\n"}
    assert {each.url.path for each in asked} == {"/base/v1/events"}
    assert Part.of(dict(asked[-1].url.params)) == PART
    assert said == [
        "https://ledger.example:19710/base: no answer (ReadError); it is tried again",
        "https://ledger.example:19710/base: it answers again",
    ]


def test_it_waits_as_long_as_it_is_told() -> None:
    """`Retry-After` in seconds, when that is longer; nonsense counts nothing."""
    clock = Clock()
    later = [httpx.Response(429, headers={b"Retry-After": text}) for text in (b"7", b"0", b"\xb2", b"-1", b"999999")]
    made, _ = sender([*later, httpx.Response(200, json=TAKEN)], clock)
    made.send(b"a\n", PART)
    assert clock.waits == [7, 1, 2, 4, 3600]


def test_half_of_a_wait_is_chance() -> None:
    """So that many forwarders do not come back together."""
    clock = Clock()
    made, _ = sender([503, httpx.Response(200, json=TAKEN)], clock)
    made._chance = lambda: 1.0
    made.send(b"a\n", PART)
    assert clock.waits == [FIRST / 2]


def test_it_gives_up_after_its_patience_or_when_it_is_stopped() -> None:
    """What was not sent is where it was: exit code 4."""
    clock = Clock()
    made, _ = sender([httpx.ConnectError(SECRET)], clock, patience=100)
    with pytest.raises(UndeliveredError, match="ConnectError") as found:
        made.send(b"a\n", PART)
    assert (found.value.exit_code, SECRET in str(found.value)) == (4, False) and 50 < clock.now <= 100
    stopped = Clock()
    stopped.stopped = True
    made, asked = sender([503], stopped)
    with pytest.raises(UndeliveredError, match="503"):
        made.send(b"a\n", PART)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (401, ConfigError, "check the password"),
        (403, ConfigError, "check the password"),
        (404, ConfigError, "--web.ingest"),
        (413, RefusedByReceiverError, "413"),
        (415, RefusedByReceiverError, "415"),
        (302, RefusedByReceiverError, "302; is it an exporter"),
        (httpx.Response(200, text="<html>"), RefusedByReceiverError, "is it an exporter"),
        (httpx.Response(200, json=[]), RefusedByReceiverError, "is it an exporter"),
        (httpx.Response(200, json={"ok": True}), RefusedByReceiverError, "is it an exporter"),
        (httpx.Response(200, json={**TAKEN, "events": "1"}), RefusedByReceiverError, "is it an exporter"),
        (httpx.Response(409, json={"marks": [{"number": "1"}]}), RefusedByReceiverError, "is it an exporter"),
        (httpx.Response(409, json={}), RefusedByReceiverError, "is it an exporter"),
    ],
)
def test_what_would_be_refused_again_is_an_error_at_once(answer: Any, kind: type[AuditorError], words: str) -> None:
    """With what to do."""
    made, asked = sender([answer], Clock())
    with pytest.raises(kind, match=words) as found:
        made.send(b"a\n", PART)
    assert len(asked) == 1 and SECRET not in str(found.value)


def test_a_receiver_that_has_the_file_elsewhere_says_where() -> None:
    """Its marks."""
    marks = {3: Mark(7, 2, "x")}
    made, _ = sender([httpx.Response(409, json={"marks": marks_to(marks)})], Clock())
    with pytest.raises(OtherMarksError) as found:
        made.send(b"a\n", PART)
    assert found.value.marks == marks


@pytest.mark.parametrize("found", [{"ok": True}, {"marks": None}, {"marks": [{"number": 1}]}, {"marks": [{"number": "1", "position": 1, "lines": 1, "before": "x"}]}])  # fmt: skip
def test_marks_that_are_none_are_no_answer(found: Any) -> None:
    """Another program listens there."""
    made, _ = sender([httpx.Response(200, json=found)], Clock())
    with pytest.raises(RefusedByReceiverError, match="is it an exporter"):
        made.marks(PART.first_line)


def test_a_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in the address goes before it; no representation shows either."""
    monkeypatch.setenv(TOKEN, SECRET)
    by_token = Address.of("https://ledger.example", "--to")
    by_user = Address.of("https://me:p%40ss@ledger.example", "--to")
    assert (by_token.token, by_token.auth, by_user.token, by_user.auth) == (SECRET, None, "", ("me", "p@ss"))
    assert SECRET not in repr(by_token) and "p@ss" not in repr(by_user) and "p%40ss" not in repr(by_user)
    monkeypatch.setenv(TOKEN, "two words")
    with pytest.raises(ConfigError, match=TOKEN):
        Address.of("https://ledger.example", "--to")


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda path: None, "No such file"), (lambda path: path.write_text("x"), "holds no certificates")],
)
def test_a_ca_that_is_none_is_named(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    """Before anything is sent."""
    make(tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match=words):
        Sender(Address.of("https://ledger.example", "--to", ""), ca=tmp_path / "ca.pem")
