"""`verify equiv`: exit codes, formats, and one sentence for what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import ROOT, Done, verify
from tests.equiv.snippets import assembled

TRAMPOLINES = ROOT / "trampolines"
GOOD, OTHER = TRAMPOLINES / "ftrace-6.12.o", TRAMPOLINES / "ftrace-6.12-extern-thunk.o"
TWINS = (GOOD, GOOD, "--symbol", "ftrace_caller", "--symbol-new", "ftrace_regs_caller")
ALIKE, DIFFERENT, BAD, OPEN = 0, 1, 2, 3


def equiv(*arguments: object) -> Done:
    return verify("equiv", "--quiet", *arguments)


def complaint(done: Done) -> str:
    assert (done.code, done.out) == (BAD, "")
    (line,) = done.err.splitlines()
    return line


def test_what_is_alike_passes() -> None:
    done = verify("equiv", GOOD, OTHER, "--symbol", "ftrace_caller")
    assert done.code == ALIKE
    assert "proved       equivalent         both routines do the same in all that the contract speaks of" in done.out
    assert f"(beside ftrace_caller of {GOOD}; claimed in proofs/trampolines.toml)" in done.out
    assert "both objects mean the same by the name of a global symbol (1 routine)" in done.out


def test_a_difference_fails_and_is_told_as_the_story_of_both() -> None:
    done = equiv(*TWINS)
    assert done.code == DIFFERENT
    for text in (
        "refuted      equivalent         regs.flags at the call of handler differs",
        "old: regs.flags was last changed by `mvghi 336(%r15),0` at ftrace_caller+0x52",
        "new: regs.flags was last changed by `mvghi 336(%r15),16` at ftrace_regs_caller+0x68",
        f"old                           {GOOD}: ftrace_caller",
        f"new                           {GOOD}: ftrace_regs_caller",
        "both replayed on unicorn",
    ):
        assert text in done.out


def test_without_replay_it_stays_unconfirmed() -> None:
    done = equiv(*TWINS, "--no-replay")
    assert done.code == DIFFERENT
    assert "unconfirmed  equivalent" in done.out


def test_what_is_not_decided_is_no_pass(tmp_path: Path) -> None:
    old, new = assembled(tmp_path, "old", "br %r14"), assembled(tmp_path, "new", "j .")
    assert equiv(old, new).code == OPEN
    assert equiv(new, old).code == OPEN


def test_all_routines_of_the_old_object_are_compared() -> None:
    done = equiv(GOOD, GOOD, "--format", "json")
    assert done.code == ALIKE
    found = json.loads(done.out)["findings"]
    names = ["ftrace_caller", "ftrace_regs_caller", "__s390_indirect_jump_r1"]
    assert [(one["routine"], one["property"], one["verdict"]) for one in found] == [
        (name, "equivalent", "proved") for name in names
    ]


def test_jobs_make_no_difference() -> None:
    one, two = (verify("equiv", GOOD, GOOD, "--jobs", jobs, "--format", "json") for jobs in (1, 2))
    assert (one.code, one.out) == (two.code, two.out)


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "html", "markdown", "github"])
def test_every_format_tells_a_difference(form: str, tmp_path: Path) -> None:
    output = tmp_path / "report"
    done = equiv(*TWINS, "--format", form, "--output", output)
    assert (done.code, done.out) == (DIFFERENT, "")
    text = output.read_text(encoding="utf-8")
    assert "equivalent" in text
    assert "regs.flags at the call of handler differs" in text


def test_a_report_can_be_explained_again(tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    equiv(*TWINS, "--format", "json", "--output", output)
    done = verify("explain", output, "equivalent")
    assert done.code == 0
    assert "ftrace_regs_caller+0x6" in done.out


# What cannot be compared ----------------------------------------------------------------------------------------------


def test_a_routine_that_one_object_lacks(tmp_path: Path) -> None:
    other = assembled(tmp_path, "other", "br %r14")
    done = equiv(GOOD, other, "--symbol", "ftrace_caller")
    assert done.code == BAD
    assert f"error: {other}: defines no routine named 'ftrace_caller'" in done.out
    done = equiv(other, GOOD, "--symbol", "ftrace_caller")
    assert done.code == BAD
    assert f"error: {other}: defines no routine named 'ftrace_caller'" in done.out


def test_one_routine_of_several_that_the_new_object_lacks() -> None:
    done = equiv(GOOD, OTHER)
    assert done.code == BAD
    assert f"error: {OTHER}: defines no routine named '__s390_indirect_jump_r1', as {GOOD} does" in done.out
    assert "3 proved" not in done.out
    assert "2 proved" in done.out


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_that_is_none(order: int, tmp_path: Path) -> None:
    bad = tmp_path / "bad.o"
    bad.write_bytes(b"nothing")
    done = equiv(*[GOOD, bad][::order])
    assert done.code == BAD
    assert f"error: {bad}: " in done.out
    done = equiv(*[GOOD, tmp_path / "missing.o"][::order])
    assert done.code == BAD
    assert "Traceback" not in done.out + done.err


def test_symbol_new_needs_one_old_routine() -> None:
    line = complaint(equiv(GOOD, GOOD, "--symbol-new", "ftrace_caller"))
    assert line == "verify: --symbol-new names one routine: choose the old one with --symbol"


def test_an_unknown_contract_is_one_sentence() -> None:
    assert "no contract" in complaint(equiv(GOOD, GOOD, "--symbol", "ftrace_caller", "--contract", "linux/none"))


def test_two_objects_are_wanted() -> None:
    assert equiv(GOOD).code == BAD


def test_it_is_no_property_of_one_object() -> None:
    line = complaint(verify("prove", "--quiet", "--select", "equivalent", GOOD))
    assert line == "verify: equivalent is a property of two routines: use `verify equiv OLD.o NEW.o`"


def test_it_is_among_the_properties() -> None:
    lines = verify("list", "properties").out.splitlines()
    assert [line for line in lines if line.startswith("equivalent ")]
