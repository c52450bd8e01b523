"""BPF trampolines: their contracts against a table from the kernel's sources, as bare code, and ways to a wrong proof.

The objects themselves are in the tables of test_trampolines.py, test_matrix.py and tests/mutation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler, bpf
from tests.command import ROOT, verify
from verify import library, pipeline
from verify.contracts.layout import load_layout
from verify.contracts.load import load_contract
from verify.objfile.elf import load
from verify.report.report import FileReport
from verify.verdict import Exit, Verdict

MODELS = library.library("models")
TRAMPOLINES = ROOT / "trampolines"
BASE = 0x3FF8_0012_3456 & ~1
EXAMPLES = {
    "bpf-fentry": "bpf/fentry",
    "bpf-fexit": "bpf/fexit",
    "bpf-fexit-shared": "bpf/fexit",
    "bpf-fmod_ret": "bpf/fmod_ret",
    "bpf-struct_ops": "bpf/struct_ops",
    "bpf-struct_ops_void": "bpf/struct_ops_void",
}


def verdicts(report: FileReport, prop: str | None) -> set[Verdict]:
    return {one.verdict for one in report.findings() if one.property == prop}


def failing(report: FileReport) -> set[str | None]:
    return {one.property for one in report.findings() if one.verdict is not Verdict.PROVED}


def numbers(path: Path) -> dict[str, int]:
    """The absolute symbols of an object, which bare code does not have."""
    return {
        one.name: one.absolute for one in load(path).symbols if one.absolute is not None and one.binding == "global"
    }


def dumped(path: Path, tmp_path: Path) -> Path:
    """The code of an object's only section, as a JIT compiler leaves it in storage."""
    (routine,) = load(path).routines()
    assert routine.place is not None
    found = tmp_path / f"{path.stem}.bin"
    found.write_bytes(load(path).code(routine.place, routine.size))
    return found


def proved_raw(path: Path, contract: str, let: dict[str, int], base: int = BASE) -> FileReport:
    options = pipeline.Options(raw=True, base=base, contract=contract, let=tuple(let.items()))
    return pipeline.prove_file(path, options)


def assembled(tmp_path: Path, macro: str, knobs: str = "", nr_args: int = 3) -> Path:
    source = tmp_path / "changed.s"
    text = f'\t.equ NR_ARGS, {nr_args}\n{knobs}\n\t.include "body-bpf.inc"\n\t{macro}\n'
    source.write_text(text, encoding="utf-8")
    return assembler.available()[0].assemble(source, tmp_path / "changed.o")


def proved(path: Path, contract: str) -> FileReport:
    return pipeline.prove_file(path, pipeline.Options(contract=contract))


# The models against the kernel's sources ------------------------------------------------------------------------------


def test_the_layout() -> None:
    """struct prog_frame: tail_call_cnt, 4 bytes at 64. bpf_get_func_ip and bpf_get_func_arg_cnt read at ctx - 16 and
    ctx - 8. struct bpf_tramp_run_ctx. MAX_BPF_FUNC_ARGS is 12.
    """
    layout = load_layout(MODELS, "linux-6.12-bpf")
    frame, plain = layout.structs["stack_frame"], load_layout(MODELS, "s390x-linux-kernel").structs["stack_frame"]
    count = frame.field("tail_call_cnt")
    assert (count.at, count.size) == (64, 4)
    assert {name: field for name, field in frame.fields.items() if name != "tail_call_cnt"} == plain.fields
    assert (frame.size, frame.ranges) == (plain.size, plain.ranges)
    context = layout.structs["bpf_context"]
    at = context.field("args[0]").at
    assert (context.field("ip").at - at, context.field("arg_cnt").at - at) == (-16, -8)
    assert context.fields["args"].count == 12
    run = layout.structs["bpf_tramp_run_ctx"]
    assert (run.size, run.field("bpf_cookie").at, run.field("saved_run_ctx").at) == (16, 0, 8)
    assert layout.constants["S390X_PATCH_SIZE"] == 6
    assert layout.constants["STACK_FRAME_OVERHEAD"] == frame.size == 160
    assert layout.structs["pt_regs"] == load_layout(MODELS, "linux-6.12").structs["pt_regs"]


# By flags of kernel/bpf/trampoline.c and bpf_struct_ops.c: where it goes, what r2 is, whom it calls besides programs.
RESUME, PARENT = "pc == resume", "pc == old.r14"
PROTOCOLS = {
    "bpf/fentry": (RESUME, None, set()),
    "bpf/fexit": (PARENT, "r2 == original.result", {"tramp_enter", "original", "tramp_exit"}),
    "bpf/fmod_ret": (
        PARENT, "r2 == (original.result if called(original) else mod_ret.result)",
        {"tramp_enter", "original", "tramp_exit", "mod_ret"},
    ),
    "bpf/struct_ops": (PARENT, "r2 == prog.result", set()),
    "bpf/struct_ops_void": (PARENT, None, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", bpf.CONTRACTS)
def test_each_contract_ends_as_its_flags_say(name: str) -> None:
    assert set(PROTOCOLS) == set(bpf.CONTRACTS)
    contract, (end, result, calls) = load_contract(MODELS, name), PROTOCOLS[name]
    assert [claim.that.text for claim in contract.claims["psw-redirect"]] == [end]
    assert [claim.that.text for claim in contract.claims.get("return-value", ())] == ([result] if result else [])
    assert {call.name for call in contract.calls} == calls | {"enter", "prog", "exit"}
    assert contract.preserves == ("r6-r13", "r15")
    restored = [f"given.nr_args <= {n} or r{2 + n} == old.r{2 + n}" for n in range(5)] if name == "bpf/fentry" else []
    assert [claim.that.text for claim in contract.claims["callee-saved"]] == ["r14 == old.r14", *restored]
    assert contract.values["resume"].text == (
        "old.r0 if given.orig_stack != 0 else given.func + const.S390X_PATCH_SIZE"
    )


def test_only_the_variants_that_look_for_recursion_may_refuse_a_program() -> None:
    for name in bpf.CONTRACTS:
        (enter,) = (call for call in load_contract(MODELS, name).calls if call.name == "enter")
        assert [one.text for one in enter.ensures] == (["enter.result != 0"] if name == "bpf/struct_ops" else [])


# Bare code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bytes_alone_are_proved_at_any_address(name: str, tmp_path: Path) -> None:
    path = TRAMPOLINES / f"{name}.o"
    known, code = numbers(path), dumped(path, tmp_path)
    for base in (BASE, 0x1_0000, 0xFFFF_FFFF_FFF0_0000):
        found = proved_raw(code, EXAMPLES[name], known, base)
        assert {one.verdict for one in found.findings()} == {Verdict.PROVED}
        assert len(found.findings()) == len(proved(path, EXAMPLES[name]).findings())


@pytest.mark.parametrize("name", bpf.BUGS)
def test_the_bugs_are_found_in_the_bytes_alone(name: str, tmp_path: Path) -> None:
    path = TRAMPOLINES / f"broken/{name}.o"
    contract = "bpf/fentry" if name == "bpf-no-backchain" else "bpf/fexit"
    found = proved_raw(dumped(path, tmp_path), contract, numbers(path))
    assert bpf.BUGS[name] <= failing(found) <= bpf.BUGS[name] | bpf.CONSEQUENCES.get(name, set())
    assert {one.verdict for one in found.findings()} == {Verdict.PROVED, Verdict.REFUTED}


def test_the_command_line(tmp_path: Path) -> None:
    path = TRAMPOLINES / "bpf-fentry.o"
    code = dumped(path, tmp_path)
    let = [part for name, number in numbers(path).items() for part in ("--let", f"{name}={number:#x}")]
    done = verify("prove", "--raw", "--base", hex(BASE), "--contract", "bpf/fentry", "--symbol", "mine", *let, code)
    assert done.code == 0, done.out + done.err
    assert "mine under bpf/fentry" in done.out
    without = verify("prove", "--raw", "--base", hex(BASE), "--contract", "bpf/fentry", code)
    assert without.code == Exit.BAD_INPUT
    assert f"{code}: contract bpf/fentry must be given func and nr_args, with --let" in without.out


def test_a_callee_that_nothing_names_is_unsupported(tmp_path: Path) -> None:
    path = TRAMPOLINES / "bpf-fexit.o"
    known, code = numbers(path), dumped(path, tmp_path)
    for name in ("bpf_prog_first", "bpf_prog_second", "__bpf_prog_enter_recur", "__bpf_prog_exit_recur"):
        rest = {one: number for one, number in known.items() if one != name}
        found = proved_raw(code, "bpf/fexit", rest)
        assert verdicts(found, None) == {Verdict.UNSUPPORTED}
        assert Verdict.PROVED not in {one.verdict for one in found.findings()}
        assert any("which nothing names" in one.message and "--let" in one.message for one in found.findings())
        assert any(f"{known[name]:#x}" in one.message for one in found.findings())


def test_the_image_is_taken_down(tmp_path: Path) -> None:
    """The no-operation behind the call of the function becomes a jump past the programs to __bpf_tramp_exit."""
    path = TRAMPOLINES / "bpf-fexit.o"
    site = {one.name: one.place for one in load(path).symbols}["bpf_image_nop"]
    assert site is not None
    known, code = numbers(path), dumped(path, tmp_path)
    known = {name: number for name, number in known.items() if name != "bpf_prog_second"}
    remark = "no patch site image (bpf_image_nop) in this object"
    for let, told in ((known, True), (known | {"bpf_image_nop": BASE + site.offset}, False)):
        (routine,) = proved_raw(code, "bpf/fexit", let).routines
        assert (remark in routine.remarks) is told
    # bytes of the state itself, in which the second program is not reached any more
    good = code.read_bytes()
    assert good[site.offset : site.offset + 2] == bytes.fromhex("c004")
    code.write_bytes(good[: site.offset] + bytes.fromhex("c0f4") + good[site.offset + 2 :])
    found = proved_raw(code, "bpf/fexit", known)
    assert {one.verdict for one in found.findings()} == {Verdict.PROVED}


def test_a_wrong_end_of_an_image_that_is_taken_down_is_found(tmp_path: Path) -> None:
    """The jump goes behind the call of __bpf_tramp_exit: right as long as nobody patches it."""
    path = TRAMPOLINES / "bpf-fexit.o"
    site = {one.name: one.place for one in load(path).symbols}["bpf_image_nop"]
    assert site is not None
    known, code = numbers(path), dumped(path, tmp_path)
    good = bytearray(code.read_bytes())
    distance = int.from_bytes(good[site.offset + 2 : site.offset + 6], "big")
    good[site.offset + 2 : site.offset + 6] = (distance + 15).to_bytes(4, "big")  # halfwords: 12 + 12 + 6 bytes
    code.write_bytes(good)
    known |= {"bpf_image_nop": BASE + site.offset}
    found = proved_raw(code, "bpf/fexit", known)
    assert Verdict.REFUTED in verdicts(found, "handler-arguments")
    unpatched = {name: number for name, number in known.items() if name != "bpf_image_nop"}
    assert {one.verdict for one in proved_raw(code, "bpf/fexit", unpatched).findings()} == {Verdict.PROVED}


# What is given, wrong.
WRONG = {
    "another function": ({"func": 0x3FF_8010_0010}, "psw-redirect"),
    "more arguments": ({"nr_args": 4}, "handler-arguments"),
    "fewer arguments": ({"nr_args": 2}, "handler-arguments"),
    "the flag for where it goes on": ({"orig_stack": 1}, "psw-redirect"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_given_decides(name: str, tmp_path: Path) -> None:
    path = TRAMPOLINES / "bpf-fentry.o"
    change, prop = WRONG[name]
    found = proved_raw(dumped(path, tmp_path), "bpf/fentry", numbers(path) | change)
    assert Verdict.REFUTED in verdicts(found, prop)


def test_what_is_not_given_has_its_default(tmp_path: Path) -> None:
    path = TRAMPOLINES / "bpf-struct_ops.o"
    known = {name: number for name, number in numbers(path).items() if name not in ("func", "ip_arg", "orig_stack")}
    found = proved_raw(dumped(path, tmp_path), "bpf/struct_ops", known)
    assert {one.verdict for one in found.findings()} == {Verdict.PROVED}


def test_an_object_without_the_numbers_is_told(tmp_path: Path) -> None:
    done = verify("prove", "--contract", "bpf/fentry", "--symbol", "ftrace_caller", TRAMPOLINES / "ftrace-6.12.o")
    assert done.code == Exit.BAD_INPUT
    assert "contract bpf/fentry must be given func and nr_args, as absolute symbols" in done.out


# What callees may do --------------------------------------------------------------------------------------------------

FEXIT = "fexit bpf_trampoline_fexit"


def test_what_programs_are_entered_with_may_not_overlap_what_is_kept(tmp_path: Path) -> None:
    """__bpf_prog_enter writes struct bpf_tramp_run_ctx: over the saved r7 and r8, the result, or the context."""
    for knob, props in (
        (".equ RUN_CTX_AT, 176", {"callee-saved"}),
        (".equ RUN_CTX_AT, 192", {"regs-honoured", "handler-arguments"}),
        (".equ RUN_CTX_AT, 216", {"handler-arguments"}),
    ):
        found = proved(assembled(tmp_path, FEXIT, f"\t{knob}"), "bpf/fexit")
        assert {verdict for prop in props for verdict in verdicts(found, prop)} & {Verdict.REFUTED}, knob
    sound = proved(assembled(tmp_path, FEXIT, "\t.equ RUN_CTX_AT, 160"), "bpf/fexit")
    assert {one.verdict for one in sound.findings()} == {Verdict.PROVED}


def test_what_programs_are_entered_with_lies_in_the_own_frame(tmp_path: Path) -> None:
    """In the area that the callees themselves may use, and in the parent's frame."""
    for offset in (128, 152, 248, 256, 400):
        found = proved(assembled(tmp_path, FEXIT, f"\t.equ RUN_CTX_AT, {offset}"), "bpf/fexit")
        assert Verdict.REFUTED in verdicts(found, "call-abi"), offset


def test_a_program_that_must_not_run_does_not(tmp_path: Path) -> None:
    """Without the branch around it, and with it the wrong way round."""
    path = TRAMPOLINES / "bpf-fentry.o"
    code = dumped(path, tmp_path)
    good = code.read_bytes()
    branch = bytes.fromhex("c084")
    assert good.count(branch) == 1
    for wrong in ("c004", "c074"):
        code.write_bytes(good.replace(branch, bytes.fromhex(wrong)))
        assert Verdict.REFUTED in verdicts(proved_raw(code, "bpf/fentry", numbers(path)), "handler-arguments")


def test_a_program_that_was_entered_is_left(tmp_path: Path) -> None:
    """The last branch of the routine instead of the call of __bpf_prog_exit, and the second call left out."""
    for macro, replaced in (("fentry", "f_exit"), ("fexit", "x_exit")):
        source = (TRAMPOLINES / "include/body-bpf.inc").read_text(encoding="utf-8")
        assert source.count("call\t__bpf_prog_exit\\recur") == 1
        (tmp_path / "lost.inc").write_text(source.replace("call\t__bpf_prog_exit\\recur", "nopr"), encoding="utf-8")
        (tmp_path / "lost.s").write_text(
            f'\t.equ NR_ARGS, 2\n\t.include "{tmp_path}/lost.inc"\n\t{macro} {replaced}\n', encoding="utf-8"
        )
        built = assembler.available()[0].assemble(tmp_path / "lost.s", tmp_path / "lost.o")
        found = proved(built, f"bpf/{macro}")
        assert Verdict.REFUTED in verdicts(found, "handler-arguments")
        assert any("count(enter)" in (one.claim or "") for one in found.findings())


def test_a_program_does_not_run_after_it_was_left(tmp_path: Path) -> None:
    source = (TRAMPOLINES / "include/body-bpf.inc").read_text(encoding="utf-8")
    left = "call\t__bpf_prog_exit\\recur"
    again = f"{left}\n\tltgr %r7, %r7\n\tjgz 5f\n\tload %r1, \\prog\n\tla %r2, CONTEXT(%r15)\n\tcall_r1\n5:"
    (tmp_path / "again.inc").write_text(source.replace(left, again), encoding="utf-8")
    text = f'\t.equ NR_ARGS, 2\n\t.include "{tmp_path}/again.inc"\n\tfentry again\n'
    (tmp_path / "again.s").write_text(text, encoding="utf-8")
    built = assembler.available()[0].assemble(tmp_path / "again.s", tmp_path / "again.o")
    assert failing(proved(built, "bpf/fentry")) == {"handler-arguments"}


def test_the_tail_call_counter_is_four_bytes(tmp_path: Path) -> None:
    """Three of them handed back are not enough."""
    path = TRAMPOLINES / "bpf-fexit.o"
    known, code = numbers(path), dumped(path, tmp_path)
    good = code.read_bytes()
    last = good.rindex(bytes.fromhex("d203"))
    code.write_bytes(good[:last] + bytes.fromhex("d202") + good[last + 2 :])
    assert verdicts(proved_raw(code, "bpf/fexit", known), "regs-honoured") == {Verdict.REFUTED}


def test_the_report_says_what_programs_may_do() -> None:
    found = proved(TRAMPOLINES / "bpf-fentry.o", "bpf/fentry")
    assumed = {text for one in found.findings() for text in one.assumptions}
    frames = "of the frames of the routine and its caller"
    assert f"prog (bpf_prog_*) writes nothing {frames}" in assumed
    assert f"enter (__bpf_prog_enter*) writes bpf_tramp_run_ctx at r3 {frames}" in assumed
    assert f"exit (__bpf_prog_exit*) writes bpf_tramp_run_ctx at r4 {frames}" in assumed
    found = proved(TRAMPOLINES / "bpf-struct_ops.o", "bpf/struct_ops")
    assert "enter.result != 0 when enter returns" in {text for one in found.findings() for text in one.assumptions}


# Mistakes in what these contracts are written in ----------------------------------------------------------------------


TRAMPOLINE, TAIL = "bpf/trampoline", '"stack_frame.tail_call_cnt"'
MISTAKES = {
    "a call known by both": (TRAMPOLINE, 'named   = ["__bpf_prog_enter*"]', 'named = ["x"]\nto = "any"', "not by both"),
    "a struct that is none": (TRAMPOLINE, '{ r3 = "bpf_tramp_run_ctx" }', '{ r3 = "run_ctx" }', "'run_ctx'"),
    "a register that is none": (TRAMPOLINE, '{ r4 = "bpf_tramp_run_ctx" }', '{ r17 = "bpf_tramp_run_ctx" }', "'r17'"),
    "a slot that is none": ("bpf/fexit", f"tail_call_cnt = {TAIL}", 'tail_call_cnt = "stack_frame.tail"', "save area"),
    "a slot elsewhere": ("bpf/fexit", f"tail_call_cnt = {TAIL}", 'tail_call_cnt = "pt_regs.flags"', "save area"),
    "a number that nobody gives": ("bpf/fentry", '"pc == resume"', '"pc == given.fun"', "'fun' is not among [given]"),
    "a given thing without a word": (TRAMPOLINE, "ip_arg     = 0", "ip_arg     = true", "'ip_arg'"),
    "a call that is none": (TRAMPOLINE, '"count(enter) == count(exit) + 1"', '"count(entry) == 1"', "'entry'"),
    "what no call leaves": ("bpf/fexit", "original.tail_call_cnt", "original.tail_call", "original.tail_call"),
    "a number for a statement": (TRAMPOLINE, '"count(enter) == count(exit) + 1"', '"count(enter)"', "statement"),
    "a promise that is a number": ("bpf/struct_ops", '"enter.result != 0"', '"enter.result"', "statement"),
    "no list of statements": (TRAMPOLINE, '["count(enter) == count(exit) + 1"]', '"count(enter) == 1"', "list"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_file_and_line(name: str, models: Path) -> None:
    file, old, new, word = MISTAKES[name]
    path = models / f"{file}.toml"
    text = path.read_text(encoding="utf-8").replace("named    =", "named   =")
    assert text.count(old) == 1, (old, text.count(old))
    path.write_text(text.replace(old, new), encoding="utf-8")
    contract = "bpf/fentry" if file == TRAMPOLINE else file
    done = verify("prove", "--contract", contract, TRAMPOLINES / "bpf-fexit.o")
    assert (done.code, done.out) == (Exit.BAD_INPUT, "")
    (line,) = done.err.splitlines()
    at = text[: text.index(old)].count("\n") + 1
    assert line.startswith((f"verify: {path}:{at}: ", f"verify: {path}:{at + 1}: ")), line
    assert word in line


def test_a_contract_that_says_nothing_of_these_is_as_before() -> None:
    for name in ("linux-6.12/ftrace_caller", "abi/s390x-elf"):
        contract = load_contract(MODELS, name, None, name.split("/")[1])
        assert not contract.given
        assert all(
            (call.named, call.requires, call.ensures, call.into, call.leaves, call.kept) == ((), (), (), {}, {}, ())
            for call in contract.calls
        )
