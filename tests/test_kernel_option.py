"""`verify prove --kernel`, and objects that say themselves which kernel they are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from tests.command import ROOT, verify
from verify import pipeline
from verify.objfile.banner import kernel_of
from verify.objfile.elf import load
from verify.verdict import Exit, Verdict

TRAMPOLINES = ROOT / "trampolines"
STUB = (
    "\t.text\n\t.globl ftrace_stub\n\t.type ftrace_stub, @function\n"
    "ftrace_stub:\tbr %r14\n\t.size ftrace_stub, . - ftrace_stub\n"
)
BANNER = (
    "\t.section .rodata\n\t.globl linux_banner\n\t.type linux_banner, @object\n\t.quad 1\n"
    'linux_banner:\t.asciz "{}"\n\t.size linux_banner, . - linux_banner\n'
)
UNBUILT = "no claim of expoline: nothing in this file knows a thunk"
MODINFO = '\t.section .modinfo, "a"\n\t.asciz "license=GPL"\n\t.asciz "vermagic={} SMP mod_unload "\n'


@pytest.fixture
def made(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


class Maker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, text: str) -> Path:
        source = self.folder / "made.s"
        source.write_text(text, encoding="utf-8")
        return assembler.available()[0].assemble(source, self.folder / "made.o")


@pytest.mark.parametrize(
    ("name", "kernel", "contract"),
    [
        ("mcount-2.6.29", "2.6.30", "linux-2.6.29/_mcount"),
        ("mcount-2.6.31", "2.6.33.20", "linux-2.6.31/ftrace_caller"),
        ("mcount-2.6.34", "3.4.113", "linux-2.6.34/ftrace_caller"),
        ("mcount-ftrace_caller", "3.14", "linux-mcount/ftrace_caller"),
        ("ftrace-3.18", "3.18", "linux-3.18/ftrace_caller"),
        ("ftrace-5.14", "5.15", "linux-5.14/ftrace_caller"),
        ("ftrace-6.12-extern-thunk", "6.1", "linux-6.12/ftrace_caller"),
        ("ftrace-6.14", "6.18", "linux-6.14/ftrace_caller"),
        ("return_to_handler-2.6.31", "4.4", "linux-2.6.31/return_to_handler"),
        ("return_to_handler-6.5", "6.8", "linux-6.5/return_to_handler"),
    ],
)
def test_the_contract_is_that_of_the_kernel(name: str, kernel: str, contract: str) -> None:
    done = verify("prove", TRAMPOLINES / f"{name}.o", "--kernel", kernel)
    assert done.code == 0, done.out
    assert f"under {contract} (Linux {kernel} by --kernel)" in done.out


def test_a_kernel_that_is_asked_for_comes_before_claims() -> None:
    """3.12 wants the call's address as ip; the object gives what follows it."""
    done = verify("prove", TRAMPOLINES / "mcount-2.6.34.o", "--kernel", "3.12")
    assert done.code == 1
    assert "refuted      handler-arguments" in done.out
    assert "claimed" not in done.out


def test_where_several_contracts_are_left_they_are_listed() -> None:
    done = verify("prove", TRAMPOLINES / "ftrace-4.0-mcount.o", "--kernel", "4.3")
    assert done.code == 2
    assert "ftrace_regs_caller of Linux 4.3 may be held to any of these; choose one with --contract" in done.out
    for line in (
        "linux-4.0/ftrace_caller (4.0 to 5.3; not stable releases from 4.4.215, 4.9.215, 4.14.172, 4.19.105): "
        "ftrace_caller of a hotpatch or nop-mcount build",
        "linux-4.0/ftrace_caller-mcount (4.0",
    ):
        assert line in done.out


def test_the_other_routines_of_the_file_are_proved() -> None:
    """What is not clear of one routine is an error of that one: bad usage, for which the exit code stands."""
    path = TRAMPOLINES / "ftrace-5.7-mcount.o"
    options = pipeline.Options(kernel="5.10")
    report = pipeline.prove_file(path, options)
    (refused,) = report.troubles
    assert (refused.verdict, refused.routine) == (Verdict.ERROR, None)
    assert "ftrace_regs_caller of Linux 5.10 may be held to any of these" in refused.message
    assert "linux-5.7/ftrace_caller-mcount" in refused.message
    (thunk,) = report.routines
    assert thunk.routine == "__s390_indirect_jump_r1"
    assert {one.verdict for one in thunk.findings} == {Verdict.PROVED}
    whole = pipeline.prove([path, TRAMPOLINES / "expoline.o"], options)
    assert whole.exit_code() is Exit.BAD_INPUT
    assert whole.files[0] == report
    assert len(whole.files[1].routines) == 15


def test_one_of_them_is_chosen_and_the_rest_of_the_file_by_the_kernel() -> None:
    path = TRAMPOLINES / "ftrace-5.7-mcount.o"
    done = verify("prove", path, "--kernel", "5.10", "--contract", "linux-5.7/ftrace_caller-mcount")
    assert done.code == 0, done.out
    assert "ftrace_regs_caller under linux-5.7/ftrace_caller-mcount" in done.out
    assert "__s390_indirect_jump_r1 under linux/expoline (Linux 5.10 by --kernel)" in done.out
    other = verify("prove", path, "--kernel", "5.10", "--contract", "linux-5.7/ftrace_caller")
    assert other.code == 1, "the hotpatch build's contract wants r0 itself as where to continue"


def test_a_kernel_never_borrows_the_contract_of_another() -> None:
    done = verify("prove", TRAMPOLINES / "ftrace-5.14.o", "--kernel", "5.12")
    assert done.code == 2
    assert "no contract for ftrace_regs_caller is for Linux 5.12, only these:" in done.out
    assert "linux-5.14/ftrace_caller (5.14 to 5.15)" in done.out
    chosen = verify(
        "prove", TRAMPOLINES / "ftrace-5.14.o", "--kernel", "5.12", "--contract", "linux-5.14/ftrace_caller"
    )
    assert chosen.code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kernel", "next"), "'next' is not a kernel version"),
        (("--kernel", "5.10", "--contract", "abi/s390x-linux-kernel"), "names no kernels: give it, or --kernel"),
    ],
)
def test_what_cannot_be_asked_for(arguments: tuple[str, ...], words: str) -> None:
    done = verify("prove", TRAMPOLINES / "ftrace-3.18.o", *arguments)
    assert done.code == 2
    assert words in done.err


def test_an_image_says_itself_which_kernel_it_is_of(made: Maker) -> None:
    path = made(STUB + BANNER.format("Linux version 4.4.100-7-default (a@b) (gcc) #1 SMP"))
    assert kernel_of(load(path)) == ("4.4.100-7-default", "banner")
    done = verify("prove", path)
    assert "under linux-2.6.29/ftrace_stub (Linux 4.4.100-7-default by its banner)" in done.out
    assert done.code == 0
    asked = verify("prove", path, "--kernel", "6.1")
    assert "under linux-5.18/ftrace_stub (Linux 6.1 by --kernel)" in asked.out
    assert asked.code == 0, asked.out
    assert UNBUILT in asked.out
    assert "expoline  " not in asked.out
    demanded = verify("prove", path, "--kernel", "6.1", "--select", "expoline")
    assert demanded.code == 1
    assert "refuted      expoline" in demanded.out


def test_an_object_that_knows_a_thunk_uses_it(made: Maker) -> None:
    """A build with CONFIG_EXPOLINE: every BR_EX of its assembly refers to a thunk."""
    path = made(STUB + "\t.section .data\n\t.quad __s390_indirect_jump_r1\n")
    done = verify("prove", path, "--kernel", "6.1")
    assert done.code == 1
    assert "refuted      expoline" in done.out
    assert UNBUILT not in done.out


def test_a_module_by_its_vermagic(made: Maker) -> None:
    path = made(STUB + MODINFO.format("3.0.101-0.47-default"))
    assert kernel_of(load(path)) == ("3.0.101-0.47-default", "vermagic")
    assert "(Linux 3.0.101-0.47-default by its vermagic)" in verify("prove", path).out


@pytest.mark.parametrize(
    "rest", ["", BANNER.format("Linux release 5.10"), MODINFO.format("next"), BANNER.format("Linux version 2.4.31")]
)
def test_an_object_that_names_no_kernel_gets_the_plain_contract(rest: str, made: Maker) -> None:
    done = verify("prove", made(STUB + rest))
    assert "under abi/s390x-" in done.out
    assert "(no claim" in done.out


def test_a_claim_comes_before_what_an_object_says(made: Maker, tmp_path: Path) -> None:
    path = made(STUB + BANNER.format("Linux version 2.6.32 (a@b)"))
    claimed = tmp_path / "trampolines/stubs-6.3.o"
    claimed.parent.mkdir()
    claimed.write_bytes(path.read_bytes())
    assert "under linux-5.18/ftrace_stub (claimed in proofs/trampolines.toml)" in verify("prove", claimed).out


def test_the_contracts_of_a_kernel_are_listed() -> None:
    everything, old = verify("list", "contracts").out, verify("list", "contracts", "--kernel", "2.6.32").out
    assert set(old.splitlines()) < set(everything.splitlines())
    assert {line.split()[0] for line in old.splitlines() if "-31" not in line.split()[0]} == {
        "linux-2.6.29/ftrace_stub", "linux-2.6.31/_mcount", "linux-2.6.31/_mcount-graph", "linux-2.6.31/ftrace_caller",
        "linux-2.6.31/return_to_handler",
    }  # fmt: skip
    assert "(2.6.31 to 2.6.33)" in old
    done = verify("list", "layouts", "--kernel", "5.10")
    assert (done.code, "chooses among contracts" in done.err) == (2, True)
    done = verify("list", "contracts", "--kernel", "?")
    assert (done.code, "not a kernel version" in done.err) == (2, True)


def test_a_label_at_the_end_of_one_routine_hides_not_the_next(made: Maker) -> None:
    """mcount.S has ftrace_shared_hotpatch_trampoline_br_end where, without padding, the next part begins."""
    name = "ftrace_shared_hotpatch_trampoline"
    path = made(
        f"\t.text\n\t.globl {name}_br, {name}_br_end, {name}_exrl\n"
        f"{name}_br:\tlmg %r0, %r1, 2(%r1)\n\tbr %r1\n{name}_br_end:\n"
        f"{name}_exrl:\tlmg %r0, %r1, 2(%r1)\n\texrl %r0, 0f\n\tj .\n0:\tbr %r1\n"
    )
    done = verify("prove", path, "--kernel", "6.12")
    assert done.code == 0, done.out
    assert f"{name}_br under linux-5.15/hotpatch_shared_br" in done.out
    assert "under linux-5.15/hotpatch_shared_exrl (Linux 6.12 by --kernel)" in done.out


@pytest.mark.parametrize(
    ("sample", "kernel", "contracts"),
    [
        ("ftrace-5.14", "5.14", {"linux-5.14/ftrace_caller"}),
        ("ftrace-5.16", "5.17", {"linux-5.16/ftrace_caller", "linux-5.16/ftrace_regs_caller"}),
    ],
)
def test_callers_of_a_build_for_machines_without_exrl(
    sample: str, kernel: str, contracts: set[str], made: Maker
) -> None:
    """Their thunk for r1 executes a branch in the lowcore, which those that use it assume, and no others."""
    source = (TRAMPOLINES / f"{sample}.s").read_text(encoding="utf-8")
    assert source.count("\n\tthunk\t1\n") == 1
    macro = (
        (TRAMPOLINES / "include/thunk-r1.inc").read_text(encoding="utf-8").replace('\t.include "function.inc"\n', "")
    )
    thunk = f"\n{macro}\tthunk_r1 __s390_indirect_jump_r1use_r1\n"
    path = made(
        source.replace("\n\tthunk\t1\n", thunk + "\t.set __s390_indirect_jump_r1, __s390_indirect_jump_r1use_r1\n")
    )
    report = pipeline.prove_file(path, pipeline.Options(kernel=kernel, select=("psw-redirect",)))
    assert {one.contract for one in report.routines} == contracts | {"linux-4.16/expoline_r1"}
    for finding in report.findings():
        assert finding.verdict is Verdict.PROVED
        assert "the lowcore holds the code 07f1 at br_r1_trampoline" in finding.assumptions
    plain = pipeline.prove_file(TRAMPOLINES / f"{sample}.o", pipeline.Options(select=("psw-redirect",)))
    assert not [text for finding in plain.findings() for text in finding.assumptions if "holds the code" in text]


def test_an_older_kernel_than_the_branch_in_the_lowcore(tmp_path: Path) -> None:
    """Where the measured struct lowcore has no such field, nothing is said of it."""
    header = tmp_path / "asm-offsets.h"
    fields = {"__PT_PSW": ("psw", 8), "__PT_GPRS": ("gprs", 24), "__PT_ORIG_GPR2": ("orig_gpr2", 152)}
    lines = [f"#define {name} {at} /* offsetof(struct pt_regs, {field}) */" for name, (field, at) in fields.items()]
    header.write_text("\n".join([*lines, "#define __PT_SIZE 184 /* sizeof(struct pt_regs) */", ""]), "utf-8")
    options = pipeline.Options(asm_offsets=header, kernel="4.4", contract="linux-4.0/ftrace_caller-mcount")
    (found,) = pipeline.prove_file(TRAMPOLINES / "ftrace-4.0-mcount.o", options).routines
    assert {one.verdict for one in found.findings} == {Verdict.PROVED}
