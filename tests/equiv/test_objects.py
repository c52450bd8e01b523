"""The sample objects beside each other: builds for two machines, with and without expolines, twins, bugs, repairs."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests import assembler
from verify import equivalence, pipeline
from verify.report.report import Finding
from verify.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2] / "trampolines"
OBJECTS = sorted(ROOT.glob("*.o"))
REPAIRED = sorted(path.name for path in (ROOT / "repaired").glob("*.o"))
PLAIN = "linux-6.12/ftrace_caller"

# What was wrong and does nothing else than the repaired code: how it branches, which machine it needs, a number in
# place of a name.
SAME_BEHAVIOUR = {"bare-branch.o", "z196-in-z10.o", "numbers-2014.o"}
# What must be among the differences; of all others, that there are some.
WRONG = {
    "proposal-2014.o": {"regs.psw.mask at the call of handler", "r14 at the exit",
                        "mem[old.r15 + stack_frame.parent] at the exit"},
    "mcount-no-backchain.o": {"whether frame 1 of the back chain is the caller's at the call of handler"},
    "mcount-ip-adjust.o": {"r2 at the call of handler"},
    "caller-slot-r14.o": {"the return address in frame 2 of the back chain at the call of handler"},
    "no-traced-frame.o": {"the return address in frame 1 of the back chain at the call of handler"},
    "handler-variable.o": {"the target at the call of handler"},
    "regs-incomplete.o": {"regs.flags at the call of handler", "regs.psw.mask at the call of handler"},
    "psw-mask-ipm.o": {"regs.psw.mask at the call of handler"},
    "rethook-v14.o": {"regs.gprs[2] at the call of handler", "regs.gprs[15] at the call of handler"},
    "rethook-v15.o": {"r15 at the exit", "r2 at the exit"},
}  # fmt: skip


def compared(
    old: Path, new: Path, symbol: str | None = None, symbol_new: str | None = None, contract: str | None = None
) -> list[Finding]:
    options = pipeline.Options(symbol=symbol, contract=contract)
    pairs, _ = equivalence.choose(old, new, options, symbol_new)
    assert pairs
    return [finding for pair in pairs for finding in equivalence.compared(pair, options).findings]


def verdicts(findings: list[Finding]) -> set[Verdict]:
    return {finding.verdict for finding in findings}


def differing(findings: list[Finding]) -> set[str]:
    """What is refuted, and replayed."""
    return {
        str(finding.claim).removesuffix(" is the same")
        for finding in findings
        if finding.verdict is Verdict.REFUTED and finding.counterexample is not None
    }


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_every_object_is_equivalent_to_itself_and_to_a_copy(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "trampolines" / path.name
    copy.parent.mkdir()
    shutil.copy(path, copy)
    assert verdicts(compared(path, copy)) == {Verdict.PROVED}
    assert verdicts(compared(path, path)) == {Verdict.PROVED}


@cache
def findings_of(name: str) -> list[Finding]:
    return compared(ROOT / "repaired" / name, ROOT / "broken" / name)


@pytest.mark.parametrize("name", REPAIRED)
def test_a_bug_is_a_difference_and_both_sides_of_it_are_replayed(name: str) -> None:
    findings = findings_of(name)
    if name in SAME_BEHAVIOUR:
        assert verdicts(findings) == {Verdict.PROVED}
    else:
        assert differing(findings)
        assert Verdict.UNCONFIRMED not in verdicts(findings)


@pytest.mark.parametrize("name", WRONG)
def test_the_difference_is_what_was_wrong(name: str) -> None:
    assert WRONG[name] <= differing(findings_of(name))


# Builds ---------------------------------------------------------------------------------------------------------------


def built(directory: Path, name: str, select: str, *, expoline: bool = True) -> Path:
    source = directory / f"{name}.s"
    lines = [f".equ EXPOLINE, {int(expoline)}", '.include "body-6.12.inc"', f'.include "select-{select}.inc"',
             "plain_caller", "thunk 1"]  # fmt: skip
    source.write_text("".join(f"\t{line}\n" for line in lines), encoding="utf-8")
    return assembler.available()[0].assemble(source, directory / f"{name}.o")


def test_the_builds_for_two_machines_are_equivalent(tmp_path: Path) -> None:
    old, new = built(tmp_path, "z10", "z10"), built(tmp_path, "z196", "z196")
    assert verdicts(compared(old, new, "ftrace_caller", contract=PLAIN)) == {Verdict.PROVED}


def test_with_and_without_expolines_are_equivalent(tmp_path: Path) -> None:
    old, new = built(tmp_path, "off", "z196", expoline=False), built(tmp_path, "on", "z196")
    assert verdicts(compared(old, new, "ftrace_caller", contract=PLAIN)) == {Verdict.PROVED}


def test_a_thunk_of_this_object_and_of_another_are_equivalent() -> None:
    findings = compared(ROOT / "ftrace-6.12.o", ROOT / "ftrace-6.12-extern-thunk.o", "ftrace_regs_caller")
    assert verdicts(findings) == {Verdict.PROVED}
    assert "__s390_indirect_jump_r1, of another object, obeys linux/expoline" in findings[0].assumptions
    assert "both objects mean the same by the name of a global symbol" in findings[0].assumptions


# Linked images --------------------------------------------------------------------------------------------------------

STUBS = """
	.data
	.skip {pad}
	.globl ftrace_func, function_trace_op
	.type ftrace_func, @object
	.type function_trace_op, @object
ftrace_func: .quad ftrace_stub
	.size ftrace_func, 8
function_trace_op: .quad 0
	.size function_trace_op, 8
	.text
	.skip {pad}
	.globl prepare_ftrace_return, ftrace_stub
	.type prepare_ftrace_return, @function
	.type ftrace_stub, @function
prepare_ftrace_return: br %r14
	.size prepare_ftrace_return, . - prepare_ftrace_return
ftrace_stub: br %r14
	.size ftrace_stub, . - ftrace_stub
"""


def linked(directory: Path, name: str, obj: Path, base: int) -> Path:
    """An image in which variables and functions lie elsewhere than in one of another base."""
    linker = shutil.which("s390x-linux-gnu-ld")
    assert linker is not None, "install s390x-linux-gnu-ld (binutils-s390x-linux-gnu)"
    source = directory / f"{name}.s"
    source.write_text(STUBS.format(pad=base >> 16), encoding="utf-8")
    stubs = assembler.available()[0].assemble(source, directory / f"{name}.o")
    output = directory / f"{name}.elf"
    command = [linker, f"-Ttext={base:#x}", "-e", "ftrace_caller", "-o", str(output), str(stubs), str(obj)]
    subprocess.run(command, check=True, capture_output=True)
    return output


def test_an_object_and_two_images_of_it_are_equivalent(tmp_path: Path) -> None:
    obj, contract = ROOT / "ftrace-6.12.o", "linux-6.12/ftrace_regs_caller"
    one, two = linked(tmp_path, "one", obj, 0x100000), linked(tmp_path, "two", obj, 0x300000)
    for old, new in ((one, two), (obj, one), (two, obj)):
        findings = compared(old, new, "ftrace_regs_caller", contract=contract)
        assert verdicts(findings) == {Verdict.PROVED}, (old, new)


def test_two_images_differ_and_both_are_replayed(tmp_path: Path) -> None:
    contract = "linux-6.12/ftrace_regs_caller"
    one = linked(tmp_path, "one", ROOT / "ftrace-6.12.o", 0x100000)
    two = linked(tmp_path, "two", ROOT / "broken" / "psw-mask-ipm.o", 0x300000)
    findings = compared(one, two, "ftrace_regs_caller", contract=contract)
    assert differing(findings) == {"regs.psw.mask at the call of handler"}


# Twins ----------------------------------------------------------------------------------------------------------------


def test_the_twins_of_6_12_differ_in_the_flags() -> None:
    path = ROOT / "ftrace-6.12.o"
    findings = compared(path, path, "ftrace_caller", "ftrace_regs_caller")
    assert differing(findings) == {"regs.flags at the call of handler"}


def test_the_twins_of_6_12_differ_in_the_psw_mask_too_where_the_contract_lists_it() -> None:
    path = ROOT / "ftrace-6.12.o"
    findings = compared(path, path, "ftrace_caller", "ftrace_regs_caller", "linux-6.12/ftrace_regs_caller")
    assert differing(findings) == {"regs.flags at the call of handler", "regs.psw.mask at the call of handler"}


def test_the_alias_of_3_18_is_one_routine() -> None:
    path = ROOT / "ftrace-3.18.o"
    assert verdicts(compared(path, path, "ftrace_caller", "ftrace_regs_caller")) == {Verdict.PROVED}


def test_the_twins_of_the_r14_protocol_share_a_body_and_are_one_to_a_plain_handler() -> None:
    path = ROOT / "mcount-ftrace_regs_caller.o"
    contract = "linux-mcount/ftrace_caller"
    assert verdicts(compared(path, path, "ftrace_caller", "ftrace_regs_caller", contract)) == {Verdict.PROVED}


def test_the_plain_caller_of_the_r14_protocol_keeps_another_r14() -> None:
    """Behind the call the traced function loads r14 from its slot, so the contract lets it be either."""
    old, new = ROOT / "mcount-ftrace_caller.o", ROOT / "mcount-ftrace_regs_caller.o"
    findings = compared(old, new, "ftrace_caller", "ftrace_regs_caller", "linux-mcount/ftrace_caller")
    assert differing(findings) == {"r14 at the exit"}


def test_a_patch_site_that_is_missing_shows_where_it_is_switched_on(tmp_path: Path) -> None:
    """The graph tracer is called on one side only."""
    source = tmp_path / "none.s"
    text = (ROOT / "include" / "body-6.12.inc").read_text(encoding="utf-8")
    text = text.replace("ftrace_graph_caller\\inner:", "ftrace_no_graph\\inner:").replace(
        "ftrace_graph_caller\n", "ftrace_x\n"
    )
    (tmp_path / "body-x.inc").write_text(text, encoding="utf-8")
    lines = [f'.include "{tmp_path}/body-x.inc"', '.include "select-z196.inc"', "plain_caller", "thunk 1"]
    source.write_text("".join(f"\t{line}\n" for line in lines), encoding="utf-8")
    new = assembler.available()[0].assemble(source, tmp_path / "none.o")
    old = built(tmp_path, "old", "z196")
    findings = compared(old, new, "ftrace_caller", contract=PLAIN)
    assert differing(findings) == {"call 2"}
    (finding,) = findings
    assert finding.path is not None
    assert "graph switched on" in finding.path
