"""Which answers of foreign logs are renders: no redirects, parts, other media types or requests that never left."""

import io
import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from auditor.config import settings_of
from auditor.exchanges.mapper import Mapper
from auditor.exchanges.outcome import left_out, tells_size
from auditor.formats.log_format import LogFormat
from auditor.intake.columnar.template_columns import TemplateBlocks
from auditor.intake.columns import batches
from auditor.intake.sources import discover
from auditor.model.errors import ConfigError
from auditor.model.events import Outcome
from auditor.model.media import is_picture, media_type_of
from auditor.pipeline import Options, audit
from auditor.reading.lines import read_exactly
from auditor.reading.reader import Reading, Tally
from auditor.registry import PROVIDERS
from auditor.reports.text import Text
from tests.conftest import command
from tests.formats.test_calls import entry
from tests.formats.test_foreign import line, report

UTC = ZoneInfo("UTC")
CALL = "https://render.imejis.io/v1/og-card"
IMG: dict[str, Any] = {"path": "/img/.*", "account": "main", "provider": "imejis"}
CONFIG = {"sources": {"img": IMG}, "accounts": {"main": {"provider": "imejis", "plan": "Pro"}}}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("image/png", True), ("IMAGE/WebP; q=1", True), ("image/svg+xml", True), ("application/pdf", True),
        ("application/octet-stream", None), ("binary/octet-stream;x=y", None), (None, None), ("", None), ("-", None),
        ("x-unknown", None), ("text/html; charset=utf-8", False), ("application/json", False), ("video/mp4", False),
        ("application/javascript", False), ("font/woff2", False),
    ],
)  # fmt: skip
def test_media_types(text: str | None, known: bool | None) -> None:
    assert is_picture(media_type_of(text)) is known


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        ("net::ERR_BLOCKED_BY_CLIENT", "not_sent"), ("net::ERR_BLOCKED_BY_ADMINISTRATOR", "not_sent"),
        ("(blocked:mixed-content)", "not_sent"), ("blocked by client", "not_sent"), ("NS_ERROR_CONTENT_BLOCKED", "not_sent"),
        ("canceled before it was sent", "not_sent"), ("Request cancelled before being sent to the server", "not_sent"),
        ("net::ERR_BLOCKED_BY_RESPONSE", None), ("net::ERR_BLOCKED_BY_ORB", None), ("net::ERR_ABORTED", None),
        ("net::ERR_TIMED_OUT", None), ("net::ERR_CONNECTION_RESET", None), ("blocked by CORS policy", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_what_never_left(failure: str | None, why: str | None) -> None:
    """What was cut off on its way may have been billed; so may an answer that the browser kept from the page."""
    assert left_out(None, "", failure, typed=True, redirects=None) == why
    assert left_out(0, "", failure, typed=False, redirects=Outcome.ERROR) == why
    assert left_out(200, "image/png", failure, typed=True, redirects=None) is None


@pytest.mark.parametrize(
    ("status", "media_type", "own", "api"),
    [
        (200, "image/png", None, None), (200, "text/css", "not_a_picture", None), (200, "application/json", "not_a_picture", None),
        (201, "text/html", "not_a_picture", None), (204, "", None, None), (206, "image/png", "partial", "partial"),
        (301, "", "redirect", None), (302, "text/html", "redirect", None), (303, "image/png", "redirect", None),
        (307, "", "redirect", None), (308, "", "redirect", None), (304, "text/html", None, None),
        (404, "text/html", None, None), (503, "application/json", None, None), (499, "text/html", None, None),
    ],
)  # fmt: skip
def test_answers_by_status_and_type(status: int, media_type: str, own: str | None, api: str | None) -> None:
    """At a provider's own endpoint the type is not asked, and its declaration says what a redirect is."""
    assert left_out(status, media_type, None, typed=True, redirects=None) == own
    assert left_out(status, media_type, None, typed=False, redirects=Outcome.ERROR) == api


def test_sizes_are_those_of_whole_pictures() -> None:
    assert tells_size(Outcome.RENDER, 200)
    assert tells_size(Outcome.RENDER, 201, "image/png")
    assert tells_size(Outcome.HIT, 200, "application/pdf")
    assert not tells_size(Outcome.RENDER, 200, "application/json")
    for status in (202, 203, 204, 206, 302, 304, None):
        assert not tells_size(Outcome.RENDER, status)
    assert not tells_size(Outcome.ERROR, 200)


def test_each_reason_is_counted_and_the_lines_add_up(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(
        line(1, "/img/1.png")
        + line(2, "/img/2.png", "301")
        + line(3, "/img/3.png", "206")
        + line(4, "/cart")
        + line(5, "/img/4.png", "404")
    )
    found = report(log, config=CONFIG, findings=True, since=None)
    assert found["inputs"]["filtered_reasons"] == {"no_source": 1, "partial": 1, "redirect": 1}
    assert found["inputs"]["files"][0]["filtered"] == {"partial": 1, "redirect": 1}
    assert found["inputs"]["filtered"] == 3
    assert (found["totals"]["renders"], found["totals"]["errors"]) == (1, 1)
    assert not [
        each for each in found["findings"] if each["rule"] == "failed-calls" and each["subject"].get("error") == "other"
    ]


@pytest.mark.parametrize(("word", "renders", "hits", "waste"), [(None, 0, 0, 0), ("render", 3, 0, 1), ("hit", 0, 3, 0)])
def test_a_table_says_what_redirects_stand_for(
    tmp_path: Path, word: str | None, renders: int, hits: int, waste: int
) -> None:
    log = tmp_path / "access.log"
    log.write_text(line(1, "/img/1", "302", "77") + line(2, "/img/2", "307", "77") + line(3, "/img/1", "308", "77"))
    found = report(log, config={"sources": {"img": {**IMG, **({"redirects": word} if word else {})}}})
    assert (found["totals"]["renders"], found["totals"]["hits"], found["waste"]["total"]) == (renders, hits, waste)
    assert found["totals"]["bytes"] == 0
    assert found["inputs"]["filtered"] == (0 if word else 3)
    with pytest.raises(ConfigError, match="redirects = 'maybe' is neither render nor hit"):
        settings_of({"sources": {"x": {"path": "/", "redirects": "maybe"}}}, "auditor.toml")


def test_a_redirect_that_stands_for_a_render_may_come_from_a_cache(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(
        '2026-09-01T06:00:10Z "GET /img/1 HTTP/1.1" 302 HIT\n2026-09-01T06:00:11Z "GET /img/2 HTTP/1.1" 302 MISS\n'
    )
    text = '$time_iso8601 "$request" $status $upstream_cache_status'
    for word, hits in (("render", 1), ("hit", 2)):
        found = report(log, config={"sources": {"img": {**IMG, "redirects": word}}}, input_format=text)
        assert (found["totals"]["hits"], found["totals"]["renders"]) == (hits, 2 - hits)


@pytest.mark.parametrize(
    ("status", "totals"),
    [
        (302, {"errors": 1, "renders": 0, "credits": 0, "credits_uncertain": 0}),
        (200, {"errors": 0, "renders": 1, "credits": 1, "credits_uncertain": 0}),
        (202, {"errors": 0, "renders": 1, "credits": 1, "credits_uncertain": 0}),
    ],
)
def test_a_provider_may_answer_with_anything(tmp_path: Path, status: int, totals: dict[str, int]) -> None:
    """A JSON answer is a render of unknown size and digest; a redirect is an error that costs nothing, if nobody declares it."""
    log = tmp_path / "calls.jsonl"
    call = {"timestamp": "2026-09-01T06:00:10Z", "method": "GET", "url": f"{CALL}?a=1", "status_code": status,
            "content_type": "application/json", "bytes": 142}  # fmt: skip
    log.write_text(json.dumps(call) + "\n")
    found = report(log)
    assert found["totals"] | totals | {"bytes": 0} == found["totals"]
    assert found["inputs"]["filtered"] == 0


def test_a_provider_may_declare_its_redirects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "calls.log"
    log.write_text(line(1, f"{CALL}?a=1", "302"))
    monkeypatch.setattr(type(PROVIDERS["imejis"]), "__setattr__", object.__setattr__)
    monkeypatch.setattr(PROVIDERS["imejis"], "redirects", Outcome.RENDER)
    assert report(log)["totals"]["renders"] == 1


def har(tmp_path: Path, *entries: dict[str, Any]) -> Path:
    log = tmp_path / "session.har"
    log.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": list(entries)}}))
    return log


def test_json_answers_do_not_make_titles_volatile(tmp_path: Path) -> None:
    """Twelve hosted renders of twelve titles: all needed, none of them like another by the size of the JSON."""
    bodies = [json.dumps({"title.text": f"Post {n:02}"}) for n in range(12)]
    answer = '{"url": "https://cdn.example/00.png", "n": 1}'
    calls = [
        entry(
            startedDateTime=f"2026-09-03T08:{n:02}:00Z",
            request={"method": "POST", "url": f"{CALL}?delivery=hosted", "bodySize": len(body), "postData": {"text": body}},
            response={"content": {"size": len(answer), "mimeType": kind, "text": answer}, "bodySize": len(answer)},
        )
        for n, (body, kind) in enumerate(zip(bodies, ["application/json", "application/json; charset=utf-8", ""] * 4, strict=True))
    ]  # fmt: skip
    found = report(har(tmp_path, *calls), findings=True)
    assert (found["totals"]["renders"], found["totals"]["bytes"], found["waste"]["total"]) == (12, 0, 0)
    assert not [each for each in found["findings"] if each["rule"] == "volatile-inputs"]


def test_a_browser_s_har_invents_no_call(tmp_path: Path) -> None:
    nothing = {"status": 0, "content": {"size": 0, "mimeType": "x-unknown"}, "bodySize": -1}
    script = {"content": {"size": 900, "mimeType": "text/javascript"}}
    log = har(
        tmp_path,
        entry(request={"url": "https://h.example/img/1.png"}),
        entry(request={"url": "https://h.example/img/2.png"}, response={**nothing, "_error": "net::ERR_BLOCKED_BY_CLIENT"}),
        entry(request={"url": "https://h.example/img/2.png"}, response={**nothing, "_failureText": "blocked:csp"}),
        entry(request={"url": "https://h.example/img/3.png"}, response={"status": 206}),
        entry(request={"url": "https://h.example/img/app.js"}, response=script),
        entry(request={"url": "https://h.example/img/4.png"}, response={**nothing, "_error": "net::ERR_TIMED_OUT"}),
    )  # fmt: skip
    found = report(log, config=CONFIG)
    assert found["inputs"]["files"][0]["filtered"] == {"not_a_picture": 1, "not_sent": 2, "partial": 1}
    assert (found["totals"]["renders"], found["totals"]["errors"]) == (1, 1)


TYPED = [
    '{{"time":"2026-09-01T06:00:10Z","uri":"/img/1","status":200,"sent_http_content_type":"{}"}}\n',
    "time,url,status,content_type\n2026-09-01T06:00:10Z,/img/1,200,{}\n",
    '{{"EdgeStartTimestamp":"2026-09-01T06:00:10Z","ClientRequestMethod":"GET","ClientRequestURI":"/img/1",'
    '"EdgeResponseStatus":200,"EdgeResponseContentType":"{}"}}\n',
    '{{"ts":1788242410,"request":{{"uri":"/img/1","method":"GET"}},"status":200,"resp_headers":{{"Content-Type":["{}"]}}}}\n',
    '{{"time":"2026-09-01T06:00:10Z","url":"/img/1","status":200,"content_type":"{}","pop":"FRA"}}\n',
    '{{"timestamp":"2026-09-01T06:00:10Z","url":"https://h.example/img/1","method":"GET","status_code":200,"content_type":"{}"}}\n',
    "#Fields: date time cs-method cs-uri-stem sc-status sc(Content-Type)\n2026-09-01 06:00:10 GET /img/1 200 {}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", TYPED)
@pytest.mark.parametrize("kind", ["text/css", "image/png", "application/octet-stream"])
def test_every_reader_that_knows_the_type(tmp_path: Path, text: str, kind: str) -> None:
    log = tmp_path / ("a.csv" if text.startswith("time,") else "a.log")
    log.write_text(text.format(kind))
    found = report(log, config=CONFIG)
    picture = kind != "text/css"
    assert found["totals"]["renders"] == picture
    assert found["inputs"]["filtered_reasons"] == ({} if picture else {"not_a_picture": 1})


def mixed(tmp_path: Path, kept: int, redirects: int) -> Path:
    """A log of some renders, a miss of the wrong address, and redirects, all of one account."""
    log = tmp_path / "access.log"
    log.write_text(
        "".join(line(n, f"/img/{n}.png") for n in range(kept - 2))
        + line(50, "/img/a.png", "304")
        + line(51, "/img/b.png", "404")
        + "".join(line(60 + n, f"/img/{n}.png", "302") for n in range(redirects))
    )
    return log


def test_no_plan_advice_rests_on_a_log_that_is_mostly_filtered(tmp_path: Path) -> None:
    """More than half: 304 and errors are kept. The account, the findings and `auditor plan` go without advice."""
    log = mixed(tmp_path, 10, 11)
    found = report(log, config=CONFIG, findings=True)
    (account,) = found["accounts"]
    assert account["advice"] == "mostly_filtered"
    for name in ("recommended_plan", "recommended_after_fixes", "monthly_saving", "monthly_saving_after_fixes"):
        assert account[name] is None
    assert not account["projected"]
    assert not {"plan-mismatch", "low-volume-templates"} & {each["rule"] for each in found["findings"]}
    settings, out = settings_of(CONFIG, "test"), io.StringIO()
    Text().write(audit(discover([str(log)], tmp_path), settings, Options(cache=False), lambda *_: None), out)
    said = " ".join(out.getvalue().split())
    assert "11 requests for images filtered: 11 redirects" in said
    assert "none, since more than half of this account's requests are redirects, partial or no images" in said


def test_half_is_not_most(tmp_path: Path) -> None:
    (account,) = report(mixed(tmp_path, 10, 10), config=CONFIG)["accounts"]
    assert account["advice"] != "mostly_filtered"


def test_accounts_are_judged_apart_and_over_all_logs(tmp_path: Path) -> None:
    sources = {"img": IMG, "og": {"path": "/og/.*", "account": "other", "provider": "imejis"}}
    one, two = tmp_path / "a.log", tmp_path / "b.log"
    one.write_text(
        line(1, "/img/1.png") + line(2, "/img/2.png", "302") + line(3, "/img/3.png", "302") + line(4, "/og/1")
    )
    two.write_text(line(11, "/img/4.png"))
    advice = {each["account"]: each["advice"] for each in report(one, config={"sources": sources})["accounts"]}
    assert {name for name, why in advice.items() if why == "mostly_filtered"} == {"main"}
    advice = {each["account"]: each["advice"] for each in report(one, two, config={"sources": sources})["accounts"]}
    assert "mostly_filtered" not in advice.values()


@pytest.mark.slow
def test_since_and_until_choose_no_lines(tmp_path: Path) -> None:
    """They choose events: advice is judged by whole files, wherever in them the redirects stand."""
    log = mixed(tmp_path, 10, 11)  # the redirects from 08:01 on
    cut = datetime(2026, 9, 1, 8, 0, 59, tzinfo=UTC)
    for window in ({"until": cut}, {"since": datetime(2026, 9, 1, 8, 0, 5, tzinfo=UTC), "until": cut}):
        assert report(log, config=CONFIG, **window)["accounts"][0]["advice"] == "mostly_filtered"


def test_plan_says_why_it_advises_nothing(tmp_path: Path) -> None:
    log = mixed(tmp_path, 10, 11)
    (tmp_path / "auditor.toml").write_text(
        "[sources.img]\npath = '/img/.*'\nprovider = 'imejis'\naccount = 'main'\n[accounts.main]\nprovider = 'imejis'\nplan = 'Pro'\n"
    )
    done = command("plan", str(log))
    assert done.returncode == 0, done.stderr
    assert b"none, since more than half" in done.stdout
    found = json.loads(command("plan", str(log), "--format", "json").stdout)
    assert found["accounts"][0]["advice"] == "mostly_filtered"
    assert found["accounts"][0]["providers"] == []


def test_a_log_of_redirects_alone_says_so(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(line(n, f"/img/{n}", "307") for n in range(9)))
    (tmp_path / "auditor.toml").write_text("[sources.img]\npath = '/img/.*'\n")
    done = command("audit", str(log))
    assert b"no event was counted: 9 requests for images filtered: 9 redirects; redirects =" in done.stderr
    assert b"failed" not in done.stdout


@pytest.mark.parametrize("seed", range(4))
def test_many_at_once_is_one_by_one(seed: int) -> None:
    """The compiled reader filters, sizes and counts as the exact one."""
    rng = random.Random(seed)
    sources = {
        "img": IMG,
        "moved": {"path": "/moved/.*", "redirects": "render"},
        "there": {"path": "/there/.*", "redirects": "hit"},
    }
    settings = settings_of({"sources": sources}, "test")
    kind_of = LogFormat.of(
        "own", '$time_iso8601 "$request" $status $body_bytes_sent $upstream_cache_status "$sent_http_content_type"'
    )
    places = ["/img/1", "/moved/1", "/there/1", "/no", f"{CALL}?a=1"]
    types = [
        "image/png",
        "text/html; charset=x",
        "-",
        "application/octet-stream",
        "application/json",
        "IMAGE/WEBP",
        "x",
    ]
    block = "\n".join(
        f'2026-09-01T06:00:10Z "GET {rng.choice(places)} HTTP/1.1" '
        f'{rng.choice([200, 200, 201, 202, 204, 206, 301, 302, 304, 404, 0])} 900 {rng.choice(["-", "HIT", "MISS"])} "{rng.choice(types)}"'
        for _ in range(400)
    ).encode()  # fmt: skip
    found = []
    for compiled in (True, False):
        tally, kind, mapper = Tally(), kind_of(UTC), Mapper(settings, "x")
        reading = Reading("x", kind, mapper, tally)
        reader = TemplateBlocks(reading).read if compiled else read_exactly
        batch, rest, _ = reader(block, 0)
        assert not compiled or not rest
        rows = pa.Table.from_batches([*([batch] if batch else []), *batches(reading.events(rest))]).to_pylist()
        found.append((sorted(rows, key=lambda row: row["line"]), tally))
    assert found[0] == found[1]
    tally = found[0][1]
    assert set(tally.filtered) == {"not_a_picture", "redirect", "partial"}
    assert tally.kept.total() == len(found[0][0])
    assert tally.lines == tally.kept.total() + tally.dropped.total() + tally.others
