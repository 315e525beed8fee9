"""`POST /v1/events`: who may send, what is answered, and that a part of a file counts once whatever is answered twice."""

import asyncio
import gzip
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from auditor_exporter.http import check_receiving, serve
from auditor_exporter.ledger import FATES
from auditor_exporter.rates import AT_ONCE, PER_SECOND, SENDERS, Rates
from auditor_exporter.receiving import HELD, Receiving
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.tokens import Tokens
from auditor_exporter.webconfig import Live
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.config import settings_of
from auditor.feed.tail import START as FIRST
from auditor.feed.tail import TailedFile, digest
from auditor.feed.wire import EVENTS, MARKS, MAX_BODY, MAX_LINES, NDJSON, PROBLEM, SOURCES, Part, marks_from
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.receive import Receiver
from auditor.ledger.sources import last_seen
from auditor.model.errors import ConfigError
from tests.conftest import event, lines
from tests.exporters.test_ledger import NOW, Counting
from tests.exporters.test_web import USERS
from tests.ledger.conftest import counts

TOKEN = "t0ken-of-sixteen-and-more"
SECRET = "sk_live_s3cret"
Ask = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]
TYPE = {"Content-Type": NDJSON}


@pytest.fixture
def ledger(tmp_path: Path, random_now: None) -> Iterator[Ledger]:
    """What receives is the same over both databases."""
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def received(
    receiver: Receiver | None, use: Callable[[Ask], Awaitable[None]], live: Live | None = None,
    tokens: Tokens | None = None, said: list[str] | None = None, rates: Rates | None = None,
) -> None:  # fmt: skip
    """Run *use* with a client of a server that receives."""

    async def run() -> None:
        stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
        snapshot = Snapshot([Counting()], lambda: NOW)
        receiving = Receiving(
            lambda: receiver, tokens or Tokens(None), (said if said is not None else []).append, rates, patience=5
        )
        snapshot.more = [receiving]
        server = asyncio.create_task(
            serve(lambda: snapshot, "127.0.0.1", 0, live or Live(None), address.set_result, stop, receiving=receiving)
        )

        async def ask(path: str = EVENTS, data: Any = b"", method: str = "POST", **options: Any) -> Any:
            options.setdefault("headers", TYPE)
            async with (
                ClientSession() as session,
                session.request(method, await address + path, data=data, **options) as answer,
            ):
                text = await answer.text()
                kind = answer.headers["Content-Type"]
                return answer.status, dict(answer.headers), json.loads(text) if "json" in kind else text

        try:
            await use(ask)
        finally:
            stop.set()
            await server

    asyncio.run(run())


def of(ledger: Ledger) -> Receiver:
    """With the settings that are there without a file."""
    return Receiver(ledger, settings_of({}, "test"), lambda: NOW)


BODY = lines([event("a"), event("b")]) + f"no JSON {SECRET}\n".encode() + lines([event("a")])


def test_what_is_sent_is_answered_after_the_commit(ledger: Ledger) -> None:
    """Rejected lines by their index, without what stands in them; the others commit. Plain, packed, and twice."""

    async def use(ask: Ask) -> None:
        status, headers, found = await ask(data=BODY)
        assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
        assert {name: found[name] for name in ("lines", "events", "duplicates", "again")} == {
            "lines": 4, "events": 2, "duplicates": 1, "again": False,
        }  # fmt: skip
        assert [each["line"] for each in found["rejected"]] == [3] and SECRET not in json.dumps(found)
        assert counts(ledger) == {"rows": 2, "lines": 4, "events": 2, "duplicates": 1, "rejected": 1}
        packed = gzip.compress(BODY[:300]) + gzip.compress(BODY[300:])
        status, _, found = await ask(data=packed, headers={**TYPE, "Content-Encoding": "gzip"})
        assert (status, found["events"], found["duplicates"]) == (200, 0, 3)
        _, _, page = await ask("/metrics", method="GET")
        assert 'imgrender_ingest_requests_total{code="200"} 2.0' in page
        assert 'imgrender_ingest_lines_total{fate="duplicates"} 4.0' in page

    received(of(ledger), use)


@pytest.mark.parametrize(
    ("status", "data", "headers"),
    [
        (415, BODY, {"Content-Type": "text/plain"}),
        (415, BODY, {"Content-Type": "application/x-www-form-urlencoded"}),
        (415, BODY, {**TYPE, "Content-Encoding": "br"}),
        (400, b"no gzip", {**TYPE, "Content-Encoding": "gzip"}),
        (400, gzip.compress(BODY)[:-4], {**TYPE, "Content-Encoding": "gzip"}),
        (400, b"", {**TYPE, "Content-Encoding": "gzip"}),
        (413, b" " * (MAX_BODY + 1), TYPE),
        (413, gzip.compress(b"\n" * (MAX_BODY + 1)), {**TYPE, "Content-Encoding": "gzip"}),
        (413, gzip.compress(b"x\n" * (MAX_LINES + 1)), {**TYPE, "Content-Encoding": "gzip"}),
        (413, gzip.compress(b"\n" * (500 << 20)), {**TYPE, "Content-Encoding": "gzip"}),
    ],
)
def test_what_cannot_be_taken_commits_nothing(
    ledger: Ledger, status: int, data: bytes, headers: dict[str, str]
) -> None:
    """The reason as JSON."""

    async def use(ask: Ask) -> None:
        found = await ask(data=data, headers=headers)
        assert (found[0], found[1]["Content-Type"], found[2]["status"]) == (status, PROBLEM, status)
        assert found[2]["detail"] and counts(ledger) == {"rows": 0}

    received(of(ledger), use)


def test_other_paths_and_methods_are_problems_too(ledger: Ledger) -> None:
    """And without `--web.ingest` there is nothing of it."""

    async def use(ask: Ask) -> None:
        assert [(await ask(method=method))[0] for method in ("GET", "PUT", "DELETE", "OPTIONS")] == [405] * 4
        status, headers, _ = await ask("/v1/nothing")
        assert (status, headers["Content-Type"]) == (404, PROBLEM)
        assert (await ask("/metrics"))[0] == 405

    received(of(ledger), use)


def test_tokens_open_the_ingest_and_nothing_else(ledger: Ledger, tmp_path: Path) -> None:
    """Users may send too; a token that is added counts at once, and a file that is damaged leaves the old ones."""
    file, config, said = tmp_path / "tokens", tmp_path / "web.yml", list[str]()
    file.write_text(f"# forwarders\n\n{TOKEN}\n")
    file.chmod(0o600)
    config.write_text(USERS)
    bearer = {**TYPE, "Authorization": f"Bearer {TOKEN}"}

    async def use(ask: Ask) -> None:
        assert (await ask(data=BODY, headers=bearer))[0] == 200
        status, headers, _ = await ask(data=BODY)
        assert (status, headers["Content-Type"]) == (401, PROBLEM) and "Basic" in headers["WWW-Authenticate"]
        wrong = {**TYPE, "Authorization": f"Bearer {TOKEN}x"}
        assert (await ask(data=BODY, headers=wrong))[0] == 401
        assert (await ask("/metrics", method="GET", headers=bearer))[0] == 401
        basic = {**TYPE, "Authorization": "Basic cHJvbWV0aGV1czpzM2NyZXQ="}
        assert (await ask(data=BODY, headers=basic))[0] == 200
        file.write_text(f"{TOKEN}\n{TOKEN}x\n")
        assert (await ask(data=BODY, headers=wrong))[0] == 200
        file.write_text("too short\n")
        assert (await ask(data=BODY, headers=bearer))[0] == 200
        assert len(said) == 1 and "line 1" in said[0] and "too short" not in said[0]

    received(of(ledger), use, Live(config), Tokens(file, said.append), said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no token"),
        ("short\n", "shorter than 16"),
        ("x y\n", "is not a bearer token"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_tokens_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    """With its line, without what stands there."""
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        Tokens(file)


def test_a_file_of_tokens_that_all_can_read_is_told(tmp_path: Path) -> None:
    """Secrets of orchestrators are often so: it is used."""
    file, said = tmp_path / "tokens", list[str]()
    file.write_text(TOKEN)
    file.chmod(0o644)
    assert Tokens(file, said.append).identity(f"bearer {TOKEN}") == "token 1"
    assert len(said) == 1 and "chmod o=" in said[0]


def test_other_machines_have_to_show_who_they_are(tmp_path: Path) -> None:
    """Encrypted, unless somebody says otherwise; a password or token is needed even then."""
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    nobody, known = Tokens(None), Tokens(file)
    for tokens, insecure in ((nobody, False), (nobody, True), (known, False)):
        with pytest.raises(ConfigError, match="lets other machines write"):
            check_receiving("0.0.0.0:1", "0.0.0.0", Live(None), tokens, insecure=insecure)
    check_receiving("0.0.0.0:1", "0.0.0.0", Live(None), known, insecure=True)
    check_receiving("127.0.0.1:1", "127.0.0.1", Live(None), nobody, insecure=False)


def test_a_sender_has_a_rate_of_its_own() -> None:
    """After a burst, so many a second; who is quiet for the longest time is no longer counted."""
    now = [0.0]
    rates = Rates(lambda: now[0])
    assert [rates.wait("a") for _ in range(int(AT_ONCE))] == [0] * int(AT_ONCE)
    assert rates.wait("a") == 1 and rates.wait("b") == 0
    now[0] += 2 / PER_SECOND
    assert [rates.wait("a") for _ in range(3)] == [0, 0, 1]
    for number in range(SENDERS):
        rates.wait(str(number))
    assert rates.wait("a") == 0


def test_who_sends_too_often_is_told_when_to_come_again(ledger: Ledger) -> None:
    """429, of which nothing is committed."""
    rates = Rates(lambda: 0.0)
    for _ in range(int(AT_ONCE)):
        rates.wait("127.0.0.1")

    async def use(ask: Ask) -> None:
        status, headers, _ = await ask(data=BODY)
        assert (status, headers["Retry-After"]) == (429, "1") and counts(ledger) == {"rows": 0}

    received(of(ledger), use, rates=rates)


class Failing(Receiver):
    """One whose ledger fails with an error."""

    def __init__(self, error: Exception | None, ledger: Ledger) -> None:
        super().__init__(ledger, settings_of({}, "test"), lambda: NOW)
        self.error = error

    def take(self, *given: Any) -> Any:
        """Raise it."""
        if self.error:
            raise self.error
        return super().take(*given)


@pytest.mark.parametrize("error", [LedgerError(f"full: {SECRET}"), OSError(28, SECRET), MemoryError(SECRET)])
def test_a_ledger_that_is_away_or_full_is_503_until_it_is_back(ledger: Ledger, error: Exception) -> None:
    """The log says why once, the answer does not; so is one that is not open at all."""
    failing, said = Failing(error, ledger), list[str]()

    async def use(ask: Ask) -> None:
        for _ in range(2):
            status, headers, found = await ask(data=BODY)
            assert (status, headers["Retry-After"]) == (503, "5") and SECRET not in json.dumps(found)
        failing.error = None
        assert (await ask(data=BODY))[0] == 200
        assert len(said) == 2 and said[1] == "receiving works again"

    received(failing, use, said=said)

    async def closed(ask: Ask) -> None:
        assert (await ask(data=BODY))[0] == 503

    received(None, closed)


def test_a_fault_of_ours_is_500_without_a_word_of_the_request(ledger: Ledger) -> None:
    """The log has its kind."""
    said: list[str] = []

    async def use(ask: Ask) -> None:
        status, headers, found = await ask(data=BODY)
        assert (status, headers["Content-Type"]) == (500, PROBLEM)
        assert SECRET not in json.dumps(found) + "".join(said) and "ZeroDivisionError" in said[0]

    received(Failing(ZeroDivisionError(SECRET), ledger), use, said=said)


def parts(path: Path, receiver: Receiver) -> Iterator[tuple[bytes, Part]]:
    """What a forwarder would send of a file."""
    file = TailedFile(path)
    marks = receiver.marks(file.first_line)
    for piece in file.pieces(file.furthest(marks.values())):
        seen, content = max(marks, default=0), digest(piece.data)
        yield piece.data, Part(file.first_line, f"host:{path}", seen, piece.start, piece.end, content)


def test_a_part_of_a_file_counts_once(ledger: Ledger, tmp_path: Path) -> None:
    """The same again is answered the same and counts nothing; a gap is refused with the mark that the ledger has."""
    log, receiver = tmp_path / "usage.jsonl", of(ledger)
    log.write_bytes(BODY)

    async def use(ask: Ask) -> None:
        ((data, part),) = parts(log, receiver)
        first = await ask(data=data, params=part.query())
        again = await ask(data=data, params=part.query())
        assert (first[0], again[0], first[2]["events"], again[2]["again"]) == (200, 200, 2, True)
        assert first[2]["rejected"] == again[2]["rejected"]
        kept = counts(ledger)
        assert kept == {"rows": 2, "lines": 4, "events": 2, "duplicates": 1, "rejected": 1}
        with log.open("ab") as file:
            file.write(lines([event("c")]))
        ((data, part),) = parts(log, receiver)
        assert (await ask(data=data, params=part.query()))[2]["events"] == 1
        with log.open("ab") as file:
            file.write(lines([event("d")]))
        ((data, part),) = parts(log, receiver)
        later = {**part.query(), "position": str(part.start.position + 1)}
        status, _, found = await ask(data=data, params=later)
        assert status == 409 and marks_from(found["marks"]) == receiver.marks(part.first_line)
        found = await ask(MARKS, method="GET", params={"first_line": part.first_line})
        assert marks_from(found[2]["marks"]) == {1: part.start}
        assert counts(ledger)["lines"] == 5

    received(receiver, use)


def test_files_that_begin_alike_are_two(ledger: Ledger, tmp_path: Path) -> None:
    """And the same file from two senders, who both began before either was answered, is one."""
    one, two, receiver = tmp_path / "1.jsonl", tmp_path / "2.jsonl", of(ledger)
    one.write_bytes(lines([event("a"), event("b")]))
    two.write_bytes(lines([event("a"), event("c")]))
    both = [*parts(one, receiver), *parts(one, receiver)]
    receiver.take(both[0][0], "x", both[0][1])
    assert receiver.take(both[1][0], "x", both[1][1]).again  # type: ignore[union-attr]
    for data, part in parts(two, receiver):
        assert receiver.take(data, "x", part).counts["events"] == 1  # type: ignore[union-attr]
    assert counts(ledger) == {"rows": 3, "lines": 4, "events": 3, "duplicates": 1}
    assert [*parts(one, receiver), *parts(two, receiver)] == []


def test_lines_that_were_changed_on_their_way_move_no_mark(ledger: Ledger, tmp_path: Path) -> None:
    """Fewer, others, or an unfinished one."""
    log, receiver = tmp_path / "usage.jsonl", of(ledger)
    log.write_bytes(lines([event(str(each)) for each in range(20)]))
    ((data, part),) = parts(log, receiver)

    async def use(ask: Ask) -> None:
        for wrong in (data[:-1], data + data, data.replace(b'"19"', b'"20"'), data.replace(b'"0"', b'"x"'), b""):
            status, _, found = await ask(data=wrong, params=part.query())
            assert (status, "changed on their way" in found["detail"]) == (400, True)
        assert counts(ledger) == {"rows": 0}

    received(receiver, use)


def test_sources_are_as_fresh_as_their_forwarders_say(ledger: Ledger) -> None:
    """One that could not be looked at keeps its time."""

    async def use(ask: Ask) -> None:
        json_type = {"Content-Type": "application/json"}
        for there in (True, False):
            body = json.dumps({"sources": {"web-1:/usage": True, "web-2:/usage": there}})
            assert (await ask(SOURCES, data=body, headers=json_type))[0] == 200
            now[0] += 60
        with ledger.read() as connection:
            found = last_seen(connection, int(now[0] * 1e6))
        assert found == {"web-1:/usage": int((NOW + 60) * 1e6), "web-2:/usage": int(NOW * 1e6)}
        for wrong in (
            b"",
            b"{}",
            b'{"sources": {}}',
            b'{"sources": {"a\\u0000": true}}',
            b'{"sources": {"a": 1}}',
            b"[",
        ):
            assert (await ask(SOURCES, data=wrong, headers=json_type))[0] == 400

    now = [NOW]
    received(Receiver(ledger, settings_of({}, "test"), lambda: now[0]), use)


PARAMETERS = list(Part("", "", 0, FIRST, FIRST, "").query())
ANY_QUERY = st.dictionaries(
    st.sampled_from([*PARAMETERS, "x"]),
    st.one_of(st.just("a" * 64), st.integers(-1, 1 << 60).map(str), st.text(max_size=20)), max_size=10,
)  # fmt: skip
ANY_LINE = st.one_of(
    st.binary(max_size=80), st.just(lines([event("f")])), st.just(json.dumps(event(SECRET)).encode()[:-1]),
    st.fixed_dictionaries({name: st.one_of(st.none(), st.text(max_size=9), st.floats(), st.integers()) for name in event()})
    .map(lambda each: json.dumps(each).encode()),
)  # fmt: skip


@pytest.mark.slow
def test_whatever_is_sent_is_answered(ledger: Ledger) -> None:
    """Any body, query, type, encoding and path: an answer without a traceback or secret, and conservation."""

    async def use(ask: Ask) -> None:
        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(
            st.lists(ANY_LINE, max_size=6).map(b"\n".join), ANY_QUERY,
            st.sampled_from([NDJSON, "application/json", "text/plain", "x", "a/b; c=;;d", ""]),
            st.sampled_from(["", "gzip", "gzip", "br", "gzip, gzip"]), st.booleans(),
            st.sampled_from([EVENTS, EVENTS, EVENTS, MARKS, SOURCES, "/v1/", "/v1/events/"]),
            st.sampled_from(["POST", "POST", "POST", "GET", "PUT"]),
        )  # fmt: skip
        def one(
            body: bytes, query: dict[str, str], kind: str, packing: str, packed: bool, path: str, method: str
        ) -> None:
            headers = {name: value for name, value in (("Content-Type", kind), ("Content-Encoding", packing)) if value}
            asked.append((path, method, gzip.compress(body) if packed else body, headers, query))

        asked: list[Any] = []
        one()
        seen = set()
        for path, method, data, headers, query in asked:
            before = counts(ledger)
            status, answered, found = await ask(path, data=data, method=method, headers=headers, params=query)
            seen.add(status)
            text = json.dumps(found)
            assert "Traceback" not in text and SECRET not in text
            assert status < 500 and (status == 200 or answered["Content-Type"] == PROBLEM or status == 400)
            after = counts(ledger)
            if status != 200:
                assert before == after, "nothing of a refused request is committed"
            fates = sum(after.get(fate, 0) for fate in FATES)
            assert fates == after.get("lines", 0) and after.get("events", 0) == after["rows"]
        assert {200, 400, 404, 405, 415} <= seen

    received(of(ledger), use, rates=Rates(iter(range(0, 10**9, 60)).__next__))


def test_more_requests_than_memory_is_for_come_again_later(ledger: Ledger) -> None:
    """While some are being booked; a scrape is answered meanwhile."""
    go = threading.Event()

    class Slow(Receiver):
        def take(self, *given: Any) -> Any:
            go.wait(30)
            return super().take(*given)

    async def use(ask: Ask) -> None:
        waiting = {asyncio.create_task(ask(data=lines([event(str(number))]))) for number in range(HELD + 1)}
        (refused,), booked = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        status, headers, _ = refused.result()
        assert (status, headers["Retry-After"]) == (503, "1")
        assert (await ask("/metrics", method="GET"))[0] == 200
        go.set()
        assert [(await each)[0] for each in booked] == [200] * HELD
        assert (await ask(data=BODY))[0] == 200

    received(Slow(ledger, settings_of({}, "test"), lambda: NOW), use)
