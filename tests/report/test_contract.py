"""`verify contract`: a contract with all that it inherits, which can be saved, changed and applied."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.command import ROOT, verify
from verify import library
from verify.contracts.load import contract_names, load_contract

OBJECT = ROOT / "trampolines/ftrace-6.12.o"
NAME = "linux-6.12/ftrace_caller"


def page(name: str) -> str:
    done = verify("contract", name)
    assert (done.code, done.err) == (0, "")
    return done.out


def words(value: object) -> str:
    """A value in words, without the addresses of its syntax trees."""
    return re.sub(r" object at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize("name", contract_names(library.library("models")))
def test_a_contract_can_be_saved_and_applied_as_it_was(name: str, tmp_path: Path) -> None:
    saved = tmp_path / "own.toml"
    saved.write_text(page(name), encoding="utf-8")
    root, patterns = library.library("models"), tomllib.loads(page(name)).get("symbols", [])
    fitting = re.sub(r"\{\w\w+\}", "name", re.sub(r"\{\w\}", "1", patterns[0])) if patterns else None
    known = load_contract(root, name, None, fitting)
    own = load_contract(root, str(saved), None, fitting)
    for key in ("claims", "calls", "handed", "patches", "assume", "mode", "vector", "unwind", "layout"):
        assert words(getattr(own, key)) == words(getattr(known, key)), key


def test_the_page_names_the_files_that_it_is_made_of() -> None:
    head = [line for line in page(NAME).splitlines() if line.startswith("#   ")]
    files = [Path(line[4:]).relative_to(ROOT / "models").as_posix() for line in head]
    assert files[0] == "linux-6.12/ftrace_caller.toml"
    assert files[-2:] == ["linux/ftrace_r0.toml", "linux/trampoline.toml"]


def test_a_changed_contract_changes_the_verdict(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "linux-6.12/ftrace_caller"\n[claims]\npsw-redirect = ["pc == regs.psw.addr"]\n')
    done = verify("prove", OBJECT, "--symbol", "ftrace_caller", "--contract", mine, "--select", "psw-redirect")
    assert done.code == 1  # a direct caller's orig_gpr2 precedes psw.addr, which this contract forgets
    assert f"under {mine}" in done.out


def test_a_mistake_in_ones_own_contract_is_told_with_its_line(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "linux-6.12/ftrace_caller"\n[claims]\npsw-redirect = ["pc == regs.psw.adr"]\n')
    done = verify("prove", OBJECT, "--symbol", "ftrace_caller", "--contract", mine)
    assert done.code == 2
    assert f"{mine}:3:" in done.err


@pytest.mark.parametrize("command", ["contract", "prove"])
def test_a_file_that_is_not_there(command: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    done = verify("contract", gone) if command == "contract" else verify("prove", OBJECT, "--contract", gone)
    assert (done.code, done.err) == (2, f"verify: {gone}: no such file\n")


def test_an_unknown_contract_with_a_suggestion() -> None:
    done = verify("contract", "linux-6.12/ftrace_calle")
    assert done.code == 2
    assert "did you mean linux-6.12/ftrace_caller?" in done.err
