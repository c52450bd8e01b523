"""Branches (POP, chapter 7, "General Instructions").

In the 64-bit addressing mode the link information is the updated instruction address, bits 0-63 ("BRANCH AND
SAVE"). A register number of zero means that no branch is taken.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.machine.term import TRUE, Term, concat, const, eq, extract, not_, or_, plus, slt, ult
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


@insn("BASR")
def branch_and_save_register(step: Step) -> None:
    """The branch address is taken before the link is stored."""
    target = step.reg("R2")
    step.link("R1")
    if step.field("R2"):
        step.jump_indirect(target)


@insn("BAS")
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
    whole = step.reg("R1")
    result = plus(extract(whole, bits - 1, 0), -1)
    step.set_reg("R1", result if bits == 64 else concat(extract(whole, 63, 32), result))
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


family(
    {
        "BCTR": _count_register(32),
        "BCTGR": _count_register(64),
        "BCT": _count_storage(32),
        "BCTG": _count_storage(64),
        "BRCT": _count_relative(32),
        "BRCTG": _count_relative(64),
    }
)


# Compare and branch relative: mask bit 8 equal, 4 first low, 2 first high; the condition code is unchanged -----------


def _compared(a: Term, b: Term, mask: int, low: Callable[[Term, Term], Term]) -> Term:
    if mask & 0b1110 == 0b1110:
        return TRUE
    codes = (eq(a, b), low(a, b), low(b, a))
    return or_(*[code for bit, code in zip((8, 4, 2), codes, strict=True) if mask & bit])


def _registers(bits: int, low: Callable[[Term, Term], Term]) -> Handler:
    def handler(step: Step) -> None:
        a, b = (extract(step.reg(name), bits - 1, 0) for name in ("R1", "R2"))
        if step.field("M3") & 0b1110:
            step.jump(step.relative(), _compared(a, b, step.field("M3"), low))

    return handler


def _immediate(bits: int, low: Callable[[Term, Term], Term], signed: bool) -> Handler:
    def handler(step: Step) -> None:
        a = extract(step.reg("R1"), bits - 1, 0)
        byte = step.field("I2") & 0xFF
        b = const(byte - 256 if signed and byte & 0x80 else byte, bits)
        if step.field("M3") & 0b1110:
            step.jump(step.relative(), _compared(a, b, step.field("M3"), low))

    return handler


family(
    {
        "CRJ": _registers(32, slt),
        "CGRJ": _registers(64, slt),
        "CLRJ": _registers(32, ult),
        "CLGRJ": _registers(64, ult),
        "CIJ": _immediate(32, slt, signed=True),
        "CGIJ": _immediate(64, slt, signed=True),
        "CLIJ": _immediate(32, ult, signed=False),
        "CLGIJ": _immediate(64, ult, signed=False),
    }
)
