"""Instructions between registers that VEX lacks or gets wrong (POP, chapter 7).

Bits 0-31 of a general register are its high word, bits 32-63 its low word; an operation on one word leaves the other.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.machine.psw import ibm
from verify.machine.term import (
    FALSE,
    Term,
    add,
    bvand,
    bvnot,
    bvor,
    bvxor,
    concat,
    const,
    eq,
    extract,
    ite,
    lshr,
    not_,
    sign_extend,
    slt,
    sub,
    zero_extend,
)
from verify.semantics import cc
from verify.semantics.cc import Kept
from verify.semantics.step import Handler, Step, family, insn


def _set_zero_or_not(step: Step, result: Term) -> None:
    """CC 0 for a zero result, else 1."""
    zero = eq(result, const(0, result.width))
    step.state.set_cc(cc.number((zero, not_(zero), FALSE, FALSE)))


@insn("LNGFR")
def load_negative(step: Step) -> None:
    """The negative of the absolute value of the sign-extended word; CC 0 zero, 1 less than zero."""
    value = sign_extend(step.word("R2"), 64)
    zero, negative = eq(value, const(0, 64)), slt(value, const(0, 64))
    step.set_reg("R1", ite(negative, value, sub(const(0, 64), value)))
    step.state.set_cc(cc.number((zero, not_(zero), FALSE, FALSE)))


def _subtract_high(operation: Kept, high: bool) -> Handler:
    """SHHHR, SHHLR and their logical twins: R2 less R3, all of it high words but perhaps the third operand."""

    def handler(step: Step) -> None:
        a, b = step.word("R2", high=True), step.word("R3", high=high)
        step.set_word("R1", sub(a, b), high=True)
        step.state.cc = cc.thunk(operation, a, b)

    return handler


family({
    "SHHHR": _subtract_high(Kept.SUBTRACT_32, True), "SHHLR": _subtract_high(Kept.SUBTRACT_32, False),
    "SLHHHR": _subtract_high(Kept.SUBTRACT_LOGICAL_32, True), "SLHHLR": _subtract_high(Kept.SUBTRACT_LOGICAL_32, False),
})  # fmt: skip


# Counting bits --------------------------------------------------------------------------------------------------------


def _ones(value: Term, width: int) -> Term:
    """The number of one bits of a term, as a term of `width` bits."""
    total = const(0, width)
    for bit in range(value.width):
        total = add(total, zero_extend(extract(value, bit, bit), width))
    return total


@insn("POPCNT")
def population_count(step: Step) -> None:
    """The ones of each byte in that byte, or where bit 0 of M3 is one those of all 64 bits; CC 0 zero, else 1."""
    value = step.reg("R2")
    if step.field("M3") & 8:
        result = _ones(value, 64)
    else:
        result = concat(*[_ones(ibm(value, bit, bit + 7), 8) for bit in range(0, 64, 8)])
    step.set_reg("R1", result)
    _set_zero_or_not(step, result)


@insn("FLOGR")
def find_leftmost_one(step: Step) -> None:
    """R1: the bit number of the leftmost one (64 if there is none), R1+1: the operand without it.

    CC 0 no one bit, 2 one bit found.
    """
    value, count = step.reg("R2"), const(64, 64)
    for bit in reversed(range(64)):
        count = ite(eq(ibm(value, bit, bit), const(1, 1)), const(bit, 64), count)
    one = lshr(const(1 << 63, 64), count)  # zero where the count is 64
    none = eq(value, const(0, 64))
    step.set_reg("R1", count)
    step.state.gpr[step.field("R1") + 1] = bvand(value, bvnot(one))
    step.state.set_cc(cc.number((none, FALSE, not_(none), FALSE)))


# Selection and logic of three registers (z15) -------------------------------------------------------------------------


def _select(high: bool) -> Handler:
    def handler(step: Step) -> None:
        chosen = cc.selected(step.state.cc, step.field("M4"))
        step.set_word("R1", ite(chosen, step.word("R2", high=high), step.word("R3", high=high)), high=high)

    return handler


@insn("SELGR")
def select_64(step: Step) -> None:
    """R2 where M4 selects the condition code, else R3."""
    step.set_reg("R1", ite(cc.selected(step.state.cc, step.field("M4")), step.reg("R2"), step.reg("R3")))


def _combine(operate: Callable[[Term, Term], Term], bits: int) -> Handler:
    def handler(step: Step) -> None:
        result = operate(step.low("R2", bits), step.low("R3", bits))
        step.set_low("R1", result)
        _set_zero_or_not(step, result)

    return handler


_COMBINATIONS: dict[str, Callable[[Term, Term], Term]] = {
    "NN": lambda a, b: bvnot(bvand(a, b)),
    "NO": lambda a, b: bvnot(bvor(a, b)),
    "NX": lambda a, b: bvnot(bvxor(a, b)),
    "NC": lambda a, b: bvand(a, bvnot(b)),
    "OC": lambda a, b: bvor(a, bvnot(b)),
}

family({"SELR": _select(high=False), "SELFHR": _select(high=True)})
family({f"{name}RK": _combine(operate, 32) for name, operate in _COMBINATIONS.items()})
family({f"{name}GRK": _combine(operate, 64) for name, operate in _COMBINATIONS.items()})


# Access registers -----------------------------------------------------------------------------------------------------


@insn("CPYA")
def copy_access(step: Step) -> None:
    """Access register R2 to access register R1."""
    step.state.access[step.field("R1")] = step.state.access[step.field("R2")]


@insn("LAE", "LAEY")
def load_address_extended(step: Step) -> None:
    """The address to R1; to access register R1 what PSW bits 16-17 call for.

    Primary-space mode: zero; secondary-space mode: one; home-space mode: two; access-register mode: the contents of
    access register B2, zero where the field is zero.
    """
    base = step.field("B2")
    space = ibm(step.state.system_mask, 16, 17)
    own = step.state.access[base] if base else const(0, 32)
    choices = ((0b00, const(0, 32)), (0b10, const(1, 32)), (0b11, const(2, 32)))
    value = own
    for mode, number in choices:
        value = ite(eq(space, const(mode, 2)), number, value)
    step.set_address("R1", step.address())
    step.state.access[step.field("R1")] = value
