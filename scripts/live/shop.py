"""The shop of the demo: its auditor.toml, with a plan that ends soon, and the larger one that it can take."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor.model.plans import Cycle, cycles

SHOP, CAMPAIGNS = "shop", "campaigns"
"""Accounts: one on a plan with a hard cap, one on a plan with overage."""
ENVIRONMENTS = ("production", "staging")
TEMPLATES = {SHOP: ("og-card", "product-card"), CAMPAIGNS: ("voucher",)}
DAYS = 8
"""Of history; a week before the last day is known."""
_FILE = """\
# The shop of `make live`. Change a plan here: the exporter takes it within seconds.
[accounts.shop]
provider = "imejis"
plan = "{plan}"
anchor_day = {anchor_day}

[accounts.campaigns]
provider = "imejis"
plan = "Metered"
anchor_day = {anchor_day}

[plans.imejis.Small]
price = "14.99"
currency = "USD"
included = {included}

[plans.imejis.Large]
price = "24.99"
currency = "USD"
included = {large}

[plans.imejis.Metered]
price = "9.99"
currency = "USD"
included = {metered}
overage = "0.02"

[limits.templates.product-card]
width = 400
"""


@dataclass(frozen=True, slots=True)
class Plans:
    """Credits that the plans include, and the day on which the billing cycles begin."""

    included: int
    """Of the shop's."""
    metered: int
    """Of the campaigns' plan."""
    anchor_day: int

    @property
    def large(self) -> int:
        """Of the larger plan of the shop."""
        return 2 * self.included

    def write(self, path: Path, *, large: bool = False) -> None:
        """The auditor.toml, in place of the one before."""
        new = path.with_suffix(".new")
        plan = "Large" if large else "Small"
        new.write_text(_FILE.format(
            plan=plan, included=self.included, large=self.large, metered=self.metered, anchor_day=self.anchor_day
        ))  # fmt: skip
        new.replace(path)


def cycle_of(now: int) -> Cycle:
    """A billing cycle that began four to eight days before the eight days, and goes on for twelve or more."""
    day = min((datetime.fromtimestamp(now, UTC) - timedelta(days=DAYS + 4)).day, 28)
    (cycle,) = cycles(now * 10**6, now * 10**6, day, ZoneInfo("UTC"))
    return cycle
