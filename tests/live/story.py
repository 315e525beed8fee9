"""A house without servers, which goes through the check's story as a real one does, or with one thing wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.live.check import USED_UP
from scripts.live.history import Place
from scripts.live.house import Past
from scripts.live.receiver import Notice
from scripts.live.shop import SHOP, Plans, cycle_of

HISTORY, EARLIER, PLAN = 1000, 50, 1100


class Story:
    """*wrong* names what goes wrong; everything else is as it should be."""

    def __init__(self, folder: Path, wrong: str = "") -> None:
        self.wrong, self.now = wrong, 0.0
        self.place = Place(folder)
        self.past = Past(cycle_of(1_790_812_800), Plans(PLAN, 10, 1), {SHOP: HISTORY}, EARLIER)
        self.spent, self.large = 0, False
        self.notices: list[Notice] = []
        self.traffic = self.receiver = self.processes = self.exporter = self.prometheus = self
        self.past.plans.write(self.place.config)

    def sleep(self, seconds: float) -> None:
        """The clock goes on."""
        self.now += seconds

    # traffic

    def visit(self) -> None:
        """No credit."""

    def crowd(self) -> None:
        """One credit, or one each if coalescing is broken and the invoice says so."""
        self.spend(1)

    def spend(self, credits: int) -> None:
        """The alert comes with the last credit."""
        self.spent += credits
        limit = PLAN - 1 if self.wrong == "early" else PLAN
        if HISTORY + self.spent >= limit and not self.notices and self.wrong != "mute":
            self.tell("firing")

    # exporter and receiver

    def reload(self) -> None:
        """It takes the plan of the file."""
        self.large = 'plan = "Large"' in self.place.config.read_text()
        if self.large and self.wrong != "stuck":
            self.tell("resolved")

    def tell(self, status: str) -> None:
        """The pager hears."""
        to = "team" if self.wrong == "route" else "pager"
        self.notices.append(Notice(self.now, to, status, USED_UP, SHOP))
        if self.wrong == "blind":
            self.notices.append(Notice(self.now, "team", "firing", "ImgRenderIngestStale", ""))

    def of(self, alert: str, status: str, account: str) -> list[Notice]:
        """As the receiver."""
        return [each for each in self.notices if (each.alert, each.status, each.account) == (alert, status, account)]

    # counts

    def invoice(self) -> int:
        """Of the sandbox."""
        return self.spent + (self.wrong == "invoice")

    def booked(self) -> int:
        """Of the ledger."""
        return HISTORY + self.spent - (self.wrong == "ledger")

    def value(self, query: str) -> float | None:
        """Of Prometheus."""
        if query.startswith("ALERTS"):
            return None
        if "resets(" in query:
            return 1.0 if self.wrong == "reset" else 0.0
        if "timestamp(" in query:
            return 3.0 if self.wrong == "short" else 8.0
        if query.startswith(str(HISTORY)):
            return HISTORY + self.spent - (self.wrong == "clients")
        return float(HISTORY + self.spent)

    # processes

    def fault(self, *_: str | None) -> None:
        """Nothing fails here."""

    def audit(self) -> None:
        """Nothing is found here."""

    def look(self) -> None:
        """Nothing ends here."""

    def busy(self) -> bool:
        """Nothing runs here."""
        return False

    def until(self, condition: Callable[[], Any], *_: object) -> Any:
        """At once."""
        return condition()
