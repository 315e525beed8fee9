"""Fill the generated parts of README.md and docs/: help, rules, placements, the excerpt of the report; the schemas.

`python -m scripts.docs` writes them, `--check` fails and names those that are stale.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from auditor.analysis.placements import PLACEMENTS
from auditor.commands.rules import manual_page
from auditor.model import errors
from auditor.model.errors import RefusedError, RenderError, UncertainError
from auditor.model.metrics import AD_HOC, CLIENT, FINDINGS, INGEST, LEDGER, RELOAD, USAGE, Definition
from auditor.model.plans import billed, cents
from auditor.registry import FORMATS, PROVIDERS, RULES
from auditor.sandbox.server import Sandbox
from scripts import architecture, public
from scripts.schemas import schema_files
from tests.formats.samples import SAMPLES, example

ROOT = Path(__file__).parents[1]
_ENVIRONMENT = {
    "COLUMNS": "100",
    "TERMINAL_WIDTH": "100",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "SOURCE_DATE_EPOCH": "1790812800",
}


@cache
def printed(*arguments: str) -> str:
    """What `auditor …` prints, as a block of code."""
    done = subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, "-m", "auditor", *arguments], cwd=ROOT, env={**os.environ, **_ENVIRONMENT}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    text = done.stdout.replace("python -m auditor", "auditor").strip("\n")
    return "```text\n" + "\n".join(line.rstrip() for line in text.splitlines()) + "\n```"


def answer(*arguments: str) -> str:
    """What `auditor …` prints, without the account of what was read."""
    return re.sub(r"\n+[\d,]+ lines = .*", "\n```", printed(*arguments), flags=re.DOTALL)


@cache
def _sample_findings() -> tuple[str, ...]:
    """Each finding of sample_logs/ as the report has it."""
    text = answer("audit", "sample_logs", "--all").partition("\n\nRender audit ")[0]
    return tuple(re.split(r"\n(?=(?:high|medium|low) {2,})", text)[1:])


def findings(*rules: str) -> str:
    """What the report of sample_logs/ says by some rules."""
    chosen = [finding for finding in _sample_findings() if finding.split(maxsplit=2)[1] in rules]
    return "\n".join(["```text", *chosen, "```"])


def fixes() -> str:
    """What each fix changes on the bill of the samples' main account."""
    text = answer("plan", "sample_logs", "--account", "main")
    return "```text\n" + text[text.index("What each fix") : text.index("  Running cycle")].rstrip() + "\n```"


def excerpt() -> str:
    """The head of the report of sample_logs/: one fix to copy, and the findings of high severity that come first."""
    head, _, _ = printed("audit", "sample_logs").partition("\nmedium ")
    shorter = re.sub(r"\n  Action 2, .*?\n\n(?=\d+ findings)", "\n  …\n\n", head, flags=re.DOTALL)
    return f"{shorter}\n…\n```"


def rules_table() -> str:
    """A row a rule."""
    rows = [f"| [`{name}`](docs/rules.md#{name}) | {audit.summary} |" for name, audit in RULES.items()]
    return "\n".join(["| rule | what it finds |", "| --- | --- |", *rows])


def rules_pages() -> str:
    """The manual page of each rule."""
    return "\n\n".join(f"## {name}\n\n```text\n{manual_page(name)}\n```" for name in RULES)


def placements_table() -> str:
    """A row a built-in placement, with its source."""
    rows = [f"| `{name}` | {limit.width} x {limit.height} | {limit.source} |" for name, limit in PLACEMENTS.items()]
    return "\n".join(["| placement | CSS px | source |", "| --- | --- | --- |", *rows])


def plans_table() -> str:
    """A row a plan of the catalog."""
    rows = [
        f"| `{plan.provider}` | {plan.name} | {cents(plan.monthly)} {plan.currency}{billed(plan.period)} | "
        f"{plan.included:,} | {plan.beyond} | {plan.source} | {plan.checked} | {plan.grade} |"
        for provider in PROVIDERS.values()
        for plan in provider.plans
    ]
    head = "| provider | plan | price a month | credits | beyond them | source | checked | grade |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows])


def billing_table() -> str:
    """A row a provider: what costs a credit, and what is known besides."""
    answer = {None: "unknown", True: "yes", False: "no"}
    rows = []
    for name, provider in PROVIDERS.items():
        billing = provider.billing
        sizes = [f"{credits} to {limit:,} px" for limit, credits in billing.sizes or ()]
        sizes += [f"{billing.beyond} beyond"] if billing.beyond else []
        said = ", ".join(sizes) or ("unknown" if billing.sizes is None else "1, whatever the size")
        known = f"{billing.source} | {billing.checked} | {billing.grade}" if billing.source else "none | | "
        rows.append(
            f"| `{name}` | {answer[billing.failed]} | {answer[billing.repeats]} | {said} | "
            f"{billing.pdf_page or 'unknown'} | {provider.usage_url or 'unknown'} | {'; '.join(provider.notes)} | "
            f"{known} |"
        )
    head = (
        "| provider | failures billed | repeats billed | an image, by its longest side | a PDF page | usage | notes "
        "| source of the billing rules | checked | grade |"
    )
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", *rows])


def quick_start() -> str:
    """What the README's example prints."""
    example = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        text = example.replace("http://127.0.0.1:19780", sandbox.origin)
        environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": str(ROOT)}
        said = subprocess.run(  # noqa: S603 (our own example)
            [sys.executable, "-c", text], cwd=folder, env=environment, check=True, capture_output=True, text=True
        ).stdout
    return f"```text\n{said}```"


def metrics_table(definitions: Sequence[Definition]) -> str:
    """A row a metric."""
    rows = [
        f"| `{each.name}` | {each.type} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |"
        for each in definitions
    ]
    return "\n".join(["| name | type | labels | meaning |", "| --- | --- | --- | --- |", *rows])


def ad_hoc_table() -> str:
    """A row a metric that nothing of ours asks for."""
    rows = [f"| `{name}` | {reason} |" for name, reason in AD_HOC.items()]
    return "\n".join(["| name | what for |", "| --- | --- |", *rows])


def panels_tables() -> str:
    """A table a dashboard, a row a panel."""
    parts = []
    for name in ("overview", "traffic", "findings"):
        board = json.loads((ROOT / "grafana" / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
        parts += [
            f"#### {board['title']}",
            "",
            board["description"],
            "",
            "| panel | what it answers |",
            "| --- | --- |",
        ]
        for panel in board["panels"]:
            heading = panel["type"] == "row"
            parts.append(f"| **{panel['title']}** | |" if heading else f"| {panel['title']} | {panel['description']} |")
        parts.append("")
    return "\n".join(parts).rstrip("\n")


def errors_table() -> str:
    """A row a class of `RenderError` that is raised."""
    kinds = sorted(_leaves(RenderError), key=lambda kind: list(vars(errors)).index(kind.__name__))
    rows = [
        f"| `{kind.__name__}` | `{'refused' if issubclass(kind, RefusedError) else kind.word}` | "
        f"{'yes' if kind.retry else 'on request' if kind is UncertainError else 'no'} | {kind.fix} |"
        for kind in kinds
    ]
    return "\n".join(["| class | in the event | tried again | fix |", "| --- | --- | --- | --- |", *rows])


def _leaves(kind: type[RenderError]) -> list[type[RenderError]]:
    below = kind.__subclasses__()
    return [leaf for each in below for leaf in _leaves(each)] if below else [kind]


def formats_table() -> str:
    """A row a format."""
    rows = [f"| [`{name}`](formats/{name}.md) | {kind.title} |" for name, kind in FORMATS.items()]
    return "\n".join(["| `--input-format` | what it reads |", "| --- | --- |", *rows])


def format_pages() -> dict[str, str]:
    """A page a format: its docstring, and what the first record of its sample becomes."""
    samples = {path.name.partition(".")[0]: path for path in SAMPLES}
    pages = {}
    for name, kind in FORMATS.items():
        words = (sys.modules[kind.__module__].__doc__ or "").strip()
        text = f"# {kind.title}\n\n`--input-format {name}`\n\n{words}\n"
        if name in samples:
            record, event = example(samples[name])
            text += (
                f"\n## Example\n\nA record of `sample_logs/formats/{samples[name].name}`, and its event:\n\n"
                f"```text\n{record}\n```\n\n```json\n{event}\n```\n"
            )
        pages[f"docs/formats/{name}.md"] = text
    return pages


GUIDE = ("estimate", "--requests", "8000", "--hit-rate", "0.7", "--dedup", "0.15", "--batch", "0.3")
INVOICE = ("reconcile", "sample_logs", "--account", "main", "--cycle", "2026-09", "--invoice")
BLOCKS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": {"report": excerpt, "fixes": fixes, "quick start": quick_start, "rules": rules_table},
    "docs/install.md": {"install": public.install_commands},
    "docs/commands.md": {"help": lambda: printed("--help"), "help audit": lambda: printed("audit", "--help")},
    "docs/api.md": {f"api {kind}": partial(public.table, kind) for kind in public.KINDS},
    "docs/rules.md": {"rules": rules_pages},
    "docs/configuration.md": {"placements": placements_table},
    "docs/providers.md": {"plans": plans_table, "billing": billing_table},
    "grafana/README.md": {"panels": panels_tables},
    "docs/simulation.md": {
        "simulate": lambda: printed("simulate", "sample_logs"), "help simulate": lambda: printed("simulate", "--help"),
    },
    "docs/plans.md": {
        "plan": lambda: answer("plan", "sample_logs", "--account", "main", "--until", "2026-09-20"),
        "reconcile": lambda: answer(*INVOICE, "2610"),
        "estimate": lambda: answer(*GUIDE),
        "self-hosted": lambda: answer("compare", "self-hosted", "--provider", "hcti", "--calls", "5000"),
    },
    "docs/savings.md": {
        "simulate": lambda: answer(
            "simulate", "sample_logs", "--ttl", "1h", "--ttl", "24h", "--ttl", "7d", "--ttl", "30d"
        ),
        "duplicate-renders": lambda: findings("duplicate-renders"),
        "volatile-inputs": lambda: findings("volatile-inputs"),
        "estimate-log": lambda: answer("estimate", "sample_logs", "--account", "main"),
        "sizes": lambda: findings("oversized-outputs", "retina-variants"),
        "staging": lambda: findings("staging-credits", "low-volume-templates"),
        "fixes": fixes,
        "estimate": lambda: answer(*GUIDE),
    },
    "docs/formats.md": {"formats": formats_table},
    "docs/client.md": {"errors": errors_table},
    "docs/metrics.md": {
        "client": lambda: metrics_table(CLIENT), "ledger": lambda: metrics_table((*LEDGER, *RELOAD, *INGEST)),
        "usage": lambda: metrics_table(USAGE), "findings": lambda: metrics_table(FINDINGS),
        "ad hoc": ad_hoc_table,
    },
}  # fmt: skip


def filled(text: str, name: str, block: str) -> str:
    """*text* with what stands between the marks of *name* replaced."""
    pattern = re.compile(rf"(<!-- {name} begin -->\n).*?(<!-- {name} end -->)", re.DOTALL)
    if pattern.search(text) is None:
        raise SystemExit(f"the marks of block {name!r} are missing")
    return pattern.sub(lambda match: f"{match[1]}{block}\n{match[2]}", text)


def main() -> int:
    """Write the blocks, or check them."""
    stale = []
    for path, blocks in BLOCKS.items():
        before = (ROOT / path).read_text(encoding="utf-8")
        after = before
        for name, make in blocks.items():
            after = filled(after, name, make())
        if after != before:
            stale.append(path)
            if "--check" not in sys.argv:
                (ROOT / path).write_text(after, encoding="utf-8")
    for path, page in {**format_pages(), **schema_files(), "docs/architecture.md": architecture.page()}.items():
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != page:
            stale.append(path)
            if "--check" not in sys.argv:
                (ROOT / path).write_text(page, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"stale: {', '.join(stale)}; run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
