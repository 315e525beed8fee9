"""Whether all usage arrives, and whether the provider counts the same."""

from grafana.source.account import LIMITS, NAME, PLAN, USED
from grafana.source.panels import BAD, GOOD, WARN, AnyPanel, Ask, Column, graph, number, rows
from grafana.source.queries import ACCOUNT, exact, growth, record, total

COUNTED = record("account:imgrender_provider_credits_used:max")
UNASKED = (
    "The provider was not asked. Where it tells its count (Imejis does not), add [usage.ACCOUNT] with api_key_env to "
    "auditor.toml."
)


def arrival() -> list[AnyPanel]:
    """Panels on what ingesters and the exporter say of themselves."""
    beat = exact("imgrender_ingest_last_success_timestamp_seconds")
    source = exact("imgrender_source_last_seen_timestamp_seconds")
    return [
        number(
            "Usage is as old as",
            "How long ago an ingester last looked for usage. From a quarter of an hour on, credits look flat and are "
            "not: start the ingester again.",
            "s", Ask(f"clamp_min(time() - max ({beat}), 0)"),
            steps=((None, GOOD), (LIMITS.stale_seconds, BAD)), runbook="ImgRenderIngestStale",
            nothing="no ingester", width=5, decimals=0, named=False,
        ),
        number(
            "Lines not counted",
            "Lines of the shown time that are in no figure: no usage events (rejected), older than what was pruned "
            "(late), or not to be booked (set_aside). The ingester's log names file, line and reason.",
            "short", Ask(total(growth("imgrender_ledger_lines_total", 'fate=~"rejected|late|set_aside"'), "fate"),
                         "{{fate}}"),
            steps=((None, GOOD), (0.5, BAD)), runbook="ImgRenderLinesRejected", width=5, decimals=0,
        ),
        number(
            "Files set aside",
            "Files that cannot be read to their end: what they hold is in no figure. `auditor ledger show` names each, "
            "with the reason and since when.",
            "short", Ask(f"max ({exact('imgrender_ingest_files_set_aside')})"), steps=((None, GOOD), (1, BAD)),
            runbook="ImgRenderFilesSetAside", width=4, named=False,
        ),
        number(
            "Files that differ",
            "How often an auditor.toml contradicts the ledger about a billing day, time zone or plan, once for each "
            "file and account. The ledger's values count; `auditor ledger show` prints both.",
            "short", Ask(f"sum ({exact('imgrender_ledger_config_conflict')})"), steps=((None, GOOD), (1, WARN)),
            runbook="ImgRenderConfigConflict", width=4, named=False,
        ),
        number(
            "Collectors",
            "Whether what the exporter shows is read without a fault: the ledger, the report of the newest audit, the "
            "providers' own count. Its log says why one fails; old figures stay.",
            "short", Ask(f"min by (collector) ({exact('imgrender_scrape_collector_success')})", "{{collector}}"),
            steps=((None, BAD), (1, GOOD)), words={"0": ("fails", BAD), "1": ("works", GOOD)}, width=6,
            runbook="ImgRenderCollectorFails", nothing="no exporter",
        ),
        rows(
            "Sources",
            "Each file or folder that an ingester follows, and how long ago it was last read. Orange from a quarter of "
            "an hour on: that host's usage is missing, while credits of the others look right.",
            [
                Column("source", "Source"),
                Column("Value #A", "Last read", "s", ((None, GOOD), (LIMITS.stale_seconds, WARN)), 110, decimals=0),
                Column("Value #B", "Never read", "short", ((None, GOOD), (1, WARN)), 110),
            ],
            Ask(f"clamp_min(time() - (max by (source) ({source}) > 0), 0)"),
            Ask(f"max by (source) ({source}) == bool 0"),
            width=14, height=6, runbook="ImgRenderSourceStale", sort="Last read",
            nothing="nothing is followed: start auditor-exporter serve --follow FOLDER",
        ),
        rows(
            "Accounts that differ",
            "Accounts about which an auditor.toml contradicts the ledger; no account is the time zone of all.",
            [Column("provider", "Provider"), Column("account", "Account")],
            Ask(f"{total(exact('imgrender_ledger_config_conflict'), *ACCOUNT)} > 0"), width=10, height=6,
            runbook="ImgRenderConfigConflict", nothing="none",
        ),
    ]  # fmt: skip


def provider() -> list[AnyPanel]:
    """Panels on the provider's own count."""
    drift = f"abs({COUNTED} - {USED}) / ({PLAN} > 0)"
    told = exact("imgrender_credits_remaining_timestamp_seconds")
    return [
        graph(
            "Credits, by the ledger and by the provider",
            "The ledger's exact credits of the cycle and what the provider itself says was used (dashed): by its usage "
            "address, else by its answers to renders. The lines lie on each other. Where the provider's is higher, "
            "another program uses the key or a host ships no events; the provider's plan shows a wrong one in "
            "auditor.toml.",
            "short", Ask(f"{USED} and on (provider, account) {COUNTED}", f"{NAME} ledger"),
            Ask(COUNTED, f"{NAME} provider"), Ask(exact("imgrender_provider_plan_credits"), f"{NAME} provider's plan"),
            dashed=".* (provider|provider's plan)", runbook="ImgRenderLedgerDrift", nothing=UNASKED,
        ),
        number(
            "Difference",
            "How far the provider's count is from the ledger's, as a share of the plan. Red from 2 %: find who else "
            "uses the key, and the hosts whose events do not arrive.",
            "percentunit", Ask(drift, NAME), steps=((None, GOOD), (LIMITS.drift, BAD)),
            runbook="ImgRenderLedgerDrift", nothing="not asked", height=8, decimals=2,
        ),
        number(
            "Provider: left",
            "Credits that the provider itself says are left in its period. Believe it rather than the plan in "
            "auditor.toml: it is what refuses renders.",
            "short", Ask(total(exact("imgrender_credits_remaining"), *ACCOUNT), NAME), nothing="not asked", height=8,
        ),
        number(
            "Provider: age",
            "How long ago the provider was last heard. From an hour on its key is wrong or it does not answer: see "
            "ImgRenderCollectorFails, and the exporter's log.",
            "s", Ask(f"clamp_min(time() - max by (provider, account) ({told}), 0)", NAME),
            steps=((None, GOOD), (3600, WARN)), runbook="ImgRenderCollectorFails", nothing="not asked", height=8,
        ),
    ]  # fmt: skip
