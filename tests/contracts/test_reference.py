"""docs/contracts.md is the reference of the contract language: it leaves nothing out, and its examples hold."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.command import ROOT, verify
from verify import library
from verify.contracts.load import KEYS, contract_names, load_contract

TEXT = (ROOT / "docs/contracts.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`\[?([a-z_]+)(?:\.NAME(?:\.[a-z]+)?)?\]?`", TEXT)) | set(re.findall(r"`([a-z_]+) = ", TEXT))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_explained(key: str) -> None:
    assert key in CODE


def test_every_key_of_a_call_in_the_models_is_explained() -> None:
    used = set()
    for path in (ROOT / "models").rglob("*.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for kind in ("call", "struct", "patch"):
            used |= {key for body in table.get(kind, {}).values() if isinstance(body, dict) for key in body}
    assert {"mutable", "into", "complete", "states", "written"} <= used
    assert {key for key in used if f"`{key}`" not in TEXT and f"NAME.{key}]" not in TEXT} == set()


def test_the_example_is_the_contract_of_that_name_in_short() -> None:
    lines = [line.removeprefix("    ") for line in TEXT.partition("## An example")[2].partition("##")[0].splitlines()]
    example = tomllib.loads("\n".join(line for line in lines if not line.startswith("#")))
    real = load_contract(library.library("models"), "linux-3.18/ftrace_caller")
    assert tuple(example["symbols"]) == real.symbols
    assert example["layout"] == real.layout.name
    assert set(example["variables"]) <= set(real.variables)
    assert {call.name: call.to.text for call in real.calls if call.to}["handler"] == example["call"]["handler"]["to"]


@pytest.mark.parametrize("command", re.findall(r"^    verify (contract|list) ([^ >\n]+)", TEXT, re.MULTILINE))
def test_the_commands_work(command: tuple[str, str]) -> None:
    assert verify(*command).code == 0
    assert command[0] == "list" or command[1] in contract_names(library.library("models"))
