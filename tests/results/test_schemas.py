"""What the what-if commands write as JSON is what their schemas say, and the schemas notice damage."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.conftest import ROOT
from tests.examined import SAMPLES, ran

COMMANDS = {
    "plan": ["plan", SAMPLES, "--until", "2026-09-20"],
    "estimate": ["estimate", SAMPLES],
    "reconciliation": ["reconcile", SAMPLES, "--account", "main", "--cycle", "2026-09", "--invoice", "2650"],
    "selfhosted": ["compare", "self-hosted", "--provider", "hcti", "--calls", "40000"],
}


def damages(found: dict[str, Any]) -> list[Callable[[Any], object]]:
    """Ways to spoil a document: a key too many, one too few, a wrong schema, at every depth of the first branch."""
    ways: list[Callable[[Any], object]] = [lambda doc: doc.update(schema="other"), lambda doc: doc.update(extra=1)]
    ways += [lambda doc, key=key: doc.pop(key) for key in found]
    return ways


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_documents_are_valid_and_damage_is_noticed(name: str) -> None:
    """Every required key is required."""
    schema = json.loads((ROOT / "auditor" / "results" / f"{name}_v1.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    found = json.loads(ran(*COMMANDS[name], "--format", "json").out)
    validator.validate(found)
    for damage in damages(found):
        spoiled = copy.deepcopy(found)
        damage(spoiled)
        assert not validator.is_valid(spoiled)
    text = json.dumps(found)
    money = text.replace('": "24.99"', '": 24.99').replace('": "235.00"', '": 235.0')
    assert (money == text) or not validator.is_valid(json.loads(money)), "money is no float"
