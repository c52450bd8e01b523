"""Branches (POP, chapter 7, "General Instructions").

In the 64-bit addressing mode the link information is the updated instruction address, bits 0-63 ("BRANCH AND
SAVE"); in the 31-bit mode it is bits 32-63 of the PSW, and BALR and BAL make it in the same way: bit 32 is one, bits
33-63 are the address, and bits 0-31 of the register stay. A register number of zero means that no branch is taken.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.machine.term import TRUE, Term, add, const, eq, extract, not_, or_, plus, slt, ult
from verify.semantics import cc
from verify.semantics.step import Handler, Step, family, insn


def _taken(step: Step) -> Term:
    """ "The M1 field is used as a four-bit mask", one bit for each condition code (BRANCH ON CONDITION)."""
    return cc.selected(step.state.cc, step.field("M1"))


@insn("BCR")
def branch_on_condition_register(step: Step) -> None:
    """The second operand is the branch address; R2 zero: no branch (serialisation, nopr)."""
    if step.field("R2") and step.field("M1"):
        step.jump_indirect(step.reg("R2"), _taken(step))


@insn("BC")
def branch_on_condition(step: Step) -> None:
    """The second-operand address is the branch address."""
    if step.field("M1"):
        step.jump_indirect(step.address(), _taken(step))


@insn("BRC", "BRCL")
def branch_relative_on_condition(step: Step) -> None:
    """Mask zero is a no-operation; its operand is not looked at."""
    if step.field("M1"):
        step.jump(step.relative(), _taken(step))


@insn("BASR", "BALR")
def branch_and_save_register(step: Step) -> None:
    """The branch address is taken before the link is stored; BALR differs in the 24-bit mode only."""
    target = step.reg("R2")
    step.link("R1")
    if step.field("R2"):
        step.jump_indirect(target)


@insn("BAS", "BAL")
def branch_and_save(step: Step) -> None:
    """As BASR, with the second-operand address as branch address."""
    target = step.address()
    step.link("R1")
    step.jump_indirect(target)


@insn("BRAS", "BRASL")
def branch_relative_and_save(step: Step) -> None:
    """As BAS, relative to the instruction address."""
    target = step.relative()
    step.link("R1")
    step.jump(target)


# Branch on count: "one is subtracted from the first operand; result zero: no branch" ------------------------------


def _decrement(step: Step, bits: int) -> Term:
    """Subtract one from the rightmost 32 or 64 bits of R1; return whether the result is not zero."""
    result = plus(step.low("R1", bits), -1)
    step.set_low("R1", result)
    return not_(eq(result, const(0, bits)))


def _count_register(bits: int) -> Handler:
    def handler(step: Step) -> None:
        target = step.reg("R2")
        taken = _decrement(step, bits)
        if step.field("R2"):
            step.jump_indirect(target, taken)

    return handler


def _count_storage(bits: int) -> Handler:
    def handler(step: Step) -> None:
        target = step.address()
        step.jump_indirect(target, _decrement(step, bits))

    return handler


def _count_relative(bits: int) -> Handler:
    def handler(step: Step) -> None:
        step.jump(step.relative(), _decrement(step, bits))

    return handler


@insn("BRCTH")
def branch_relative_on_count_high(step: Step) -> None:
    """As BRCT, with bits 0-31 of R1."""
    result = plus(step.word("R1", high=True), -1)
    step.set_word("R1", result, high=True)
    step.jump(step.relative(), not_(eq(result, const(0, 32))))


family({
    "BCTR": _count_register(32), "BCTGR": _count_register(64), "BCT": _count_storage(32), "BCTG": _count_storage(64),
    "BRCT": _count_relative(32), "BRCTG": _count_relative(64),
})  # fmt: skip


# Branch on index: R3 is added to R1, and the sum is compared with R3 if that is odd, else with R3+1 -------------------


def _index(bits: int, high: bool, relative: bool) -> Handler:
    """Branch where the sum is high (BXH, BRXH), or where it is low or equal (BXLE, BRXLE)."""

    def handler(step: Step) -> None:
        target = step.relative() if relative else step.address()
        comparand = extract(step.state.gpr[step.field("R3") | 1], bits - 1, 0)  # as it was before the addition
        total = add(step.low("R1", bits), step.low("R3", bits))
        step.set_low("R1", total)
        above = slt(comparand, total)
        go = step.jump if relative else step.jump_indirect
        go(target, above if high else not_(above))

    return handler


family({
    "BXH": _index(32, True, False), "BXLE": _index(32, False, False),
    "BXHG": _index(64, True, False), "BXLEG": _index(64, False, False),
    "BRXH": _index(32, True, True), "BRXLE": _index(32, False, True),
    "BRXHG": _index(64, True, True), "BRXLG": _index(64, False, True),
})  # fmt: skip


@insn("BIC")
def branch_indirect_on_condition(step: Step) -> None:
    """The branch address is the doubleword at the second-operand address."""
    step.only_in_64_bit_mode()
    if step.field("M1"):
        taken = _taken(step)
        step.jump_indirect(step.state.load(step.address(), 8, taken), taken)


# Compare and branch: mask bit 8 equal, 4 first low, 2 first high; the condition code is unchanged -----------------


def _compared(a: Term, b: Term, mask: int, low: Callable[[Term, Term], Term]) -> Term:
    if mask & 0b1110 == 0b1110:
        return TRUE
    codes = (eq(a, b), low(a, b), low(b, a))
    return or_(*[code for bit, code in zip((8, 4, 2), codes, strict=True) if mask & bit])


def _go(step: Step, condition: Term) -> None:
    """To the relative operand, or to the fourth-operand address."""
    if step.insn.format.relative:
        step.jump(step.relative(), condition)
    else:
        step.jump_indirect(step.address("4"), condition)


def _registers(bits: int, low: Callable[[Term, Term], Term]) -> Handler:
    def handler(step: Step) -> None:
        if step.field("M3") & 0b1110:
            _go(step, _compared(step.low("R1", bits), step.low("R2", bits), step.field("M3"), low))

    return handler


def _immediate(bits: int, low: Callable[[Term, Term], Term], signed: bool) -> Handler:
    def handler(step: Step) -> None:
        byte = step.field("I2") & 0xFF
        b = const(byte - 256 if signed and byte & 0x80 else byte, bits)
        if step.field("M3") & 0b1110:
            _go(step, _compared(step.low("R1", bits), b, step.field("M3"), low))

    return handler


for _end in "JB":  # relative, and to an address
    family({
        f"CR{_end}": _registers(32, slt), f"CGR{_end}": _registers(64, slt),
        f"CLR{_end}": _registers(32, ult), f"CLGR{_end}": _registers(64, ult),
        f"CI{_end}": _immediate(32, slt, signed=True), f"CGI{_end}": _immediate(64, slt, signed=True),
        f"CLI{_end}": _immediate(32, ult, signed=False), f"CLGI{_end}": _immediate(64, ult, signed=False),
    })  # fmt: skip
