"""The index page of a history: one self-contained file, newest report first. It loads nothing and runs nothing."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from html import escape

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.reports.shared.words import billed
from auditor.schedule.folder import KeptReport
from auditor.schedule.summary import is_blind

_STYLE = """
:root{color-scheme:light dark;--line:#d0d7de;--dim:#59636e;--link:#0969da}
@media (prefers-color-scheme:dark){:root{--line:#3d444d;--dim:#9198a1;--link:#4493f8}}
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child,.text{text-align:left}
thead th,caption{color:var(--dim);font-weight:normal}
caption{text-align:left;padding-bottom:.5rem}
a{color:var(--link)}
"""
_HEAD = ("Cycle", "Requests", "Credits", "Wasted", "Bill", "Findings", "New", "Fixed", "Grown", "Shrunk", "Accepted")


def page(entries: Iterable[KeptReport]) -> str:
    """The page over some entries."""
    style = "sha256-" + b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    rows = "\n".join(_row(entry) for entry in reversed(list(entries)))
    head = "".join(f'<th scope="col">{name}</th>' for name in (*_HEAD, "Files"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{style}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Render audits</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Render audits</h1>
<div class="wide" tabindex="0" role="region" aria-label="Reports">
<table>
<caption>One report a billing cycle, the newest first; each is compared with the one before it.</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</body>
</html>
"""


def _row(entry: KeptReport) -> str:
    report, comparison = entry.report(), entry.comparison()
    changes = (comparison or {}).get("findings")
    cycles = [(cycle.bill, account.currency) for account in report.accounts for cycle in account.cycles]
    bills = [escape(f"{cents(bill)} {currency}") for bill, currency in cycles if bill is not None]
    cells = [
        f"{report.totals.requests:,}",
        billed(report.totals)[0],
        "unknown" if is_blind(report) else f"{number(report.waste.total):,}",
        "<br>".join(bills) or "-",
        f"{len(report.findings):,}",
        *(f"{len(changes[kind]):,}" if changes else "-" for kind in ("new", "fixed", "grown", "shrunk")),
        f"{len(report.accepted):,}",
    ]
    names = [escape(str(file)) for file in entry.facts["files"]]
    files = " ".join(f'<a href="{escape(entry.name)}/{name}">{name}</a>' for name in names)
    accounts = "<br>".join(escape(f"{one.provider}/{one.account}") for one in report.accounts)
    start, end = (escape(str(entry.facts[name])[:10]) for name in ("start", "end"))
    return (
        f'<tr><th scope="row">{start} to {end}<br>{accounts}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + f'<td class="text">{files}</td></tr>'
    )
