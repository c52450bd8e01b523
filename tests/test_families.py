"""Direct-call trampolines, hotpatch trampolines and PLTs, thunks with a scratch register, return probes, vdso wrappers
and the context switch: their contracts against tables written by hand from the kernel's sources, and the parts of the
contract language that came with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import assembler, families
from tests.contracts.test_layouts import at, expressions, numbers
from verify import library, pipeline
from verify.contracts.layout import load_layout
from verify.contracts.load import load_contract
from verify.contracts.registers import registers
from verify.contracts.schema import Contract
from verify.contracts.scope import Moment
from verify.errors import ContractError, UsageError
from verify.machine.term import Term
from verify.report.report import RoutineReport
from verify.verdict import Verdict

MODELS = library.library("models")
ROOT = Path(__file__).resolve().parents[1] / "trampolines"
OWN = [name for name in families.CONTRACTS if name != "linux-4.16/expoline_r1"]


def contract(name: str) -> Contract:
    return load_contract(MODELS, name, None, families.SYMBOL_FOR.get(name))


# What the contracts say -----------------------------------------------------------------------------------------------

ALL = frozenset(range(16))
INTERCEPTOR = "ftrace_hotpatch_trampoline.interceptor"
KERNEL_MODES = {"psw-mask", "program-mask", "fpc", "access-registers", "addressing-mode"}


@dataclass(frozen=True)
class Protocol:
    """Where control goes, what survives, whom it calls with what, and which modes stay."""

    exit: str
    kept: frozenset[int]
    callee: str | None = None
    arguments: dict[int, str] = field(default_factory=dict)
    modes: frozenset[str] = frozenset(KERNEL_MODES)
    grants: tuple[str, ...] = ("stack_frame.save_area",)
    unwind: tuple[str, ...] | None = None


def direct(callee: str, arguments: dict[int, str]) -> Protocol:
    """r1 is free; r14 in its slot of the caller's frame, where the unwinder finds it."""
    return Protocol("old.r0", ALL - {1}, callee, arguments, unwind=("old.r14",))


def intercepted(target: str, kept: frozenset[int] = ALL - {0, 1}) -> Protocol:
    """Not even the condition code changes, and nothing is written."""
    return Protocol(f"mem[{target}]", kept, modes=frozenset(KERNEL_MODES | {"condition-code"}), grants=())


def probe(handler: str) -> Protocol:
    """All registers are the handler's."""
    modes = frozenset({"fpc", "access-registers"})
    return Protocol("regs.psw.addr", frozenset(), handler, {2: "pointer(regs)"}, modes, unwind=("old.r14",))


PROTOCOLS = {
    "samples/direct": direct("my_direct_func", {2: "old.r2"}),
    "samples/direct_too": direct("my_direct_func", {2: "old.r2", 3: "old.r3", 4: "old.r4"}),
    "samples/direct_multi": direct("my_direct_func", {2: "old.r0"}),
    "samples/direct_modify": direct("my_direct_func1", {}),
    "samples/direct_multi_modify": direct("my_direct_func1", {2: "old.r0"}),
    "linux-5.15/hotpatch_trampoline": intercepted(f"old.pc + {INTERCEPTOR}"),
    "linux-5.15/hotpatch_shared_br": intercepted(f"record + {INTERCEPTOR}"),
    "linux-5.15/hotpatch_shared_exrl": intercepted(f"record + {INTERCEPTOR}"),
    "linux-3.18/ftrace_plt": intercepted("old.pc + ftrace_plt.target", ALL - {1}),
    "linux-6.3/bpf_plt": intercepted("old.pc + bpf_plt.target"),
    "linux/expoline_scratch": Protocol(
        "old.r7", ALL - {1}, modes=frozenset(KERNEL_MODES | {"condition-code"}), grants=()
    ),
    "linux-5.17/kretprobe_trampoline": probe("trampoline_probe_handler"),
    "linux-6.3/rethook_trampoline": probe("arch_rethook_trampoline_callback"),
    "linux/vdso": Protocol(
        "old.r14", frozenset(range(6, 14)), "__s390_vdso_getcpu",
        {2: "old.r2", 3: "old.r3", 4: "old.r4", 15: "mem[r15 + stack_frame.back_chain] == 0"},
        frozenset({"program-mask", "fpc-control", "thread-pointer", "psw-mask", "addressing-mode"}), (),
    ),
    **{
        f"linux-{name}": Protocol("mem[next_frame + stack_frame.gprs[8]]", frozenset())
        for name in ("5.10/__switch_to", "6.12/__switch_to_asm", "6.12/__switch_to_asm-canary")
    },
}  # fmt: skip
PROBES = ("linux-5.17/kretprobe_trampoline", "linux-6.3/rethook_trampoline")


def test_every_contract_has_its_protocol() -> None:
    assert set(PROTOCOLS) == set(OWN)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_contract_says_what_its_protocol_says(name: str) -> None:
    found, protocol = contract(name), PROTOCOLS[name]
    (claim,) = found.claims["psw-redirect"]
    assert (claim.that.text, claim.when) == (f"pc == {protocol.exit}", None)
    kept = {number for kind, number in registers(found.preserves) if kind == "r"}
    assert kept == protocol.kept
    assert set(found.mode or ()) == protocol.modes
    assert found.grants == protocol.grants
    assert (None if found.unwind is None else tuple(one.text for one in found.unwind)) == protocol.unwind
    assert found.writes == ()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_whom_it_calls_and_with_what(name: str) -> None:
    found, protocol = contract(name), PROTOCOLS[name]
    assert [call.to.text for call in found.calls if call.to] == (
        [f"symbol.{protocol.callee}"] if protocol.callee else []
    )
    for call in found.calls:
        assert {number: expr.text for number, expr in call.arguments.items()} == protocol.arguments


@pytest.mark.parametrize("name", PROBES)
def test_a_return_probe_gets_everything_and_may_change_all_but_the_stack_pointer(name: str) -> None:
    found = contract(name)
    assert found.handed is not None
    assert {path: expr.text for path, expr in found.handed.complete} == {
        "psw.mask": "old.psw.mask",
        "psw.addr": "old.pc",
        **{f"gprs[{n}]": f"old.r{n}" for n in range(16)},
    }
    (handler,) = found.calls
    assert set(handler.mutable) == {"regs.psw.mask", "regs.psw.addr", *[f"regs.gprs[{n}]" for n in range(15)]}
    wanted = {f"r{n} == regs.gprs[{n}]" for n in range(15)}
    assert {claim.that.text for claim in found.claims["regs-honoured"]} == wanted
    assert {claim.that.text for claim in found.claims["callee-saved"]} == wanted | {"r15 == old.r15"}
    assert [claim.that.text for claim in found.claims["mode-preserved"]] == ["psw.mask == regs.psw.mask"]


@pytest.mark.parametrize(
    ("name", "canary"),
    [
        ("linux-5.10/__switch_to", False),
        ("linux-6.12/__switch_to_asm", False),
        ("linux-6.12/__switch_to_asm-canary", True),
    ],
)
def test_the_switch_keeps_the_registers_of_one_task_and_takes_up_those_of_the_other(name: str, canary: bool) -> None:
    found = contract(name)
    saved = {f"mem[old.r15 + stack_frame.gprs[{n}]] == old.r{6 + n}" for n in range(10)}
    taken = {f"r{6 + n} == mem[next_frame + stack_frame.gprs[{n}]]" for n in range(9)}
    assert {claim.that.text for claim in found.claims["callee-saved"]} == saved | taken
    assert found.claims["stack-balanced"][-1].that.text == "r15 == mem[next_frame + stack_frame.gprs[9]]"
    assert len(found.claims["stack-balanced"]) == 1
    assert found.values["next_frame"].text == "mem[old.r3 + task_struct.thread.ksp]"
    assert {(expr.text, size) for expr, size in found.stores} == {
        ("old.r2 + task_struct.thread.ksp", 8), ("lowcore.current_task", 8), ("lowcore.kernel_stack", 8),
        ("lowcore.current_pid", 4), *([("lowcore.stack_canary", 8)] if canary else []),
    }  # fmt: skip
    assert {claim.that.text for claim in found.claims["memory-frame"]} == {
        "mem[old.r2 + task_struct.thread.ksp] == old.r15",
        "mem[lowcore.current_task] == old.r3",
        "mem4[lowcore.current_pid] == mem4[old.r3 + task_struct.pid]",
        "mem[lowcore.kernel_stack] == stack_end",
        *(["mem[lowcore.stack_canary] == mem[old.r3 + task_struct.stack_canary]"] if canary else []),
    }
    end = "mem[old.r3 + task_struct.stack] + const.THREAD_SIZE - stack_frame.size - pt_regs.size"
    assert found.values["stack_end"].text == end
    assert found.layout.constants["THREAD_SIZE"] == 16 * 1024
    assert [(one.name, one.base.text, one.size) for one in found.regions] == [
        ("lowcore", "0", 8192), ("prev", "old.r2", 3008), ("next", "old.r3", 3008), ("next's frame", "next_frame", 160),
    ]  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_offset_is_a_number_in_a_contract(name: str) -> None:
    for expr in expressions(contract(name)):
        assert set(numbers(expr.tree)) <= {0}, expr.text


def test_the_records_and_plts_are_laid_out_as_the_kernel_has_them() -> None:
    structs = load_layout(MODELS, "linux-hotpatch").structs
    record = structs["ftrace_hotpatch_trampoline"]
    assert {name: at(one) for name, one in record.fields.items()} == {
        "brasl_opc": (0, 2), "brasl_disp": (2, 4), "pad": (6, 2), "rest_of_intercepted_function": (8, 8),
        "interceptor": (16, 8),
    }  # fmt: skip
    assert record.size == 24
    assert {name: at(one) for name, one in structs["ftrace_plt"].fields.items()} == {"target": (12, 8)}
    assert {name: at(one) for name, one in structs["bpf_plt"].fields.items()} == {"ret": (16, 8), "target": (24, 8)}


# The language ---------------------------------------------------------------------------------------------------------

KERNEL = (
    'layout = "linux-6.12-task"\nextends = "linux/trampoline"\nsummary = "made for a test"\nmode = []\nvector = []\n'
)


def proved(tmp_path: Path, text: str, code: str, name: str = "f") -> RoutineReport:
    """The report on one routine, assembled from these instructions, under a contract of these lines."""
    (tmp_path / "own.toml").write_text(KERNEL + text, encoding="utf-8")
    source = tmp_path / "own.s"
    body = "\n".join(f"\t{line.strip()}" if not line.endswith(":") else line for line in code.split(";"))
    source.write_text(
        f"\t.text\n\t.globl {name}\n\t.type {name}, @function\n{name}:\n{body}\n\t.size {name}, . - {name}\n", "utf-8"
    )
    built = assembler.available()[0].assemble(source, tmp_path / "own.o")
    options = pipeline.Options(contract=str(tmp_path / "own.toml"), symbol=name, replay=False)
    return pipeline.prove_file(built, options).routines[0]


def verdict(report: RoutineReport, prop: str) -> Verdict:
    found = {one.verdict for one in report.findings if one.property in (prop, None)}
    return next(iter(found - {Verdict.PROVED}), Verdict.PROVED)


POINTERS = 'separate = ["symbols", "lowcore", "pointers"]\n'
READS = POINTERS + '[claims]\nreturn-value = ["r2 == mem[old.r3]"]\n'
STORES = POINTERS + 'stores."task_struct.stack" = "old.r4"\n'
APART = '[regions]\na = { at = "old.r3", struct = "task_struct" }\nb = { at = "old.r4", struct = "task_struct" }\n'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("lg %r2, 0(%r3); br %r14", Verdict.PROVED),
        ("lg %r2, 8(%r3); br %r14", Verdict.UNCONFIRMED),  # another address
        ("llgf %r2, 0(%r3); br %r14", Verdict.UNCONFIRMED),  # not the whole word
        ("lghi %r2, 0; br %r14", Verdict.UNCONFIRMED),  # never read
        ("lg %r2, 0(%r3); lg %r2, 0(%r3); br %r14", Verdict.PROVED),  # either read will do
        ("lg %r2, 0(%r3); ag %r2, 0(%r3); br %r14", Verdict.UNCONFIRMED),  # a mixture will not
    ],
)
def test_storage_outside_the_stack_is_what_the_path_read_there(code: str, expected: Verdict, tmp_path: Path) -> None:
    assert verdict(proved(tmp_path, READS, code), "return-value") is expected


STORED = "stg %r5, 0(%r4); lg %r2, 0(%r3); br %r14"


@pytest.mark.parametrize(
    ("extra", "code", "expected"),
    [
        ("", STORED, Verdict.UNCONFIRMED),  # the store may have been to the same place
        (APART, STORED, Verdict.PROVED),
        (APART, "stg %r5, 0(%r3); lg %r2, 0(%r3); br %r14", Verdict.UNCONFIRMED),  # its own store, read back or not
        (APART, "stg %r5, 4(%r3); lg %r2, 0(%r3); br %r14", Verdict.UNCONFIRMED),  # half of it
        (APART, "stg %r5, 8(%r3); lg %r2, 0(%r3); br %r14", Verdict.PROVED),
        (APART, "lg %r2, 0(%r3); stg %r5, 0(%r4); br %r14", Verdict.PROVED),  # read before
        ("", "lg %r2, 0(%r3); stg %r5, 0(%r4); br %r14", Verdict.PROVED),
        ("", "lgr %r2, %r5; stg %r5, 0(%r3); br %r14", Verdict.PROVED),  # what it stored itself is there now
        ("", "lgr %r2, %r5; stg %r5, 0(%r3); sty %r5, 4(%r3); br %r14", Verdict.UNCONFIRMED),
        (APART, "stg %r5, 4096(%r4); lg %r2, 0(%r3); br %r14", Verdict.UNCONFIRMED),  # behind the end of the struct
    ],
)
def test_a_read_of_what_the_routine_may_have_stored_proves_nothing(
    extra: str, code: str, expected: Verdict, tmp_path: Path
) -> None:
    assert verdict(proved(tmp_path, READS + extra, code), "return-value") is expected


def test_an_antecedent_about_a_stale_read_excuses_nothing(tmp_path: Path) -> None:
    """`when` counts as true where the read may be of the routine's own store: else the claim would be empty there."""
    text = POINTERS + '[claims]\nreturn-value = [{ when = "mem[old.r3] == old.r5", that = "r2 == old.r2" }]\n'
    kept = "lg %r0, 0(%r3); cgr %r0, %r5; je 1f; lghi %r2, 0;1:;br %r14"
    assert verdict(proved(tmp_path, text, kept), "return-value") is Verdict.PROVED
    stale = f"stg %r0, 0(%r4); {kept}"
    assert verdict(proved(tmp_path, text, stale), "return-value") is Verdict.UNCONFIRMED


SWITCH = (
    POINTERS + 'switches = ["mem[old.r3]"]\n[claims]\ncallee-saved = ["mem[old.r15 + stack_frame.gprs[0]] == old.r6"]\n'
)
SAVED = "stg %r6, 72(%r15); lg %r15, {}; br %r14"


@pytest.mark.parametrize(
    ("text", "operand", "expected"),
    [
        (SWITCH, "0(%r3)", Verdict.PROVED),
        (SWITCH, "0(%r4)", Verdict.UNCONFIRMED),  # not where the contract says that another stack's pointer is
        (re.sub("switches.*\n", "", SWITCH), "0(%r3)", Verdict.UNCONFIRMED),  # an interrupt may have used this one
    ],
)
def test_the_old_stack_stays_only_when_another_is_switched_to(
    text: str, operand: str, expected: Verdict, tmp_path: Path
) -> None:
    assert verdict(proved(tmp_path, text, SAVED.format(operand)), "callee-saved") is expected


def test_a_statement_that_can_be_read_in_too_many_ways_is_unknown(tmp_path: Path) -> None:
    """Another CPU may change what is read between two reads, so each of them may be meant."""
    text = POINTERS + '[claims]\ncallee-saved = ["mem[old.r3] == mem[old.r4] + mem[old.r5]"]\n'
    code = "; ".join(f"lg %r1, 0(%r{number})" for number in (3, 4, 5) for _ in range(13))
    (found,) = proved(tmp_path, text, code + "; br %r14").findings
    assert found.verdict is Verdict.UNKNOWN
    assert found.message == "'mem[old.r3] == mem[old.r4] + mem[old.r5]' is read in more than 2000 ways on one path"


def test_each_region_is_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each store asks for the regions, and each base that is read for those before it: anew, 3,000 times here."""
    count = 0
    memory = Moment.memory

    def counted(self: Moment, address: Term, *, old: bool, size: int | None = None) -> Term:
        nonlocal count
        count += 1
        return memory(self, address, old=old, size=size)

    monkeypatch.setattr(Moment, "memory", counted)
    text = (
        POINTERS
        + """[values]
frame = "mem[old.r3 + task_struct.thread.ksp]"
[regions]
next = { at = "old.r3", struct = "task_struct" }
frame = { at = "frame", struct = "stack_frame" }
[claims]
return-value = ["r2 == mem[frame + stack_frame.gprs[0]]"]
"""
    )
    proved(tmp_path, text, "lg %r4, 3000(%r3); stg %r6, 80(%r4); " * 8 + "lg %r2, 72(%r4); br %r14")
    assert 0 < count < 500


BEHIND = (
    POINTERS
    + '[values]\nframe = "mem[old.r3]"\n[claims]\nreturn-value = ["r2 == mem[frame]"]\n'
    + APART
    + 'frame = { at = "frame", struct = "stack_frame" }\n'
)


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        (BEHIND, "lg %r1, 0(%r3); stg %r5, 0(%r4); lg %r2, 0(%r1); br %r14", Verdict.PROVED),
        (re.sub("frame = {.*\n", "", BEHIND), "lg %r1, 0(%r3); stg %r5, 0(%r4); lg %r2, 0(%r1); br %r14",
         Verdict.UNCONFIRMED),
        # The pointer may be the routine's own store: then nobody says that it leads anywhere else.
        (BEHIND, "stg %r4, 4(%r3); lg %r1, 0(%r3); stg %r5, 0(%r4); lg %r2, 0(%r1); br %r14", Verdict.UNCONFIRMED),
        (BEHIND, "stg %r4, 0(%r3); lg %r1, 0(%r3); stg %r5, 0(%r4); lg %r2, 0(%r1); br %r14", Verdict.UNCONFIRMED),
    ],
)  # fmt: skip
def test_a_region_behind_a_pointer_is_one_only_where_the_routine_did_not_write_the_pointer(
    text: str, code: str, expected: Verdict, tmp_path: Path
) -> None:
    assert verdict(proved(tmp_path, text, code), "return-value") is expected


def test_old_pc_is_where_the_routine_begins(tmp_path: Path) -> None:
    text = '[claims]\nreturn-value = ["r2 == old.pc"]\n'
    assert verdict(proved(tmp_path, text, "larl %r2, f; br %r14"), "return-value") is Verdict.PROVED
    assert verdict(proved(tmp_path, text, "larl %r2, f+2; br %r14"), "return-value") is Verdict.UNCONFIRMED


def test_fields_that_may_be_written(tmp_path: Path) -> None:
    for code, expected in (
        ("stg %r5, 0(%r4); br %r14", Verdict.PROVED),
        ("stg %r5, 8(%r4); br %r14", Verdict.UNCONFIRMED),
        ("stg %r5, 4(%r4); br %r14", Verdict.UNCONFIRMED),
        ("st %r5, 4(%r4); br %r14", Verdict.PROVED),
    ):
        assert verdict(proved(tmp_path, STORES, code), "memory-frame") is expected, code


def test_four_bytes_are_another_read_than_eight(tmp_path: Path) -> None:
    text = POINTERS + '[claims]\nreturn-value = ["r2 == mem4[old.r3]"]\n'
    assert verdict(proved(tmp_path, text, "llgf %r2, 0(%r3); br %r14"), "return-value") is Verdict.PROVED
    assert verdict(proved(tmp_path, text, "lg %r2, 0(%r3); br %r14"), "return-value") is Verdict.UNCONFIRMED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('stores."task_struct.nothing" = "old.r4"\n', "task_struct.nothing"),
        ('stores."nothing.stack" = "old.r4"\n', "nothing.stack"),
        ('regions.a = { at = "old.r3", struct = "nothing" }\n', "nothing"),
        ('regions.a = { at = "old.r3", is = "task_struct" }\n', "is"),
        ("regions.a = { struct = 'task_struct' }\n", "None"),
        ('switches = ["old.r3 == 0"]\n', "old.r3 == 0"),
        ('scratch = ["r16"]\n', "r16"),
        ('[claims]\nreturn-value = ["r2 == nothing.size"]\n', "nothing.size"),
        ('[claims]\nreturn-value = ["r2 == mem8[old.r3]"]\n', "mem8"),
    ],
)
def test_what_is_no_contract_is_refused_with_its_file(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(KERNEL + text, encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(MODELS, str(path))
    assert words in str(caught.value)
    assert caught.value.path == str(path)


def test_a_word_in_a_symbol_is_not_a_number() -> None:
    assert load_contract(MODELS, "linux/vdso", None, "__kernel_clock_getres").calls[0].to is not None
    for symbol in ("__kernel_", "kernel_getcpu", "__kernel_9"):
        with pytest.raises(UsageError):
            load_contract(MODELS, "linux/vdso", None, symbol)
    with pytest.raises(UsageError):
        load_contract(MODELS, "samples/direct_modify", None, "my_trampx")


# Thunks of another object ---------------------------------------------------------------------------------------------

THUNKED = 'thunks = true\nscratch = ["r1"]\npreserves = ["r0-r15"]\n[claims]\npsw-redirect = ["pc == old.r{}"]\n'


@pytest.mark.parametrize(
    ("thunk", "target", "changed"),
    [
        ("__s390_indirect_jump_r14", 14, None),
        ("__s390x_indirect_jump_r14", 14, None),
        ("__s390_indirect_jump_r1use_r14", 14, None),  # r1 is scratch in this contract
        ("__s390x_indirect_jump_r11use_r14", 14, "r11 is restored"),
    ],
)
def test_a_thunk_with_two_registers_branches_to_the_second(
    thunk: str, target: int, changed: str | None, tmp_path: Path
) -> None:
    """GCC and the kernel name the scratch register first."""
    report = proved(tmp_path, THUNKED.format(target), f"jg {thunk}")
    failing = {one.claim for one in report.findings if one.verdict is not Verdict.PROVED}
    assert failing == ({changed} if changed else set())
    wrong = proved(tmp_path, THUNKED.format(1), f"jg {thunk}")
    assert verdict(wrong, "psw-redirect") is not Verdict.PROVED


# Replays --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*families.BUGS])
def test_every_fault_is_seen_on_the_emulator(name: str) -> None:
    """Also where the exit loads a PSW, and where storage is reached through pointers."""
    report = pipeline.prove_file(ROOT / f"broken/{name}.o", pipeline.Options())
    found = {one.verdict for one in report.findings()}
    assert found <= {Verdict.PROVED, Verdict.REFUTED}
    assert Verdict.REFUTED in found


def test_epsw_gives_the_condition_code_of_the_instruction_before_it() -> None:
    """The emulator keeps it elsewhere until it is asked: a replay of this fault would not see it."""
    report = pipeline.prove_file(ROOT / "broken/rethook-late-epsw.o", pipeline.Options(select=("regs-complete",)))
    (finding,) = report.findings()
    assert finding.verdict is Verdict.REFUTED
    assert finding.counterexample is not None
    assert finding.counterexample.replayed
