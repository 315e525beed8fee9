"""Each report to each place once, whatever happens in between."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.model.errors import ConfigError, InputError
from auditor.registry import DELIVERIES
from auditor.schedule.deliveries.file import File
from auditor.schedule.delivery import DeliveryError, Message
from tests.schedule.conftest import Said, message


class Way:
    """Fails as often as it is told to, then takes."""

    target = "somewhere"
    MOST_REPORTS = None

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.taken: list[Message] = []

    def send(self, sent: Message) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(sent)


def busy() -> DeliveryError:
    return DeliveryError("busy", again=True)


def test_once_and_not_again(said: Said) -> None:
    """The second run says when it was; --resend sends."""
    way = Way()
    assert said.deliver(way) and said.deliver(way)
    assert len(way.taken) == 1
    assert said.words[-1] == "2026-09-01: team had it on 2026-10-01T00:00:00Z; --resend sends it again"
    assert said.deliver(way, resend=True)
    assert len(way.taken) == 2


@pytest.mark.parametrize("text", ['{"team": ', '{"team": "sent"}', "[]"])
def test_nobody_gets_it_twice_because_the_list_is_damaged(said: Said, text: str) -> None:
    """What was sent is unknown then: the file is named, and nothing leaves."""
    way = Way()
    assert said.deliver(way)
    (said.outbox.folder / "deliveries.json").write_text(text)
    with pytest.raises(InputError, match=r"deliveries\.json: is damaged; remove it"):
        said.deliver(way)
    assert len(way.taken) == 1


def test_retried_with_growing_waits_and_then_given_up(said: Said) -> None:
    """Four tries; the next run tries again, with the same id."""
    way = Way(busy(), busy(), busy(), busy())
    assert not said.deliver(way)
    assert said.waits == [1.0, 2.0, 4.0]
    assert said.words[-1] == "2026-09-01: team (somewhere) failed after 4 of 4 tries: busy"
    assert said.state == "failed"
    assert said.deliver(way)
    assert [one.id for one in way.taken] == ["0123456789abcdef"]


def test_what_cannot_help_is_not_repeated(said: Said) -> None:
    """One try."""
    assert not said.deliver(Way(DeliveryError("no", again=False)))
    assert said.waits == []


def test_a_run_that_dies_while_sending_makes_the_next_send_with_the_same_id(said: Said) -> None:
    """`sending` stands there, and is not taken for sent."""
    way = Way(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        said.deliver(way)
    assert said.state == "sending"
    assert said.deliver(way)
    assert (said.state, len(way.taken)) == ("sent", 1)


def test_a_dry_run_sends_and_writes_nothing(said: Said, tmp_path: Path) -> None:
    """It says what would go where."""
    way = Way()
    assert said.deliver(way, dry_run=True)
    assert (way.taken, list(tmp_path.iterdir())) == ([], [])
    assert said.words == [
        "2026-09-01: would go to team (somewhere): 'Render audit 2026-09-01: 10 credits wasted', 2 attachments, 39 bytes"
    ]


def test_a_file_is_replaced_whole(said: Said, tmp_path: Path) -> None:
    """At a path with the cycle in it; whoever reads the old one has it whole, and no half file stays."""
    way = File({"path": str(tmp_path / "www" / "{cycle}.html")}, {})
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "2026-09-01.html").write_text("the old one")
    with (tmp_path / "www" / "2026-09-01.html").open() as reader:
        assert said.deliver(way)
        assert reader.read() == "the old one"
    assert (tmp_path / "www" / "2026-09-01.html").read_bytes() == message().attachments[0].content
    assert [path.name for path in (tmp_path / "www").iterdir()] == ["2026-09-01.html"]
    (tmp_path / "blocked").write_text("")
    assert not said.deliver(File({"path": str(tmp_path / "blocked" / "x")}, {}), resend=True)
    assert "cannot be written" in said.words[-1]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "delivery.team.kind is missing"),
        ({"kind": "pigeon"}, "kind = 'pigeon' is unknown; available: file, smtp, slack, webhook"),
        ({"kind": "file", "path": "x", "formats": ["html", "csv"]}, "formats are 2; a file holds one"),
        ({"kind": "file"}, "path is missing"),
        ({"kind": "file", "path": "x", "formats": ["pdf"]}, "formats = 'pdf' is unknown"),
        ({"kind": "file", "path": "x", "password": "hunter2"}, "password is unknown"),
        ({"kind": "smtp", "host": "h", "sender": "s", "to": "t"}, "to is not a list"),
        ({"kind": "smtp", "host": "h", "sender": "s", "to": ["t"], "port": 0}, "port = 0 is not a port"),
        ({"kind": "smtp", "host": "h", "sender": "s", "to": ["t"], "security": "ssl"}, "none of starttls, tls, none"),
        ({"kind": "slack", "url": "https://hooks.example/x"}, "url_env is missing"),
        ({"kind": "webhook", "url_env": "X", "private": 1}, "private = 1 is not true or false"),
    ],
)
def test_wrong_settings_are_named(table: dict[str, Any], words: str) -> None:
    """Secrets have no place in the file at all."""
    with pytest.raises(ConfigError) as caught:
        settings_of({"delivery": {"team": table}}, "auditor.toml")
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_way_has_the_settings_that_it_requires() -> None:
    """That each file is registered, tests/contracts/test_registry.py sees."""
    assert all(set(way.FIELDS) >= way.REQUIRED for way in DELIVERIES.values())


def test_the_journal_is_json(said: Said, tmp_path: Path) -> None:
    """For people who want to know when what went where."""
    said.deliver(Way(busy()))
    assert json.loads((tmp_path / "deliveries.json").read_bytes()) == {
        "team": {
            "state": "sent",
            "at": "2026-10-01T00:00:00Z",
            "id": "0123456789abcdef",
            "tries": 2,
            "target": "somewhere",
        }
    }
