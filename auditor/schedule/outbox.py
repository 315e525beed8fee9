"""Each report to each place once: what was sent is written down, what failed is tried again, now and in the next run.

Before a message leaves, `sending` is written; after, `sent`. A run that dies in between makes the next one send again,
with the same id, by which the receiver can tell. A place that fails delays no other.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from auditor.model.words import plural
from auditor.results.document import utc
from auditor.schedule.delivery import Delivery, DeliveryError, Message
from auditor.schedule.folder import read_json, write

ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
FILE = "deliveries.json"
_AGAIN = retry_if_exception(lambda error: isinstance(error, DeliveryError) and error.again)


@dataclass(frozen=True, slots=True)
class Outbox:
    """The deliveries of one report."""

    folder: Path
    """Of the report in the history."""
    sleep: Callable[[float], None]
    now: Callable[[], datetime]
    say: Callable[[str], None]

    def deliver(self, name: str, delivery: Delivery, message: Message, *, resend: bool, dry_run: bool) -> bool:
        """Whether it is there now, from this run or an earlier one."""
        sent = self.known().get(name, {})
        if sent.get("state") == "sent" and not resend:
            self.say(f"{message.name}: {name} had it on {sent['at']}; --resend sends it again")
            return True
        if dry_run:
            size = sum(len(attachment.content) for attachment in message.attachments)
            files = f"{plural(len(message.attachments), 'attachment')}, {plural(size, 'byte')}"
            files = files if delivery.MOST_REPORTS != 0 else "no attachments"
            self.say(f"{message.name}: would go to {name} ({delivery.target}): {message.subject!r}, {files}")
            return True
        self._mark(name, delivery, message, state="sending", tries=0)
        retrying = Retrying(stop=stop_after_attempt(ATTEMPTS), wait=_wait, sleep=self.sleep, reraise=True, retry=_AGAIN)
        try:
            retrying(delivery.send, message)
        except DeliveryError as error:
            tries = retrying.statistics["attempt_number"]
            self._mark(name, delivery, message, state="failed", tries=tries, error=str(error))
            self.say(f"{message.name}: {name} ({delivery.target}) failed after {tries} of {ATTEMPTS} tries: {error}")
            return False
        tries = retrying.statistics["attempt_number"]
        self._mark(name, delivery, message, state="sent", tries=tries)
        self.say(f"{message.name}: sent to {name} ({delivery.target})" + (f" at try {tries}" if tries > 1 else ""))
        return True

    def known(self) -> dict[str, Any]:
        """What is written down: state, time, id and tries by name."""
        path = self.folder / FILE
        # It is unknown then what was sent: sending all of it again must be the user's own decision.
        found: dict[str, Any] = {}
        if path.is_file():
            fix = "remove it, and what it told of is sent again"
            found = read_json(path, lambda found: all(isinstance(one, dict) for one in found.values()), fix)
        return found

    def _mark(self, name: str, delivery: Delivery, message: Message, **facts: Any) -> None:
        facts |= {"at": utc(self.now()), "id": message.id, "target": delivery.target}
        known = {**self.known(), name: facts}
        write(self.folder / FILE, json.dumps(known, indent=2, sort_keys=True).encode() + b"\n")


def identity(*parts: str) -> str:
    """The id of a delivery: the same for the same report and place, and telling nothing of either."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _wait(state: RetryCallState) -> float:
    """As the receiver asked, else twice as long each time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, DeliveryError) else None
    return float(min(LONGEST_WAIT, asked if asked is not None else FIRST_WAIT * 2 ** (state.attempt_number - 1)))
