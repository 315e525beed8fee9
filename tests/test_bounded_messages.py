"""What a command says on stderr stays short, however many files or accounts there are."""

from types import SimpleNamespace
from typing import Any

import pytest

from auditor.commands.logs import KNOWN, intake_code, only_account
from auditor.commands.options import INCOMPLETE
from auditor.model.errors import ConfigError

MANY = 1000


def _inputs(**more: Any) -> Any:
    files = [SimpleNamespace(path=f"f{n}.jsonl", truncated=True, lines=1, loaded_images=0) for n in range(MANY)]
    return SimpleNamespace(files=files, **more)


def test_cut_off_files_are_counted_beyond_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    inputs = _inputs(lines=MANY, events=MANY, rejected=0)
    assert intake_code(inputs, SimpleNamespace(allow_empty=False, max_rejected=1)) == INCOMPLETE  # type: ignore[arg-type]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == KNOWN + 1
    assert f"{MANY - KNOWN} more files" in said[-1]


def test_an_empty_log_of_many_cut_files_names_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    inputs = _inputs(lines=0, events=0, rejected=0)
    inputs.lines = inputs.rejected = MANY
    inputs.reasons = {"not_json": MANY}
    inputs.rejections = [SimpleNamespace(path="f0.jsonl", line=1, detail="no JSON")]
    intake_code(inputs, SimpleNamespace(allow_empty=False, max_rejected=1))  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert f"f{KNOWN - 1}.jsonl and {MANY - KNOWN} more" in said
    assert f"f{KNOWN}.jsonl" not in said


def test_one_account_of_many_names_the_first() -> None:
    bills = [SimpleNamespace(payer=SimpleNamespace(provider="imejis", account=f"a{n}")) for n in range(MANY)]
    log: Any = SimpleNamespace(bills=bills, inputs=SimpleNamespace(events=1))
    with pytest.raises(ConfigError, match=f"imejis/a{KNOWN - 1} and {MANY - KNOWN} more$"):
        only_account(log, None)
