"""Foreign logs through the whole audit: what is found, what is assumed, what is refused, and nothing lost."""

import bz2
import gzip
import io
import json
import lzma
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from auditor.config import load, settings_of
from auditor.intake.detect import detect, named, sample_of
from auditor.intake.read import detected_in
from auditor.intake.sources import Source, discover, present
from auditor.model.errors import ConfigError, InputError
from auditor.reading.packed import decompressed
from auditor.reading.secrets import find
from tests.conftest import command, documented, event, only
from tests.conftest import lines as usage
from tests.formats.samples import SAMPLES

SHOP = {"sources": {"shop": {"path": r"/img/(?P<template>[^/]+)/\d+\.(?P<format>png|webp)"}}}
PACKED = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def line(second: int = 0, target: str = "/img/og/1.png", status: str = "200", size: str = "900") -> str:
    """One combined line."""
    return (
        f'203.0.113.7 - - [01/Sep/2026:08:{second // 60:02}:{second % 60:02} +0000] "GET {target} HTTP/1.1" {status} '
        f'{size} "-" "agent"\n'
    )


def report(*paths: Path, config: Mapping[str, Any] = SHOP, **options: Any) -> dict[str, Any]:
    """JSON report of some logs, without findings."""
    return documented(paths, paths[0].parent, config, **{"findings": False, **options})


def test_repeats_of_an_access_log(tmp_path: Path) -> None:
    """What is billed, what a cache would have served, which request it was, and what was assumed."""
    log = tmp_path / "access.log"
    log.write_text("".join(line(n, f"/img/og/{n % 3}.png?v=1&name=x{n % 2}") for n in range(60)) + line(99, "/cart"))
    found = report(log, findings=True)
    assert found["inputs"]["files"][0]["format"] == "combined"
    assert found["inputs"]["files"][0]["other_requests"] == found["inputs"]["filtered"] == 1
    assert found["totals"]["renders"] == 60
    assert found["waste"]["repeat"] == 54
    (file,) = found["inputs"]["files"]
    assert file["assumed"] == {"no_environment": 60, "no_verdict": 60, "end_as_start": 60}
    assert file["explained"]["no_environment"] == "the log does not tell the environment: production is assumed"
    top = only(found, "duplicate-renders")["evidence"]["top_keys"][0]
    assert top["request"] in {f"/img/og/{n}.png?v=…&name=…" for n in range(3)}
    assert top["bytes"] == 9 * 900


@pytest.mark.slow
def test_order_of_parameters_is_no_difference_and_every_parameter_is(tmp_path: Path) -> None:
    """`name=` selects the image: two names are two images; a user may leave a parameter out, nobody else."""
    log = tmp_path / "access.log"
    log.write_text(
        line(1, "/img/og/1.png?a=1&name=x")
        + line(2, "/img/og/1.png?name=x&a=1")
        + line(3, "/img/og/1.png?name=y&a=1")
        + line(4, "/img/og/1.png?n%61me=y&a=%31")
    )
    assert report(log)["waste"]["repeat"] == 2
    assert (
        report(log, config={"sources": {"shop": {**SHOP["sources"]["shop"], "ignore": ["name"]}}})["waste"]["repeat"]
        == 3
    )
    assert (
        report(log, config={"sources": {"shop": {**SHOP["sources"]["shop"], "key": ["name"]}}})["waste"]["repeat"] == 2
    )
    assert report(log, config={"sources": {"shop": {**SHOP["sources"]["shop"], "key": ["b"]}}})["waste"]["repeat"] == 3


@pytest.mark.slow
def test_equal_lines_are_events_and_copies_are_not(tmp_path: Path) -> None:
    """Twice in one file is twice; a copy, a packed twin, and a copy that was made earlier count once, in any order."""
    text = line(1) + line(1) + line(1) + line(2)
    (tmp_path / "access.log").write_text(text)
    (tmp_path / "access.log.1").write_text(line(7) + line(7))
    assert report(tmp_path)["totals"]["renders"] == 6
    (tmp_path / "copy.log").write_text(text)
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "earlier.log").write_text(line(1) + line(1))
    found = report(*tmp_path.iterdir())
    assert found["totals"]["renders"] == 6
    assert found["inputs"]["duplicates"] == 4 + 4 + 2
    (tmp_path / "other-server.log").write_text(line(50) + line(1))
    assert report(*tmp_path.iterdir())["totals"]["renders"] == 8
    (tmp_path / "other-server.log").unlink()
    assert found == {**report(*reversed(list(tmp_path.iterdir()))), "generated_at": found["generated_at"]}


@pytest.mark.slow
@pytest.mark.parametrize("packed", PACKED)
def test_packed_logs(tmp_path: Path, packed: str) -> None:
    """Told by their first bytes, several streams behind each other; a cut keeps what stands before it."""
    rng = random.Random(1)
    text = "".join(line(n % 3600, f"/img/og/{rng.getrandbits(80)}.png") for n in range(4000)).encode()
    log = tmp_path / "access.log"
    pack = PACKED[packed]
    log.write_bytes(pack(text[:1000]) + pack(text[1000:]))
    assert report(log)["inputs"]["events"] == 4000
    whole = pack(text)
    log.write_bytes(whole[: len(whole) // 2] if packed != "bz2" else whole[:-9])
    found = report(log)["inputs"]
    assert found["files"][0]["truncated"]
    assert found["lines"] == found["events"] + found["rejected"]
    assert found["events"] > (0 if packed in {"bz2", "xz"} else 1000)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_what_a_windows_shell_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    """UTF-16 with its mark; a last character that is cut makes its line a bad one."""
    log = tmp_path / "access.log"
    text = "\ufeff" + "".join(line(n, f"/img/og/{n}.png?title=ü") for n in range(9)).replace("\n", "\r\n")
    log.write_bytes(text.encode(encoding))
    assert report(log)["inputs"]["events"] == 9
    log.write_bytes(text.encode(encoding) + b"x")
    assert [(bad["line"], bad["reason"]) for bad in report(log)["inputs"]["rejections"]] == [(10, "no_match")]


@pytest.mark.slow
@pytest.mark.parametrize("packed", PACKED)
def test_bombs_are_stopped(packed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a stream is large and a hundred times its size it ends as damaged, and memory stays small."""
    monkeypatch.setattr("auditor.reading.packed.FREE", 8 << 20)
    bomb = PACKED[packed](bytes(64 << 20))
    stream = decompressed(io.BufferedReader(io.BytesIO(bomb)))
    size = 0
    with pytest.raises(OSError, match="which no log does"):
        while chunk := stream.read1(1 << 20):
            size += len(chunk)
    assert size <= 48 << 20


@pytest.mark.slow
def test_a_log_of_300_megabytes_that_repeats_itself_is_no_bomb() -> None:
    """Logs repeat themselves: this one packs to far less than a hundredth, and every byte of it is read."""
    one = "".join(line(n, f"/img/og/{n % 7}.png") for n in range(60)).encode() * 100
    times = 300_000_000 // len(one) + 1
    packed = io.BytesIO()
    with gzip.open(packed, "wb", compresslevel=3) as out:
        for _ in range(times):
            out.write(one)
    assert len(packed.getvalue()) * 100 < 300_000_000
    packed.seek(0)
    stream, size = decompressed(io.BufferedReader(packed)), 0
    while chunk := stream.read1(4 << 20):
        size += len(chunk)
    assert size == len(one) * times


def test_mixed_formats_and_prefixes(tmp_path: Path) -> None:
    """The format of most lines is taken, the others are rejected by name; what collectors put before a line is passed over."""
    log = tmp_path / "access.log"
    log.write_text(
        line(1)
        + "web-1    | " + line(2)
        + "\x1b[36mweb_1  |\x1b[0m " + line(3)
        + "Sep  1 08:00:04 host nginx: " + line(4)
        + "2026-09-01T08:00:05.123456789Z stdout F " + line(5)
        + '{"ts": 1, "request": {"uri": "/", "method": "GET"}, "status": 200}\n'
        + "\n"
        + line(6)[:60] + "\n"
        + "\x00\x01\x02\n"
        + line(7).rstrip("\n") + "\r\n"
        + line(8).rstrip("\n")
    )  # fmt: skip
    inputs = report(log)["inputs"]
    assert [(bad["line"], bad["reason"]) for bad in inputs["rejections"]] == [
        (6, "no_match"),
        (8, "no_match"),
        (9, "no_match"),
    ]
    assert inputs["events"] == 7
    assert inputs["lines"] == 10


def test_a_doubtful_format_is_a_question(tmp_path: Path) -> None:
    """Half one, half another: the candidates are named, and --input-format answers."""
    log = tmp_path / "some.log"
    caddy = '{"ts": 1788242401, "request": {"uri": "/img/og/1.png", "method": "GET"}, "status": 200}\n'
    log.write_text((line(1) + caddy) * 10)
    with pytest.raises(
        InputError, match=r"it may be (caddy|combined) \(50%\) or (caddy|combined) \(50%\); name it with"
    ):
        report(log)
    assert report(log, input_format="combined")["inputs"]["events"] == 10
    log.write_text("Dear diary,\ntoday nothing happened.\n")
    with pytest.raises(InputError, match=r"cannot tell the format; .* name it with --input-format NAME"):
        report(log)
    with pytest.raises(ConfigError, match=r"unknown format .*vailable: nginx, apache, iis, jsonl"):
        report(log, input_format="nonsense")
    with pytest.raises(ConfigError, match=r"--input-format: the log_format has no \$status"):
        report(log, input_format="$time_local $request")


def test_no_sample_is_taken_for_another_format() -> None:
    """And each is told with some certainty."""
    for path in SAMPLES:
        with path.open("rb") as raw:
            sample = sample_of(path, decompressed(raw))
        found = detect(sample, {"log-format": "[$time_local] $host \"$request\" $status $body_bytes_sent $request_time $upstream_cache_status \"$http_user_agent\""}, path.name)  # fmt: skip
        assert found.kind.name == path.name.partition(".")[0]
        assert found.confidence >= 0.5


def test_a_log_format_on_the_command_line(tmp_path: Path) -> None:
    """As it stands in nginx.conf; the cache field decides, the duration gives the start."""
    log = tmp_path / "access.log"
    log.write_text("/img/og/1.png|HIT|200|1788242401.500|0.250\n/img/og/1.png|EXPIRED|200|1788242402.500|0.250\n")
    found = report(log, input_format="$request_uri|$upstream_cache_status|$status|$msec|$request_time")
    assert found["totals"] | {"hits": 1, "renders": 1} == found["totals"]
    assert found["window"]["start"] == "2026-09-01T06:00:01.250000Z"


def test_outbound_calls_are_recognised_and_keys_kept_out(tmp_path: Path) -> None:
    """Template, overrides and format come from the address; the key is counted, and stands in nothing that is written."""
    log = tmp_path / "proxy.log"
    key = "k3y-0123456789abcdef"
    call = f"https://render.imejis.io/v1/og?dma-api-key={key}&title.text=Secret%20plan&format=jpg"
    log.write_text(line(1, call) + line(2, call.replace(key, "another-0123456789")) + line(3, call, "429"))
    found = report(log, config={"accounts": {"main": {"provider": "imejis", "plan": "Basic"}}}, findings=True)
    assert found["totals"]["renders"] == 2
    assert found["waste"]["repeat"] == 1
    assert only(found, "duplicate-renders")["subject"] == {
        "provider": "imejis", "account": "main", "environment": "production", "template": "og",
    }  # fmt: skip
    assert only(found, "secret-in-log")["evidence"]["lines"] == 3
    text = json.dumps(found)
    assert key not in text
    assert "Secret" not in text
    assert not list(find(text.encode()))


def test_posts_without_a_body_are_never_called_repeats(tmp_path: Path) -> None:
    """The log does not hold what they asked for."""
    log = tmp_path / "proxy.log"
    log.write_text((line(1, "https://render.imejis.io/v1/og").replace("GET", "POST")) * 3)
    found = report(log)
    assert found["totals"]["renders"] == 3
    assert found["waste"]["total"] == 0
    assert found["inputs"]["files"][0]["assumed"]["no_body"] == 3


def test_hosts_tell_environments(tmp_path: Path) -> None:
    """By a group of the host's pattern."""
    log = tmp_path / "access.log"
    log.write_text(
        "staging.shop.example:443 " + line(1) + "shop.example:443 " + line(2) + "other.example:443 " + line(3)
    )
    config = {"sources": {"shop": {**SHOP["sources"]["shop"], "host": r"(?:(?P<environment>staging)\.)?shop\.example"}}}
    found = report(log, config=config)
    assert found["waste"]["staging"] == 1
    assert found["inputs"]["filtered"] == 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"path": "("}, r"sources\.x\.path = '\(' is not a RE2 pattern"),
        ({"path": "(?P<nonsense>.)"}, "has the group 'nonsense'; groups are template"),
        ({"path": "(?=a)"}, "is not a RE2 pattern"),
        ({"path": "/", "key": ["a"], "ignore": ["b"]}, "exclude each other"),
        ({"path": "/", "uncached": "maybe"}, "neither render nor hit"),
        ({"path": "/", "format": "bmp"}, "none of avif"),
        ({"provider": "nobody"}, "only calls to imejis"),
        ({"path": "/", "nonsense": 1}, "is unknown; available: account"),
    ],
)
def test_wrong_tables_are_refused(table: Mapping[str, Any], words: str) -> None:
    """With the key and the cure."""
    with pytest.raises(ConfigError, match=words):
        settings_of({"sources": {"x": table}}, "auditor.toml")


def test_a_folder_gives_logs_under_the_names_that_servers_and_networks_give_them(tmp_path: Path) -> None:
    names = [
        "EMLARXS9EXAMPLE.2026-09-01-20.RT4KCN4SGK9.gz",
        "access.log.old",
        "access.log.2.gz",
        "access_log-20260901",
        "logs.EMLARXS9EXAMPLE.2026-09-01-20.RT4KCN4SGK9.gz",
        "2026-09-01-20-15-38-1A2B3C4D5E6F7A8B",
        "og-2026-09-01-20-15-38-1A2B3C4D5E6F7A8B",
        "localhost_access_log.2026-09-01.txt",
    ]
    for name in (*names, "notes.txt", "access.old", "E.2026-09-01-20.gz"):
        (tmp_path / name).write_text(line(1))
    assert sorted(Path(source.label).name for source in discover([str(tmp_path)], tmp_path)) == sorted(names)


def test_a_folder_below_with_settings_of_its_own_maps_its_own_logs(tmp_path: Path) -> None:
    """Its usage events are taken, its other logs are not; a ledger takes what shippers may have written."""
    (tmp_path / "usage.jsonl").write_bytes(usage([event("a")]))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "access.log").write_text(line(1))
    assert [Path(source.label).name for source in discover([str(tmp_path)], tmp_path)] == ["access.log", "usage.jsonl"]
    assert present([str(tmp_path)]) == [tmp_path / "below" / "access.log", tmp_path / "usage.jsonl"]
    (tmp_path / "below" / "auditor.toml").write_text("")
    (tmp_path / "below" / "b.jsonl").write_bytes(usage([event("b")]))
    assert [Path(source.label).name for source in discover([str(tmp_path)], tmp_path)] == ["b.jsonl", "usage.jsonl"]


def test_map_proposes_what_the_audit_understands(tmp_path: Path) -> None:
    """The proposal is an auditor.toml; audited with it, every request for an image is an event."""
    log = tmp_path / "access.log"
    log.write_text(
        "".join(
            line(n, f"/image/{n}/{('card', 'banner')[n % 2]}/{(200, 400)[n % 2]}x300?v={n % 5}") for n in range(300)
        )
        + "".join(line(n, f"/static/app.{n}.js") for n in range(50))
    )
    done = command("map", str(log))
    assert done.returncode == 0, done.stderr
    assert b"100% sure" in done.stderr
    assert done.stdout.count(b" -> render ") == 10
    (tmp_path / "auditor.toml").write_bytes(done.stdout)
    (table,) = load(tmp_path / "auditor.toml").sources
    template = r"(?:(?P<template>[A-Za-z][A-Za-z_-]{1,40})|[^/]*)"
    assert table.path == rf"/image/[^/]*/{template}/(?:(?P<width>\d+)x(?P<height>\d+)|[^/.]*)"
    assert table.key is None
    found = json.loads(command("audit", str(log), "--format", "json").stdout)
    assert found["inputs"]["events"] == 300
    assert found["inputs"]["filtered"] == 50
    assert {f["subject"]["template"] for f in found["findings"] if f["rule"] == "duplicate-renders"} <= {
        "card",
        "banner",
    }


def test_formats_are_listed_and_named() -> None:
    """One line each, by the name that --input-format takes."""
    listed = command("formats").stdout.decode().splitlines()
    for each in listed:
        name = each.split()[0]
        if name != "log-format":
            assert named(name, {}).kind.name == name
    assert len(listed) >= 10


def test_native_logs_are_told_as_before(tmp_path: Path) -> None:
    """Usage events need no question, damaged ones neither."""
    for text in (b"damage\n", b"", b'{"v": 1}\n', usage([event("a")]) + b"damage\n" * 3):
        log = tmp_path / "usage.jsonl"
        log.write_bytes(text)
        assert detected_in(Source(log.name, log), settings_of({}, "x"), None).kind.name == "jsonl"


@pytest.mark.parametrize("name", ["some.log", "some.json", "some.jsonl"])
def test_objects_of_another_kind_are_a_question(tmp_path: Path, name: str) -> None:
    """Nothing tells that they are usage events; what they lack is said, and how to name the format."""
    log = tmp_path / name
    log.write_text('{"level": "info", "ts": 1788242401.5, "msg": "started", "id": "x"}\n' * 10)
    said = (
        r"cannot tell the format; json: no key for the URL and the status; keys are level, ts, msg, id; name it with .*, or "
        r'describe it in auditor\.toml: \[formats\.own\] with kind = "json"; time = "ts"; url = "KEY"; status = "KEY"'
    )
    with pytest.raises(InputError, match=said):
        report(log)
    assert report(log, input_format="jsonl")["inputs"]["rejected"] == 10
    log.write_text('{"v": 1, "id": "x"}\n{"broken\n')
    assert [bad["reason"] for bad in report(log)["inputs"]["rejections"]] == ["missing_field", "not_json"]


def test_a_few_objects_in_a_usage_file_are_damaged_events(tmp_path: Path) -> None:
    """They tell nothing of another program, and must not stop the audit of the files beside them."""
    log = tmp_path / "usage.jsonl"
    log.write_text('{}\n{"foo": 1}\n')
    assert [bad["reason"] for bad in report(log)["inputs"]["rejections"]] == ["missing_field"] * 2


def test_examples_of_the_docs_are_settings() -> None:
    """Every TOML block of docs/formats.md is a valid auditor.toml, and so is the example with its comments taken off."""
    import tomllib

    from tests.conftest import ROOT

    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "formats.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        settings = settings_of(tomllib.loads(block), "docs")
        assert settings.sources or settings.log_formats
    example = (ROOT / "auditor" / "auditor.example.toml").read_text(encoding="utf-8").partition("# [sources.shop]")
    text = "\n".join(
        line.removeprefix("# ") for line in (example[1] + example[2]).splitlines() if not line[2:3].isupper()
    )
    assert settings_of(tomllib.loads(text.replace("An nginx", "# An nginx")), "example").sources[0].ignore == {
        "utm_source"
    }
