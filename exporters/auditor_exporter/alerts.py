"""Alerts, from one source with parameters; each carries its runbook.

What is spent is judged by gauges of the time of the events, so that a log that arrives late raises nothing, and by the
last value of a gauge, so that a dead exporter neither resolves an alert nor starts its timer again.
"""

from auditor_exporter.alert_rules import BY, Alert

ALERTS: tuple[Alert, ...] = (
    Alert("ImgRenderCreditsProjectedOverPlan", "warning", "projection_for", "calm", """\
        account:imgrender_period_projected:sum
        > account:imgrender_plan_credits:max
          + {margin} * (account:imgrender_period_projected:sum - account:imgrender_period_credits_used:sum)
            * account:imgrender_period_left:seconds / account:imgrender_period:seconds
            / account:imgrender_credits_forecast:week
        unless on (job, provider, account) account:imgrender_warned:timestamp_seconds
        unless on (job, provider, account)
          last_over_time(ALERTS{{alertname="ImgRenderCreditsExhaustSoon",alertstate="firing"}}[{hold}])
        or (
          account:imgrender_period_projected:sum > account:imgrender_plan_credits:max
          and on (job, provider, account)
          last_over_time(ALERTS{{alertname="ImgRenderCreditsProjectedOverPlan",alertstate="firing"}}[{hold}])
        )""",
        "Credits are on course to exceed the plan.",
        "{{ $labels.provider }}/{{ $labels.account }} is projected to use {{ $value | humanize }} credits this period.",
        "If the rest of the period goes as the last seven days went, hour by hour, it needs more than is left. The "
        "further away the end is, the clearer the excess has to be. It comes once in a period, and not after "
        "ImgRenderCreditsExhaustSoon, which says more. With a hard cap, renders are then refused; with "
        "overage, each credit beyond the plan is billed.",
        "`auditor audit --ledger LEDGER --since START_OF_PERIOD` names the templates and the causes.",
        "Fix the most severe findings, or take the plan that the audit recommends, before the plan is used up.",
    ),
    Alert("ImgRenderCreditsExhaustSoon", "warning", "burn_for", "calm", """\
        account:imgrender_plan_left:credits > 0
        and (
          account:imgrender_plan_lasts:seconds < clamp_max(account:imgrender_period_left:seconds, 216000)
          or on (job, provider, account) min by (job, provider, account) (
            account:imgrender_rush_left:windows < {rush}
            and account:imgrender_rush_left:seconds
              < on (job, provider, account) group_left () account:imgrender_period_left:seconds
          )
        )""",
        "Credits run out before the period ends.",
        "{{ $labels.provider }}/{{ $labels.account }} has {{ $value | humanize }} credits left, which will not last.",
        "Either the next 60 hours will need more than is left, at the pace of the same hours a week ago and of the "
        "last days; or the last hours took so much, unlike any in the two weeks before, that a few more like them use "
        "up the plan. With a hard cap the provider then refuses renders; with overage, each further credit is billed.",
        "`auditor audit --ledger LEDGER --since START_OF_PERIOD`, and compare with the period before.",
        "Take a larger plan now, or stop what can wait: batches, staging, templates that few people see.",
    ),
    Alert("ImgRenderCreditsFastBurn", "critical", "burn_for", "", """\
        sum without (window) (
          account:imgrender_rush_left:windows{{window="1h"}} < {burn}
          and account:imgrender_rush_left:seconds
            < on (job, provider, account) group_left () account:imgrender_period_left:seconds
          and account:imgrender_credits_fastest:max
            > on (job, provider, account) group_left () {burn_share} * account:imgrender_plan_credits:max
          and on (job, provider, account) (
            account:imgrender_credits_spent:max{{window="1h"}} > {burn_lasts} * account:imgrender_credits_fastest:max
            or last_over_time(ALERTS{{alertname="ImgRenderCreditsFastBurn",alertstate="firing"}}[{hold}])
          )
        )
        and account:imgrender_plan_left:credits > 0""",
        "The plan is nearly gone, and the rush that took it goes on.",
        "Another {{ $value | humanize }} times the fastest hour of the last day, and {{ $labels.provider }}/"
        "{{ $labels.account }} has no credits left.",
        "Something renders in a loop: the cache was emptied, an input changes at every call, a crawler walks through. "
        "ImgRenderCreditsExhaustSoon warned of it as it began; this pages once it has not stopped and minutes like the "
        "last ones use up the plan, since a batch that ends inside the plan needs nobody. Batches that the two weeks "
        "before knew do not raise it. It stays for a day, or until the period ends.",
        "`auditor audit --ledger LEDGER --since AN_HOUR_AGO`; look at volatile-inputs and duplicate-renders first.",
        "Stop the caller, or give it a budget (`Budget(credits=…)`); leave the changing input out of the call.",
    ),
    Alert("ImgRenderPlanAlmostUsed", "info", "", "",
        "account:imgrender_period_credits_used:sum / (account:imgrender_plan_credits:max > 0) >= {almost} < 1",
        "Most of the plan's credits are used.",
        "{{ $labels.provider }}/{{ $labels.account }} has used {{ $value | humanizePercentage }} of its plan.",
        "Not yet a problem: the projection tells whether it becomes one.",
        "The dashboard's projection, or `auditor audit --ledger LEDGER`.",
        "Nothing, if the period is nearly over.",
    ),
    Alert("ImgRenderPlanUsedUp", "critical", "", "",
        "account:imgrender_period_credits_used:sum / (account:imgrender_plan_hard_cap:credits > 0) >= 1",
        "The plan's credits are used up.",
        "{{ $labels.provider }}/{{ $labels.account }} has used {{ $value | humanizePercentage }} of its plan.",
        "The plan has a hard cap: the provider refuses renders now; images that are cached are still served. A plan "
        "with overage raises ImgRenderOverageBill instead.",
        "The share of errors with `quota`: `auditor audit --ledger LEDGER --rule failed-calls`.",
        "Take a larger plan; then fix what the audit names, and go back at the next period.",
    ),
    Alert("ImgRenderOverageBill", "warning", "", "", """\
        (account:imgrender_period_credits_used:sum - account:imgrender_plan_credits:max > 0)
        * on (job, provider, account) group_right () account:imgrender_plan_overage_price:max
        > {overage}""",
        "Credits beyond the plan cost money.",
        "{{ $labels.provider }}/{{ $labels.account }} has used credits beyond its plan for "
        '{{ $value | printf "%.2f" }} {{ $labels.currency }} so far in this period.',
        "The plan's credits of this period, those carried over and bought among them, are used. The provider does not "
        "refuse renders: it bills each further credit, beside the price of the plan.",
        "`auditor audit --ledger LEDGER --since START_OF_PERIOD` names the templates and the causes; its plan-mismatch "
        "finding says whether a larger plan costs less.",
        "Fix the most severe findings, or take the larger plan. Overage that you planned for: "
        "`auditor-exporter alerts --set overage=AMOUNT`.",
    ),
    Alert("ImgRenderPlanUnused", "info", "projection_for", "calm", """\
        account:imgrender_period_projected_by_share:sum / (account:imgrender_plan_credits:max > 0) < {unused}
        and account:imgrender_period_elapsed:ratio > 0.8
        and account:imgrender_plan_price:max > 0""",
        "Credits will expire unused; a smaller plan may do.",
        "{{ $labels.provider }}/{{ $labels.account }} will use {{ $value | humanizePercentage }} of its plan.",
        "Most plans do not roll over: what is left at the end of the period was paid for and is lost.",
        "`auditor audit --ledger LEDGER --rule plan-mismatch` says which plan holds the demand of all cycles.",
        "Take the smaller plan for the next period.",
    ),
    Alert("ImgRenderAccountWithoutPlan", "warning", "patience", "calm", """\
        account:imgrender_period_credits_used:sum{{account!="other"}} > 0
        unless account:imgrender_plan_credits:max""",
        "An account spends credits and has no plan in the configuration: no other alert watches it.",
        "{{ $labels.provider }}/{{ $labels.account }} has used {{ $value | humanize }} credits in this period.",
        "The alias is missing in auditor.toml, is spelled otherwise there, or has no `plan`.",
        "The aliases in the events: `auditor audit --ledger LEDGER`; those in the file: `auditor config check`.",
        "Add `[accounts.ALIAS]` with `provider`, `plan` and `anchor_day`, and reload the exporter.",
    ),
    Alert("ImgRenderCreditsOutsideProduction", "warning", "", "", """\
        time() - max by (job, provider, account, app_env) (
          last_over_time(imgrender_last_paid_render_timestamp_seconds{{production="false"}}[{hold}])
        ) < 86400
        and on (job, provider, account) account:imgrender_plan_price:max > 0""",
        "An environment that is not production spent credits of a paid plan in the last day.",
        "{{ $labels.app_env }} spent credits of {{ $labels.provider }}/{{ $labels.account }} "
        "{{ $value | humanizeDuration }} ago.",
        "Tests, previews or a developer's machine render with a key that costs money.",
        "`auditor audit --ledger LEDGER --rule staging-credits` names templates and environments.",
        "Point the environment at a free account or at `auditor sandbox` (`[client.staging]` in auditor.toml).",
    ),
    Alert("ImgRenderHitRateDropped", "warning", "patience", "calm", """\
        sum without (ago) (
          account:imgrender_recent_hits:ratio{{ago="0d"}}
          < ignoring (ago) {hit_drop} * account:imgrender_recent_hits:ratio{{ago="1d"}}
          unless account:imgrender_recent_hits:ratio{{ago="0d"}}
          >= ignoring (ago) {hit_drop} * account:imgrender_recent_hits:ratio{{ago="7d"}}
        )""",
        "The cache serves far less than in the same hours before.",
        "{{ $labels.provider }}/{{ $labels.account }} serves {{ $value | humanizePercentage }} from cache.",
        "The last three hours are compared with the same hours of the day before and of the week before. Every miss is "
        "a credit. A deploy, an eviction or a new input in the key makes them.",
        "Deploys; `imgrender_client_cache_errors_total`; `auditor audit --ledger LEDGER --rule volatile-inputs`.",
        "Give the cache room, keep it over deploys, leave the changing input out of the call.",
    ),
    Alert("ImgRenderDuplicateRenders", "warning", "patience", "calm", """\
        account:imgrender_recent_duplicate_renders:max
        / (sum without (result, ago) (account:imgrender_recent_requests:max{{result="render",ago="0d"}}) > {renders})
        > {duplicates}""",
        "Paid renders repeat images that were cached or being rendered.",
        "{{ $value | humanizePercentage }} of the last renders of {{ $labels.provider }}/{{ $labels.account }} were "
        "duplicates.",
        "Callers go around the cache, or each process has one of its own.",
        "`auditor audit --ledger LEDGER --rule duplicate-renders` names the templates.",
        "Share the cache (Redis), and let simultaneous identical calls wait for the first.",
    ),
    Alert("ImgRenderApiThrottled", "warning", "patience", "calm", f"""\
        sum {BY} (rate(imgrender_client_api_requests_total{{{{code="429"}}}}[{{long}}]))
        / (sum {BY} (rate(imgrender_client_api_requests_total[{{long}}])) > 0)
        > {{failures}}
        and sum {BY} (increase(imgrender_client_api_requests_total[{{long}}])) > {{calls}}""",
        "The render API answers 429.",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.provider }}/{{ $labels.account }} are refused.",
        "Too many calls a second, or an empty plan: the errors' words tell which.",
        "`auditor audit --ledger LEDGER --rule failed-calls`.",
        "Lower `per_second` of batches, or see ImgRenderPlanUsedUp.",
    ),
    Alert("ImgRenderApiErrors", "critical", "patience", "calm", f"""\
        sum {BY} (rate(imgrender_client_api_requests_total{{{{code=~"5..|5xx|error"}}}}[{{long}}]))
        / (sum {BY} (rate(imgrender_client_api_requests_total[{{long}}])) > 0)
        > {{failures}}
        and sum {BY} (increase(imgrender_client_api_requests_total[{{long}}])) > {{calls}}""",
        "The render API fails.",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.provider }}/{{ $labels.account }} fail.",
        "The provider has trouble, or the way to it. Calls without an answer may have been billed.",
        "The provider's status page; `auditor audit --ledger LEDGER --rule failed-calls`.",
        "Wait; do not raise the number of tries: each may be billed.",
    ),
    Alert("ImgRenderExporterDown", "critical", "down_for", "",
        'up{{job="imgrender"}} == 0 or absent(up{{job="imgrender"}})',
        "The exporter cannot be scraped.",
        'Prometheus has had no sample of {{ or $labels.instance "any exporter" }} for a while; every credit alert is '
        "blind.",
        "The exporter, its host or the way to it is down; without it no other alert of this group can fire.",
        "`systemctl status auditor-exporter`, `curl http://127.0.0.1:19710/-/ready`.",
        "Start it again; nothing is lost, since it goes on where it was.",
    ),
    Alert("ImgRenderIngestStale", "warning", "burn_for", "", """\
        time() - max by (job) (last_over_time(imgrender_ingest_last_success_timestamp_seconds[{hold}]))
        > {stale_seconds}
        or max by (job) (imgrender_exporter_build_info)
        unless on (job) last_over_time(imgrender_ingest_last_success_timestamp_seconds[{hold}])""",
        "Usage is not ingested.",
        "No ingester of {{ $labels.job }} has looked for usage for a while, or ever.",
        "The ingester is not running, or its folder is gone or cannot be read; credits look flat and are not.",
        "The log of `auditor ingest --follow` or of the exporter; free space; the database.",
        "Start it again; nothing is lost, since it goes on where it was.",
    ),
    Alert("ImgRenderLinesRejected", "warning", "", "calm", """\
        sum by (job) (
          max by (job, fate) (increase(imgrender_ledger_lines_total{{fate=~"rejected|late|set_aside"}}[{long}]))
        ) > 0""",
        "Lines of usage were not counted.",
        "{{ $value | humanize }} lines of the last hour are in no figure.",
        "`rejected`: they are no usage events, for example since a shipper wraps them. `late`: they are older than "
        "what was pruned. `set_aside`: they cannot be booked, for a reason that nobody foresaw.",
        "The exporter's or ingester's log names file, line and reason; `auditor audit FILE` shows them with excerpts.",
        "Correct what writes them; lines that were rejected are read again from a corrected file.",
    ),
    Alert("ImgRenderFilesSetAside", "warning", "patience", "",
        "max by (job) (last_over_time(imgrender_ingest_files_set_aside[{hold}])) > 0",
        "Files of usage cannot be read to their end.",
        "{{ $value | humanize }} files are set aside: what they hold is in no figure.",
        "A file is damaged or cut off, may not be read by the ingester's user, or is no regular file. All other files "
        "are read.",
        "The exporter's or ingester's log names file and reason; so does the table `set_aside` of the ledger.",
        "Give the ingester's user the right to read it, bring a whole copy, or remove the file.",
    ),
    Alert("ImgRenderSourceStale", "warning", "burn_for", "hold",
        "time() - max by (job, source) (imgrender_source_last_seen_timestamp_seconds) > {stale_seconds}",
        "A source of usage stopped, or never came.",
        "{{ $labels.source }} was last looked at: "
        "{{ if gt $value 1e9 }}never{{ else }}{{ $value | humanizeDuration }} ago{{ end }}.",
        "The ingester of that host is not running, or the file or folder that it follows is gone or cannot be read. "
        "Usage of other sources is still counted, so that credits look right and are too few.",
        "The ingester's log on the host in the label; the folder after the colon, its owner and its mode.",
        "Start it again; nothing is lost, since it goes on where it was. A host that was taken away on purpose is "
        "forgotten after a day.",
    ),
    Alert("ImgRenderConfigConflict", "warning", "patience", "",
        "account:imgrender_ledger_config_conflict:max > 0",
        "An auditor.toml contradicts the ledger about an account's billing day, time zone or plan.",
        "{{ $value | humanize }} auditor.toml say otherwise than the ledger about "
        "{{ if $labels.account }}{{ $labels.provider }}/{{ $labels.account }}{{ else }}"
        "the time zone of accounts that have none of their own{{ end }}.",
        "The ledger's values count everywhere, and no figure is wrong by the other file; but one of the two is not "
        "what the provider bills by.",
        "`auditor ledger show` prints the ledger's values and each file that differs, with both values.",
        "Correct the file; or, if the file is right, `auditor ledger configure --config FILE --replace`.",
    ),
    Alert("ImgRenderConfigReloadFailed", "warning", "patience", "",
        "min by (job, instance) (last_over_time(imgrender_config_last_reload_successful[{hold}])) == 0",
        "The exporter cannot use its changed auditor.toml; the configuration before it stays in force.",
        "{{ $labels.instance }} runs with an older auditor.toml than the file.",
        "Plans, billing days and accounts are those from before the change. At the next start the exporter would end "
        "with the same error.",
        "The exporter's log names file, key and reason, once; `auditor config check` says the same. The file may be "
        "gone, or contradict the ledger.",
        "Correct the file: it is read again within seconds. What contradicts the ledger on purpose: "
        "`auditor ledger configure --config FILE --replace`; the exporter sees it within seconds.",
    ),
    Alert("ImgRenderLedgerUnreadable", "critical", "patience", "",
        'last_over_time(imgrender_scrape_collector_success{{collector="ledger"}}[{hold}]) == 0',
        "The exporter cannot read its ledger: every alert of credits is blind.",
        "{{ $labels.instance }} cannot read the ledger.",
        "The database is down, locked, damaged, or newer than the exporter.",
        "The exporter's log has the database's own words, once.",
        "Bring the database back, upgrade the exporter, or rebuild the ledger from the spool (`auditor ingest`).",
    ),
    Alert("ImgRenderCollectorFails", "warning", "patience", "",
        'last_over_time(imgrender_scrape_collector_success{{collector!="ledger"}}[{hold}]) == 0',
        "A part of what the exporter shows is missing or old.",
        "The collector {{ $labels.collector }} of {{ $labels.instance }} fails.",
        "`usage`: a provider does not tell what was used, or its key is wrong. `findings`: the report is gone, or the "
        "file is not a report.",
        "The exporter's log says why, once.",
        "Give `[usage]` a key that works; write the report again.",
    ),
    Alert("ImgRenderClientEventsDropped", "warning", "", "calm",
        "sum by (job, reason) (increase(imgrender_client_events_dropped_total[{long}])) > 0",
        "Clients could not write usage events: the ledger counts less than was billed.",
        "{{ $value | humanize }} events of {{ $labels.job }} were dropped ({{ $labels.reason }}).",
        "The disk of the spool is full, or its folder cannot be written.",
        "Free space and the folder's owner and mode on the hosts of {{ $labels.job }}.",
        "Make room; compare the period with the provider's invoice (`auditor reconcile`).",
    ),
    Alert("ImgRenderLedgerDrift", "warning", "long", "calm", """\
        abs(account:imgrender_provider_credits_used:max - account:imgrender_period_credits_used:sum)
        / (account:imgrender_plan_credits:max > 0) > {drift}""",
        "The provider's count of used credits is not the ledger's.",
        "{{ $labels.provider }}/{{ $labels.account }} differs by {{ $value | humanizePercentage }} of the plan.",
        "Somebody else uses the key, hosts do not ship their events, or the plan's credits or the billing day are "
        "wrong in auditor.toml.",
        "Hosts without segments in the spool; `imgrender_client_events_dropped_total`; top-ups; how old the provider's "
        "count is: `time() - imgrender_credits_remaining_timestamp_seconds`.",
        "Give others a key of their own; ship all spools; correct `[plans]` or `anchor_day`.",
    ),
    Alert("ImgRenderLabelValuesDropped", "info", "", "",
        "max by (job, label) (imgrender_label_values_dropped_total) > 0",
        "More accounts or environments than labels are kept for.",
        "{{ $value | humanize }} values of {{ $labels.label }} are shown as `other`.",
        "Totals are right; what is beyond the cap cannot be told apart in metrics.",
        "`auditor audit --ledger LEDGER` has them all.",
        "Configure the accounts that matter in auditor.toml: they always keep their label.",
    ),
)  # fmt: skip
