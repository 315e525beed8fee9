"""The source of rules, alerts and runbooks: `alerts.yml` beside this module, and the parameters that it leaves open."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources

import msgspec

RUNBOOKS = "https://runbooks.example/render-auditor"
"""Where you publish grafana/runbooks: `--set runbooks=URL`."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Windows are Prometheus durations, thresholds ratios unless they say otherwise."""

    long: str = "1h"
    patience: str = "15m"
    """How long a condition has to last that may pass by itself."""
    projection_for: str = "1h"
    burn_for: str = "2m"
    down_for: str = "10m"
    hold: str = "6h"
    """How long the last value of a gauge counts while the exporter cannot be scraped: longer than anybody needs to
    see to ImgRenderExporterDown."""
    calm: str = "1d"
    """How long a warning goes on after its condition is over, so that it does not come and go."""
    stale_seconds: int = 900
    margin: float = 0.15
    """Share of the forecast by which a projection from a whole week has to exceed the plan at the period's start; it
    shrinks with the time that is left and grows for accounts younger than a week."""
    rush: float = 5
    """A window of 1 h, 6 h or 12 h is a rush if so many like it use up the plan ..."""
    rush_credits: float = 10
    """... it took more credits than this ..."""
    rush_share: float = 0.02
    """... and more than this share of the plan ..."""
    unusual: float = 1.5
    """... and so many times what any such window took in the two weeks before the last three days."""
    burn: float = 0.15
    """The same for a page: so much of the fastest hour uses up what is left ..."""
    burn_share: float = 0.05
    """... of which that hour took at least this share of the plan ..."""
    burn_lasts: float = 0.75
    """... and the last hour took at least this share of what the fastest one did."""
    almost: float = 0.8
    overage: float = 0
    """Money beyond the plan's price, in its currency, above which the bill for overage is told."""
    unused: float = 0.4
    """Share of the plan below which, near the end of the period, a smaller one may do."""
    hit_drop: float = 0.7
    requests: int = 150
    """Requests of three hours below which a hit rate says little."""
    renders: int = 60
    """Renders of three hours below which a share of duplicates says little."""
    duplicates: float = 0.05
    failures: float = 0.05
    calls: int = 20
    """Calls of an hour below which a share of failures says little."""
    drift: float = 0.02
    job: str = "imgrender"
    """What Prometheus calls the exporter's scrapes."""
    runbooks: str = RUNBOOKS


class RecordingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recording rule; *metric* and *labels* are what its pieces are about."""

    record: str
    expr: str
    metric: str = ""
    labels: str = "job, provider, account"


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"lasts": "for"}):
    """One alert, and its section of the runbooks."""

    alert: str
    severity: str
    expr: str
    summary: str
    description: str
    """Of Prometheus, with fields in double braces."""
    meaning: str
    cause: str
    do: str
    lasts: str = ""
    """How long its condition has to hold; empty for at once."""
    keep_firing_for: str = ""
    """How long it goes on after its condition is over; empty where it ends with that."""


class AlertSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. A `ValueError` names tokens that stand for nothing, and what no token stands for."""

    pieces: Mapping[str, str]
    records: Sequence[RecordingRule]
    alerts: Sequence[Alert]

    def __post_init__(self) -> None:
        parameters = asdict(Parameters()).keys() - {"runbooks"}
        used = set(re.findall(r"<(\w+)>", repr(self)))
        if wrong := used ^ {*parameters, *self.pieces, "metric", "labels"}:
            raise ValueError(f"unknown tokens, or parameters and pieces without a use: {', '.join(sorted(wrong))}")

    def filled(self, text: str, parameters: Parameters, rule: RecordingRule | None = None) -> str:
        """*text* with what its tokens stand for, those of a *rule* among them."""
        own = {"metric": rule.metric, "labels": rule.labels} if rule else {}
        for name, piece in {**self.pieces, **own}.items():
            text = text.replace(f"<{name}>", piece)
        values = asdict(parameters)
        return re.sub(r"<(\w+)>", lambda token: str(values[token[1]]), text)


@cache
def source() -> AlertSource:
    """The file as it is shipped."""
    return msgspec.yaml.decode(resources.files(__package__).joinpath("alerts.yml").read_bytes(), type=AlertSource)
