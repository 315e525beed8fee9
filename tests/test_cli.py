"""The command: exit codes, one clear sentence for each mistake, and reports that depend on nothing but the input."""

import bz2
import gzip
import json
import lzma
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.registry import RULES
from tests.conftest import ROOT, command, event, lines

TWICE = lines([event("a"), event("b", "2026-09-01T09:00:00Z")])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with one duplicate render."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(TWICE)
    return path


def test_exit_codes(log: Path) -> None:
    """0 done, 1 a finding at or above --fail-on, 3 too many rejected lines; --max-rejected moves that line."""
    assert command("audit", str(log)).returncode == 0
    assert command("audit", str(log), "--fail-on", "high").returncode == 1
    assert command("audit", str(log), "--fail-on", "low", "--rule", "retina-variants").returncode == 0
    log.write_bytes(TWICE * 50 + b"damage\n")
    assert command("audit", str(log)).returncode == 0
    log.write_bytes(TWICE + b"damage\n")
    assert command("audit", str(log)).returncode == 3
    assert command("audit", str(log), "--max-rejected", "50").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--no-such-option"], 2, "No such option"),
        (["--rule", "nonsense"], 2, "vailable: duplicate-renders"),
        (["--ttl", "soon"], 2, "write 30s"),
        (["--since", "last week"], 2, "write 7d, yesterday, 2026-09"),
        (["--timezone", "Mars/Olympus"], 2, "not a time zone"),
        (["--config", "absent.toml"], 2, "cannot be read"),
        (["--output", "no/such/folder/report"], 2, "cannot be written"),
        (["absent.jsonl"], 3, "there is no such file"),
    ],
)
def test_mistakes_get_one_sentence(log: Path, arguments: list[str], code: int, words: str) -> None:
    """What is wrong and what to do, on stderr, without a traceback."""
    done = command("audit", str(log), *arguments, cwd=log.parent)
    assert done.returncode == code
    assert words in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense = 1", "nonsense is unknown; available: "),
        ("[accounts.main]\nprovider = 'imejis'\nplan = 'Gold'", "not a plan of imejis; available: Free, Basic, Pro"),
        ("[accounts.main]\nplan = 'Pro'", "accounts.main.provider is missing"),
        ("[accounts.main]\nprovider = 'imejis'\nanchor_day = 32", "1 to 31"),
        ("[plans.imejis.X]\nprice = '-1'\nincluded = 5", "below 0"),
        ("timezone = 'Nowhere'", "not a time zone"),
        ("[limits.placements.x]\ndpr = 2", "at least one side"),
        ("[rules.no-such-rule]\nenabled = true", "vailable: duplicate-renders"),
        ("[rules.duplicate-renders]\nttl = 5", "write 30s"),
        ("timezone = ", "is not TOML"),
    ],
)
def test_mistakes_in_the_configuration_name_file_and_key(log: Path, text: str, words: str) -> None:
    """A configuration is valid as a whole, or an error says where it is not."""
    (log.parent / "auditor.toml").write_text(text, encoding="utf-8")
    done = command("audit", str(log))
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert "auditor.toml" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    ("data", "words", "code"),
    [(b"", "holds no line", 3), (b"\n\n", "holds no line", 3), (lines([event(outcome="hit")]), "holds no render", 0)],
)
def test_a_log_without_renders_says_so(log: Path, data: bytes, words: str, code: int) -> None:
    """Nothing to audit is no crash and no silence."""
    log.write_bytes(data)
    done = command("audit", str(log), "--format", "json")
    assert done.returncode == code
    assert words in done.stderr.decode()
    assert json.loads(done.stdout)["findings"] == []


def test_an_unreadable_file_is_named(log: Path) -> None:
    """A folder in the place of a file, as permissions do not bind every user."""
    log.unlink()
    log.mkdir()
    done = command("audit", str(log))
    assert done.returncode == 3
    assert "holds no" in done.stderr.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("report_format", ["text", "json", "csv", "html"])
@pytest.mark.parametrize("option", [[], ["--output", "/dev/full"]])
def test_a_full_disk_is_one_sentence(log: Path, report_format: str, option: list[str]) -> None:
    """And not the exit code of a finding; also where the little that there is to say is still in a buffer."""
    command = [sys.executable, "-m", "auditor", "audit", str(log), "--format", report_format, *option]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "auditor: the output cannot be written whole (No space left on device)\n"


def test_a_reader_who_has_enough_is_no_finding(log: Path) -> None:
    """`auditor audit … | head -1` ends as shells say it, without a word, and never with the code of a gate."""
    command = [sys.executable, "-u", "-m", "auditor", "audit", str(log)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_standard_input_folders_and_globs(log: Path) -> None:
    """All ways to name the same log give the same findings; a file named twice is read once."""
    ways = [[str(log)], [str(log.parent)], [str(log.parent / "*.jsonl")], [str(log), str(log.parent), str(log)]]
    found = [json.loads(command("audit", *way, "--format", "json").stdout) for way in ways]
    found.append(json.loads(command("audit", "-", "--format", "json", stdin=TWICE).stdout))
    assert all(each["findings"] == found[0]["findings"] for each in found)
    assert all(each["inputs"]["lines"] == 2 for each in found)


def test_a_file_of_several_names_is_called_the_same_in_any_order(log: Path) -> None:
    """A symbolic link beside it, or a path written otherwise, does not change a byte of the report."""
    link = log.with_name("archive.jsonl")
    link.symlink_to(log)
    names = [str(log), str(link), os.path.relpath(log, ROOT)]
    found = {command("audit", *each, "--format", "json").stdout for each in (names, names[::-1], names[1:] + names[:1])}
    assert len(found) == 1
    assert command("audit", str(log.parent), "--format", "json").stdout.count(str(link).encode()) == 1


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_usage_events_are_told_by_name_however_packed(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    """A file of usage events that holds none is read all the same: its lines are rejected and counted."""
    path = tmp_path / f"usage.jsonl{ending}"
    path.write_bytes(pack(b"x\n"))
    done = command("audit", str(path), "--format", "json")
    assert (done.returncode, json.loads(done.stdout)["inputs"]["reasons"]) == (3, {"not_json": 1})


def test_filters_choose_what_is_shown_and_never_what_is_counted(log: Path) -> None:
    """--environment, --account, --template, --rule and --skip hide findings; waste and bills stay."""
    whole = json.loads(command("audit", str(log), "--format", "json").stdout)
    for arguments in (
        ["--environment", "staging"],
        ["--account", "x"],
        ["--template", "x"],
        ["--rule", "secret-in-log"],
        ["--skip", "duplicate-renders"],
    ):
        part = json.loads(command("audit", str(log), "--format", "json", *arguments).stdout)
        assert part["findings"] == []
        assert (part["waste"], part["accounts"], part["totals"]) == (whole["waste"], whole["accounts"], whole["totals"])
    assert len(whole["findings"]) == 1


def test_since_and_until_choose_events(log: Path) -> None:
    """--since is inclusive, --until exclusive, and what they leave out is counted."""
    found = json.loads(command("audit", str(log), "--format", "json", "--since", "2026-09-01T09:00:00Z").stdout)
    assert (found["inputs"]["events"], found["inputs"]["filtered"]) == (1, 1)
    found = json.loads(command("audit", str(log), "--format", "json", "--until", "2026-09-01T09:00:00Z").stdout)
    assert (found["inputs"]["events"], found["inputs"]["filtered"]) == (1, 1)
    assert found["waste"]["total"] == 0


def test_timezone_option_cuts_the_cycles_of_accounts_that_name_no_zone(log: Path) -> None:
    """--timezone replaces the file's `timezone` for configured accounts too; a zone of their own stays."""
    log.write_bytes(lines([event(name, account=name) for name in ("loose", "named", "stranger")]))
    table = '[accounts.{}]\nprovider = "imejis"\n'
    log.with_name("auditor.toml").write_text(
        'timezone = "UTC"\n' + table.format("loose") + table.format("named") + 'timezone = "Asia/Tokyo"\n'
    )
    report = json.loads(command("audit", str(log), "--format", "json", "--timezone", "America/New_York").stdout)
    assert {each["account"]: each["cycles"][0]["start"] for each in report["accounts"]} == {
        "loose": "2026-09-01T04:00:00Z",
        "named": "2026-08-31T15:00:00Z",
        "stranger": "2026-09-01T04:00:00Z",
    }


def test_max_rejected_is_the_share_as_written(log: Path) -> None:
    """57 of 10,000 lines are 0.57 %, though 0.57 x 10,000 is less in binary floating point."""
    log.write_bytes(lines([event(str(number)) for number in range(9943)]) + b"x\n" * 57)
    assert command("audit", str(log), "--max-rejected", "0.57").returncode == 0
    assert command("audit", str(log), "--max-rejected", "0.56").returncode == 3


def test_ttl_option_wins_over_the_file(log: Path) -> None:
    """--ttl 30m makes the second render a needed one."""
    assert json.loads(command("audit", str(log), "--format", "json", "--ttl", "30m").stdout)["waste"]["total"] == 0


def test_the_report_depends_on_the_input_alone(tmp_path: Path) -> None:
    """Neither the order of arguments nor hash seed, time zone or locale of the process change a byte."""
    samples = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "sample_logs").glob("*.gz"))
    first = command("audit", *samples, "--format", "json", PYTHONHASHSEED="1", TZ="UTC")
    second = command(
        "audit", *reversed(samples), "--format", "json", PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="tr_TR.UTF-8"
    )
    assert first.returncode == 0
    assert first.stdout == second.stdout


@pytest.mark.parametrize("rule", sorted(RULES))
def test_explain_prints_the_manual_page(rule: str) -> None:
    """What, why, an example, the cure and the options."""
    page = command("explain", rule).stdout.decode()
    assert page.startswith(rule + ":")
    for heading in ("What it does", "Why it matters", "Example", "How to fix", "Options"):
        assert f"\n{heading}\n" in page


def test_config_init_writes_what_config_check_accepts(tmp_path: Path) -> None:
    """Also with every example switched on; an existing file is never overwritten."""
    path = tmp_path / "auditor.toml"
    assert command("config", "init", str(path)).returncode == 0
    assert command("config", "check", str(path)).returncode == 0
    text = path.read_text(encoding="utf-8")
    examples = "\n".join(re.sub(r"^# (?=[a-z_]+ = |\[)", "", line) for line in text.splitlines())
    (tmp_path / "all.toml").write_text(examples, encoding="utf-8")
    assert b"2 accounts, 2 limits" in command("config", "check", str(tmp_path / "all.toml")).stdout
    assert command("config", "init", str(path)).returncode == 2


@pytest.mark.parametrize("arguments", [("audit",), ("plan",), ("simulate",)])
def test_figures_are_whole_on_a_narrow_terminal(log: Path, arguments: tuple[str, ...]) -> None:
    """The terminal breaks the lines; no table breaks 14.99 into 14.9 and 9."""
    config = log.with_name("auditor.toml")
    config.write_text('[accounts.main]\nprovider = "imejis"\nplan = "Basic"\n', encoding="utf-8")
    log.write_bytes(lines(event(f"e{day}", f"2026-08-{day:02d}T08:00:00Z", key=f"k{day}") for day in range(1, 32)))
    parent, child = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "auditor", *arguments, str(log)],
        stdout=child, stderr=subprocess.DEVNULL, check=True, cwd=ROOT, env=os.environ | {"COLUMNS": "40"},
    )  # fmt: skip
    os.close(child)
    shown = os.read(parent, 100_000)
    os.close(parent)
    assert b"14.99" in shown
    assert not re.search(rb"14\.9(?!9)", shown)


@pytest.mark.parametrize(("variables", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colors_only_on_a_terminal_and_never_with_no_color(log: Path, variables: dict[str, str], colored: bool) -> None:
    """A pseudo terminal sees colors, unless NO_COLOR is set."""
    parent, child = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    subprocess.run(
        [sys.executable, "-m", "auditor", "audit", str(log)],
        stdout=child,
        stderr=subprocess.DEVNULL,
        check=True,
        cwd=ROOT,
        env=environment | variables,
    )
    os.close(child)
    shown = os.read(parent, 100_000)
    os.close(parent)
    assert (b"\x1b[31" in shown or b"\x1b[1;31" in shown) is colored
