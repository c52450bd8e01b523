"""Every instruction with semantics in the 31-bit addressing mode, against unicorn in that mode and the manual."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT
from tests.semantics import narrow, operands
from tests.semantics.disagreements import admitted
from tests.semantics.narrow import CODE, DATA, MACHINE, SPACE, Machine, code_of, literal_state, performed, unknown_state
from tests.semantics.test_cosimulation import ALLOWED, PSW, ROWS, SEPARATE, decoded, make
from tests.semantics.unicorn_machine import Cpu, Interruption
from verify import library, routine
from verify.contracts.load import load_contract
from verify.errors import Unsupported
from verify.machine.mode import MODE_31, MODE_64
from verify.machine.state import entry_system_mask, symbol_address
from verify.machine.term import Term, concat, const, extract, leaf, plus, zero_extend
from verify.objfile import relocs
from verify.objfile.elf import load
from verify.objfile.image import Hole, Image, Place, Section, Target
from verify.properties import PROPERTIES
from verify.semantics import isa
from verify.semantics.code import Code, Patch
from verify.semantics.decode import Instruction
from verify.verdict import Verdict

FORMS, STATES, TRIES = 2, 3, 20

# What has no semantics in this mode, in any form or in some: the words of the refusal.
REFUSED = {
    "MVCLE": "no semantics in the 31-bit addressing mode", "BIC": "no semantics in the 31-bit addressing mode",
    "LPSWE": "no semantics in the 31-bit addressing mode", "LPSWEY": "no semantics in the 31-bit addressing mode",
    "EPSW": "no semantics in the 31-bit addressing mode", "SAM64": "changes the addressing mode",
}  # fmt: skip


@cache
def machine() -> Machine:
    return Machine()


def compare(insn: Instruction, cpu: Cpu, rng: random.Random, literal: bool) -> dict[str, str] | None:
    """Where the verifier and unicorn differ; None where unicorn is interrupted or storage ends."""
    code = {CODE: insn.raw}
    memory, image = narrow.storage(rng, code), code_of(code)
    if insn.mnemonic == "LFPC":  # every byte fits every place of a valid floating-point control word
        memory = {base: content if base == narrow.AROUND else bytes(byte & 0x70 for byte in content)
                  for base, content in memory.items()}  # fmt: skip
    step = performed(image, literal_state(image, cpu) if literal else unknown_state(image))
    try:
        found = narrow.outcome(step, cpu, memory)
        after, stored = machine().run(cpu, code, memory)
    except LookupError:
        return None
    except Interruption:
        machine.cache_clear()
        return None
    return narrow.difference(found, (narrow.corrected(insn, cpu, after), stored))


@pytest.mark.parametrize("mnemonic", sorted({*ROWS, "EPSW"} - {"SAM64"}))
def test_every_row_against_unicorn(mnemonic: str) -> None:
    """All 64 bits of every register: what an instruction does not name stays, in the 31-bit mode too."""
    rng, compared = random.Random(f"31 {mnemonic}"), Counter[bool]()
    for choice in operands.choices(isa.by_mnemonic()[mnemonic], rng, FORMS):
        insn = narrow.near(choice, rng)
        if mnemonic == "EPSW":  # its right half is refused
            insn = decoded(make("EPSW", R1=insn.fields["R1"]))
        for number in range(TRIES):
            literal = number % 2 == 1
            wrong = compare(insn, narrow.start_state(insn, rng), rng, literal)
            compared[wrong is not None] += 1
            if wrong:
                parts = frozenset(wrong)
                assert admitted(mnemonic, "unicorn", parts) or admitted(mnemonic, MACHINE, parts), (insn, wrong)
            if compared[True] % STATES == 0 and wrong is not None and number:
                break
    assert compared[True] or admitted(mnemonic, "unicorn", frozenset({"refuses"})), f"{mnemonic} was never compared"


@pytest.mark.parametrize("mnemonic", sorted(REFUSED))
def test_what_has_no_semantics_in_this_mode_is_refused(mnemonic: str) -> None:
    fields = {"EPSW": {"R1": 2, "R2": 3}, "BIC": {"M1": 15, "B2": 3}}.get(mnemonic, {})
    image = code_of({CODE: make(mnemonic, **fields)})
    with pytest.raises(Unsupported, match=REFUSED[mnemonic]):
        performed(image, unknown_state(image))


def test_nothing_else_is_left_out() -> None:
    """Rows with tests of their own in the 64-bit mode do not depend on it, or are refused above, or tested below."""
    assert ALLOWED - set(ROWS) - SEPARATE - PSW == {"EX", "EXRL"}
    assert {"MVCLE", "BIC"} <= SEPARATE


# Links and branches ---------------------------------------------------------------------------------------------------

LINKS = {
    "BASR": {"R1": 14, "R2": 3}, "BALR": {"R1": 14, "R2": 3}, "BAS": {"R1": 14, "B2": 3}, "BAL": {"R1": 14, "B2": 3},
    "BRAS": {"R1": 14, "RI2": 8}, "BRASL": {"R1": 14, "RI2": 8},
}  # fmt: skip


@pytest.mark.parametrize("mnemonic", LINKS)
def test_a_link_has_the_mode_in_bit_32_and_leaves_bits_0_to_31(mnemonic: str) -> None:
    raw = make(mnemonic, **LINKS[mnemonic])
    image = code_of({CODE: raw})
    step = performed(image, unknown_state(image))
    following = plus(image.base(0), CODE + len(raw))
    assert following.width == 31
    old = MODE_31.register(14)
    assert step.state.gpr[14] is concat(extract(old, 63, 32), const(1, 1), following)
    assert step.state.links == {following}
    assert MODE_31.address(step.state.gpr[14]) in step.state.links  # compared modulo 2**31


def test_a_branch_address_is_31_bits_of_the_register() -> None:
    image = code_of({CODE: make("BCR", M1=15, R2=14)})
    (jump,) = performed(image, unknown_state(image)).jumps
    assert jump.target is extract(leaf("old.r14", 32, MODE_31.r15.leaf.origin), 30, 0)


@pytest.mark.parametrize("mnemonic", ["BSM", "BASSM"])
def test_a_branch_that_sets_the_mode_must_be_known_to_keep_it(mnemonic: str) -> None:
    """Known from a return address that a linking branch made; the register as it was at entry says nothing."""
    image = code_of({CODE: make("BRAS", R1=3, RI2=2), CODE + 4: make(mnemonic, R1=2, R2=3)})
    state = unknown_state(image)
    performed(image, state)
    before = state.gpr[2]
    state.pc = plus(image.base(0), CODE + 4)
    step = performed(image, state, CODE + 4)
    assert [jump.target for jump in step.jumps] == [plus(image.base(0), CODE + 4)]
    low = extract(before, 30, 0) if mnemonic == "BSM" else plus(image.base(0), CODE + 6)
    assert state.gpr[2] is concat(extract(before, 63, 32), const(1, 1), low)
    with pytest.raises(Unsupported, match="may change the addressing mode"):
        performed(image, unknown_state(image), CODE + 4)


@pytest.mark.parametrize(("value", "mode"), [(0x8000_1001, "64-bit"), (0x1000, "24-bit")])
@pytest.mark.parametrize("mnemonic", ["BSM", "BASSM"])
def test_another_mode_is_refused(mnemonic: str, value: int, mode: str) -> None:
    image = code_of({CODE: make(mnemonic, R1=0 if mnemonic == "BSM" else 14, R2=3)})
    state = unknown_state(image)
    state.gpr[3] = const(value, 64)
    with pytest.raises(Unsupported, match="may change the addressing mode"):
        performed(image, state)
    assert mode in {"64-bit", "24-bit"}


def test_the_mode_can_be_set_to_what_it_is_and_asked_for() -> None:
    image = code_of({CODE: make("SAM31"), CODE + 2: make("TAM")})
    state = unknown_state(image)
    performed(image, state)
    assert state.system_mask is entry_system_mask(MODE_31)
    assert performed(image, state, CODE + 2).state.cc[1].value == 1


def test_the_psw_has_the_mode_in_bits_31_and_32() -> None:
    assert extract(entry_system_mask(MODE_31), 32, 31) is const(0b01, 2)
    assert extract(entry_system_mask(MODE_64), 32, 31) is const(0b11, 2)


# Addresses ------------------------------------------------------------------------------------------------------------


def test_an_address_wraps_at_2_gib() -> None:
    """Base, index and displacement: 0x7fffff00 + 0x200 is 0x100, and bits 0-32 of the registers do not count."""
    image = code_of({CODE: make("L", R1=2, B2=3, X2=4, D2=0x100)})
    cpu = Cpu(system_mask=narrow.MODE).with_gpr(3, 0xABCD_0000_FFFF_FF00).with_gpr(4, 0x8000_0100)
    state = literal_state(image, cpu)
    performed(image, state)
    assert state.loads[-1].address is const(0x100, 31)


@pytest.mark.parametrize("distance", [8, -8 % SPACE, 0x8000_0008, 0x7FFF_FFF8])
def test_a_stack_address_is_r15_and_a_distance_modulo_2_gib(distance: int) -> None:
    image = code_of({CODE: make("ST", R1=2, B2=15, D2=0)})
    state = unknown_state(image)
    state.gpr[15] = plus(state.gpr[15], distance)
    performed(image, state)
    signed = distance % SPACE
    assert state.stores[-1].offset == (signed - SPACE if signed >> 30 else signed)


def test_load_address_gives_31_bits_and_leaves_bits_0_to_31() -> None:
    image = code_of({CODE: make("LA", R1=2, B2=14)})
    state = unknown_state(image)
    performed(image, state)
    assert extract(state.gpr[2], 63, 32) is extract(MODE_31.register(2), 63, 32)
    assert state.seen(2) is zero_extend(extract(MODE_31.register(14), 30, 0), 32)


def test_bits_0_to_31_take_no_part_in_a_comparison_of_words() -> None:
    """Upper halves that differ do not make different stack pointers, nor different return addresses."""
    image = code_of({CODE: make("LR", R1=1, R2=15)})
    state = unknown_state(image)
    performed(image, state)
    assert state.seen(1) is state.seen(15)
    assert state.gpr[1] is not state.gpr[15]
    assert MODE_31.offset(state.gpr[1]) == 0


def test_storage_half_the_address_space_away_is_refused() -> None:
    image = code_of({CODE: make("ST", R1=2, B2=15, D2=0)})
    state = unknown_state(image)
    state.gpr[15] = plus(state.gpr[15], (1 << 30) - 2)
    with pytest.raises(Unsupported, match="half the address space away"):
        performed(image, state)


def test_the_comparison_with_unicorn_sees_a_wrong_upper_half() -> None:
    insn = decoded(make("LR", R1=1, R2=2))
    rng = random.Random(0)
    cpu = narrow.start_state(insn, rng)
    image = code_of({CODE: insn.raw})
    state = unknown_state(image)
    step = performed(image, state)
    state.gpr[1] = concat(const(0, 32), state.seen(1))
    memory = narrow.storage(rng, {CODE: insn.raw})
    found = narrow.outcome(step, cpu, memory)
    assert set(narrow.difference(found, Machine().run(cpu, {CODE: insn.raw}, memory))) == {"gpr"}


def test_unicorn_clears_bits_0_to_31_where_the_manual_keeps_them() -> None:
    """Without the correction LA differs: the row of disagreements.tsv is needed."""
    insn = decoded(make("LA", R1=1, B2=2))
    cpu = Cpu(system_mask=narrow.MODE, pc=CODE).with_gpr(1, 0x1234_5678_0000_0000).with_gpr(2, DATA)
    after, _ = Machine().run(cpu, {CODE: insn.raw}, {})
    assert after.gpr[1] == DATA
    assert narrow.corrected(insn, cpu, after).gpr[1] == 0x1234_5678_0000_0000 | DATA
    assert admitted("LA", MACHINE, frozenset({"gpr"}))


# Literals -------------------------------------------------------------------------------------------------------------


def literal_code(*, writable: bool = False, hole: tuple[int, int] | None = None, patched: bool = False) -> Code:
    """A word at CODE + 8 of a section, perhaps with a relocation (its type, its place)."""
    section = Section(".text", 1, 1, 0, bytes(8) + b"\x00\x00\x00\x2a" + bytes(8), True, True, writable)
    holes = ()
    if hole is not None:
        holes = (Hole(Place(1, hole[1]), relocs.row(hole[0]), Target(external="x", addend=4), "x", 4),)
    image = Image(Path("literal"), True, (section,), (), holes, bits=31)
    return Code(image, [Patch(Place(1, 8), (0x12,))] if patched else ())


def found(code: Code, size: int = 4) -> Term | None:
    return code.constant(plus(code.base(1), 8), size)


def test_a_literal_in_the_code_is_a_constant_or_the_address_that_the_linker_puts_there() -> None:
    assert found(literal_code()) is const(42, 32)
    assert found(literal_code(hole=(4, 8))) is zero_extend(plus(symbol_address("x", MODE_31), 4), 32)


@pytest.mark.parametrize(
    "options",
    [{"writable": True}, {"patched": True}, {"hole": (22, 8)}, {"hole": (4, 10)}, {"hole": (4, 6)}, {"hole": (1, 9)}],
    ids=str,
)
def test_storage_that_may_change_or_is_filled_in_otherwise_is_no_literal(options: dict[str, Any]) -> None:
    assert found(literal_code(**options)) is None


def test_part_of_a_relocated_word_is_no_literal() -> None:
    assert found(literal_code(hole=(4, 8)), size=2) is None


def test_64_bit_code_has_no_literals() -> None:
    """Storage between its instructions is what the kernel changes at run time."""
    image = replace(literal_code().image, bits=64)
    code = Code(image)
    assert code.constant(plus(code.base(1), 8), 4) is None
    wide = load(ROOT / "trampolines/mcount-ftrace_caller.o")
    assert Code(wide).mode is MODE_64


def test_a_contract_for_the_other_mode_proves_nothing() -> None:
    """Whoever asks: the walk refuses before the first instruction."""
    for file, name in (("mcount-31-ftrace_caller", "linux-mcount"), ("mcount-ftrace_caller", "linux-mcount-31")):
        image = load(ROOT / f"trampolines/{file}.o")
        contract = load_contract(library.library("models"), f"{name}/ftrace_caller", None, "ftrace_caller")
        report = routine.prove(file, image, image.symbol("ftrace_caller"), contract, PROPERTIES)
        assert {one.verdict for one in report.findings} == {Verdict.UNSUPPORTED}
        assert "-bit code, and" in report.findings[0].message
