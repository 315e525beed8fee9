"""PromQL from the metrics' own definitions: labels, filters and aggregation are never written by hand.

The exporter shows one ledger, however many exporters read it: its families take the largest over instances, and are
summed after. What a process knows of itself is summed over processes.
"""

from auditor.model.metrics import CLIENT, FINDINGS, LEDGER, USAGE

VARIABLES = ("provider", "account", "app_env")
FAMILIES = {definition.name: definition for definition in (*CLIENT, *LEDGER, *USAGE, *FINDINGS)}
JOB = 'job=~"$job"'
ACCOUNT = ("provider", "account")
DELIVERED = 'result=~"render|hit|coalesced"'
MONTH = 365.25 * 86_400 / 12
SERVED = 'result=~"hit|coalesced"'
FAILED = 'code=~"5..|5xx|error"'


def select(name: str, *matchers: str) -> str:
    """A selector with every variable whose label the family has.

    A finding about a file or a template belongs to no account, nor does a conflict about the time zone of all: such are
    shown whatever is chosen.
    """
    family = FAMILIES[name]
    unset = "|" if family in FINDINGS or name == "imgrender_ledger_config_conflict" else ""
    chosen = [f'{label}=~"${label}{unset}"' for label in VARIABLES if label in family.labels]
    return f"{name}{{{','.join([JOB, *chosen, *matchers])}}}"


def record(name: str) -> str:
    """A series of our recording rules, one an account, however many exporters read its ledger."""
    return f'max by (provider, account) ({name}{{job=~"$job",provider=~"$provider",account=~"$account"}})'


def exact(name: str, *matchers: str) -> str:
    """A gauge of the exporter."""
    return _once(name, select(name, *matchers))


def speed(name: str, *matchers: str) -> str:
    """A second's worth of a counter of the exporter."""
    return _once(name, f"rate({select(name, *matchers)}[$__rate_interval])")


def growth(name: str, *matchers: str, window: str = "$__range") -> str:
    """How far a counter of the exporter rose: for shares, which bear an estimate; credits are read from gauges."""
    return _once(name, f"increase({select(name, *matchers)}[{window}])")


def _once(name: str, expr: str) -> str:
    return f"max by ({', '.join(('job', *FAMILIES[name].labels))}) ({expr})"


def alone() -> str:
    """What the finding of a rule that saves most saves in a month, if nothing else is fixed."""
    return f"max by (provider, account, rule, currency) ({select('imgrender_finding_monthly_saving')})"


def bytes_cost() -> str:
    """Money a month of the bytes that findings are about, which belong to no account and to all of the audited time."""
    end, start = (f"max ({exact(f'imgrender_audit_window_{each}_timestamp_seconds')})" for each in ("end", "start"))
    cost = total(exact("imgrender_finding_bytes_cost"), "provider", "rule", "currency")
    return f"{cost} / on () group_left () (({end} - {start}) / {MONTH} > 0)"


def otherwise(expr: str, label: str, value: str, known: str) -> str:
    """*expr*; where it gives nothing though there is a series *known*, 0 with *value* as its label."""
    return f'{expr} or on () label_replace(0 * max ({known}), "{label}", "{value}", "", "")'


def seen(name: str, *matchers: str) -> str:
    """A second's worth of a counter of the processes."""
    return f"rate({select(name, *matchers)}[$__rate_interval])"


def total(expr: str, *by: str) -> str:
    """The sum, by some labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum ({expr})"


def ratio(part: str, whole: str) -> str:
    """A share of 0 to 1; nothing where there is no whole, and 0 where nothing of it is the part."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(level: float, name: str, *by: str) -> str:
    """Seconds that a share of waits stayed below; nothing where no caller waited."""
    buckets = total(f"rate({_part(name, 'bucket')}[$__rate_interval])", "le", *by)
    waits = total(f"rate({_part(name, 'count')}[$__rate_interval])", *by)
    return f"histogram_quantile({level:g}, {buckets}) and on ({', '.join(by)}) ({waits} > 0)"


def _part(name: str, part: str) -> str:
    return select(name).replace(name, f"{name}_{part}", 1)
