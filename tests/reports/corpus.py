"""Hostile words, by the sink that they attack, and logs that carry them through every field into every finding.

`XSS` attacks HTML, `FORMULAS` spreadsheets, `MARKDOWN` CommonMark renderers, `SLACK` chats, `CONTROL` terminals and
readers; every sink is fed all of them, `HOSTILE`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.results.audit import Result

CANARY = "//canary.invalid/"
"""Where a word that gets loose would call; nothing may ask for it."""

XSS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    "</svg><img src=x onerror=alert(1)>",
    "<img src=//canary.invalid/x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    '" onmouseover="alert(1)" autofocus onfocus="alert(1)" x="',
    "' onfocus='alert(1)' autofocus tabindex=1 x='",
    "` onerror=alert(1) x=`",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg/onload=alert(1)>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=//canary.invalid/o></object>",
    "<link rel=stylesheet href=//canary.invalid/s>",
    "<base href=//canary.invalid/>",
    "<meta http-equiv=refresh content='0;url=//canary.invalid/m'>",
    "<form action=javascript:alert(1)><input type=submit autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<style>@import '//canary.invalid/i';</style>",
    "<!-- <img src=x onerror=alert(1)> -->",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "{{7*7}}{% import os %}{# x #}${7*7}<%= 7*7 %>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "url(//canary.invalid/u)",
    "</text></g></svg><script>alert(1)</script>",
    "<a href=javascript:alert(1)>click</a>",
    "\u2028<script>alert(1)</script>",
)

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    '=HYPERLINK("http://canary.invalid/","x")',
    "=cmd|' /C calc'!A0",
    '=WEBSERVICE("http://canary.invalid/")',
    '=IMPORTXML("http://canary.invalid/","//a")',
    '=DDE("soffice";"x";"y")',
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "'=1+1",
    '"=1+1',
    '","=1+1',
    ";=1+1",
    ",=1+1",
    "|=1+1",
    "a\n=1+1",
    "a\r\n=1+1",
    'a"\n=1+1,"',
    "\uff1d1+1",
    "\u200b=1+1",
    "\xa0=1+1",
    "\ufeff=1+1",
    "1E9",
    "00012",
    "1/2",
    "2026-09-01",
    "TRUE",
    "%0A=1+1",
)

MARKDOWN = (
    "[click](javascript:alert(1))",
    "[click](//canary.invalid/)",
    "![x](//canary.invalid/p.png)",
    "[ref]: //canary.invalid/",
    "<//canary.invalid/>",
    "<http://canary.invalid/>",
    "http://canary.invalid/auto",
    "www.canary.invalid",
    "someone@canary.invalid",
    "| pipe | cell |",
    "a | b",
    "\\| a \\\\| b",
    "a\n\n# Heading",
    "a\n- item",
    "a\n***\nb",
    "a\n===",
    "# heading",
    "> quote",
    "- item",
    "1. item",
    "    code",
    "```\nfence\n```",
    "~~~",
    "`code`",
    "``",
    "` `` ```",
    "**bold** __bold__ *em* _em_ ~~gone~~",
    "<b>bold</b>",
    "&amp; &#42; &copy;",
    "\\*not\\*",
    "trailing\\",
    "two  \nlines",
    "@everyone #1 GH-1 owner/name#1 :bomb:",
    "[^1]",
    "$x$ $$y$$",
    "- [ ] task",
    "<details>",
    "<!-- gone -->",
)

SLACK = (
    "<!channel>",
    "<!here>",
    "<!everyone>",
    "@channel @here @everyone",
    "<@U012345>",
    "<#C012345|general>",
    "<!subteam^S012345>",
    "<http://canary.invalid/|your bank>",
    "<mailto:x@canary.invalid|mail>",
    "<!date^1392734382^{date}^http://canary.invalid/|x>",
    "&lt;!channel&gt;",
    "*bold* _em_ ~gone~ `code` ```block```",
    ":bomb:",
    "> quote",
)

CONTROL = (
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\rTOTAL: 0",
    "a\x08\x08b",
    "\u202egnp.exe",
    "\u2066isolate",
    "zero\u200bwidth",
    "\ud7ff\ufffe\uffff",
    "a\x00b",
    "\x01\x0b\x0c\x1f\x7f\x85",
    "\U000e0041tag",
    "[red]markup[/red]",
    "%s %d {0} {x} %(y)s",
    "x" * 190,
    "\u0645\u0631\u062d\u0628\u0627",
    "e\u0301\u0301\u0301\u0301\u0301\u0301",
)

CORPORA = {"XSS": XSS, "FORMULAS": FORMULAS, "MARKDOWN": MARKDOWN, "SLACK": SLACK, "CONTROL": CONTROL}
HOSTILE = tuple(dict.fromkeys(text for words in CORPORA.values() for text in words))

_DAYS = range(1, 29, 3)


def events(text: str, number: int) -> Iterator[dict[str, Any]]:
    """A month that makes every rule find something, with *text* wherever a field is free."""
    at = "2026-09-{:02d}T{:02d}:00:00Z"
    base = {"v": 1, "outcome": "render", "provider": text, "account": text, "environment": "production",
            "template": text, "placement": text, "format": "png"}  # fmt: skip
    size = {"width": 1600, "height": 1200, "bytes": 400_000}
    identity = (f"{text[:150]}-{number}-{serial}" for serial in range(10_000))
    for day in _DAYS:
        for hour in (8, 9):  # the second is a repeat
            yield {**base, **size, "id": next(identity), "ts": at.format(day, hour), "key": text}
        # An input that never changes the image, and the same image at half the size.
        for hour, shape in ((10, size), (11, {"width": 800, "height": 600, "bytes": 100_000})):
            yield {**base, **shape, "id": next(identity), "ts": at.format(day, hour), "key": f"{text}{day}{hour}",
                   "digest": f"sha256:{hour:064x}", "inputs": {text: f"{day:016x}", "steady": "0" * 16}}  # fmt: skip
    yield {**base, "environment": text, "id": next(identity), "ts": at.format(20, 8), "key": "staging"}
    yield {**base, "template": f"{text}2", "id": next(identity), "ts": at.format(20, 9), "key": "rare"}
    yield {**base, "outcome": "error", "error": "quota", "status": 402, "id": next(identity), "ts": at.format(21, 8),
           "key": "failed"}  # fmt: skip
    yield {**base, "outcome": "hit", "id": next(identity), "ts": at.format(22, 8), "key": text, "url": "?token=sesame1"}
    # One more cycle's edge, so that September is complete.
    yield {**base, "id": next(identity), "ts": "2026-08-31T23:30:00Z", "key": "edge"}
    yield {**base, "id": next(identity), "ts": "2026-10-01T00:30:00Z", "key": "edge"}


def rejected(text: str) -> bytes:
    """Two lines that are no events."""
    broken = json.dumps({"v": 1, text: text}).encode() + b"\n"
    return broken + json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def config(texts: Iterable[str]) -> dict[str, Any]:
    """Accounts, plans, currencies and limits that are called so, too."""
    plan = {"price": "99.00", "included": 50_000}
    return {
        "accounts": {text: {"provider": text, "plan": text} for text in texts},
        "plans": {
            text: {
                text: {**plan, "currency": text},
                f"{text}-free": {"price": "0", "included": 3, "currency": text},
                f"{text}-small": {"price": "9.00", "included": 500, "currency": text},
            }
            for text in texts
        },
        "limits": {"placements": {text: {"width": 400} for text in texts}},
    }


def file_name(text: str) -> str:
    """*text* as far as a file can be called so."""
    return text.replace("/", "\u2215").replace("\x00", "")[:60] + ".jsonl"


def hostile_result(folder: Path, texts: Iterable[str] = HOSTILE, **options: Any) -> Result:
    """One audit of a file for each text, itself called so."""
    texts = list(texts)
    for number, text in enumerate(texts):
        data = b"".join(json.dumps(each).encode() + b"\n" for each in events(text, number)) + rejected(text)
        (folder / file_name(text)).write_bytes(data)
    return result_of(folder, config(texts), "".join(texts)[:200], **options)


def result_of(folder: Path, settings: Mapping[str, Any], where: str, **options: Any) -> Result:
    """The audit of every file in a folder."""
    sources = discover([str(folder)], folder)
    return audit(sources, settings_of(settings, where), Options(cache=False, **options), lambda *_: None)
