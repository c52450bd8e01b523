"""Operands relative to the instruction address that are not branches (POP, chapter 7).

"The contents of the I2 (RI2) field are a signed binary integer specifying the number of halfwords that is added to
the address of the current instruction." For the target of an execute instruction that is the target's own address.
"""

from __future__ import annotations

from verify.machine.term import eq, extract, sign_extend, zero_extend
from verify.machine.term import slt as signed_less
from verify.machine.term import ult as unsigned_less
from verify.semantics import cc
from verify.semantics.step import Handler, Step, family, insn


@insn("LARL")
def load_address_relative_long(step: Step) -> None:
    """The address itself: all 64 bits in the 64-bit addressing mode, bits 32-63 in the 31-bit mode."""
    step.set_address("R1", step.relative())


def _load(size: int, result: int, signed: bool) -> Handler:
    extend = sign_extend if signed else zero_extend

    def handler(step: Step) -> None:
        value = extend(step.state.load(step.relative(), size), result)
        if result == 64:
            step.set_reg("R1", value)
        else:
            step.set_word("R1", value)

    return handler


def _store(bits: int) -> Handler:
    def handler(step: Step) -> None:
        step.state.store(step.relative(), extract(step.reg("R1"), bits - 1, 0))

    return handler


def _compare(size: int, bits: int, signed_operand: bool, logical: bool) -> Handler:
    """CC 0 equal, 1 first operand low, 2 first operand high."""
    extend = sign_extend if signed_operand else zero_extend
    less = unsigned_less if logical else signed_less

    def handler(step: Step) -> None:
        a = extract(step.reg("R1"), bits - 1, 0)
        b = extend(step.state.load(step.relative(), size), bits)
        step.state.set_cc(cc.number(cc.three_way(eq(a, b), less(a, b))))

    return handler


family(
    {
        "LGRL": _load(8, 64, signed=False),
        "LRL": _load(4, 32, signed=False),
        "LGFRL": _load(4, 64, signed=True),
        "LLGFRL": _load(4, 64, signed=False),
        "LHRL": _load(2, 32, signed=True),
        "LGHRL": _load(2, 64, signed=True),
        "LLHRL": _load(2, 32, signed=False),
        "LLGHRL": _load(2, 64, signed=False),
        "STGRL": _store(64),
        "STRL": _store(32),
        "STHRL": _store(16),
        "CGRL": _compare(8, 64, signed_operand=True, logical=False),
        "CRL": _compare(4, 32, signed_operand=True, logical=False),
        "CGFRL": _compare(4, 64, signed_operand=True, logical=False),
        "CHRL": _compare(2, 32, signed_operand=True, logical=False),
        "CGHRL": _compare(2, 64, signed_operand=True, logical=False),
        "CLGRL": _compare(8, 64, signed_operand=False, logical=True),
        "CLRL": _compare(4, 32, signed_operand=False, logical=True),
        "CLGFRL": _compare(4, 64, signed_operand=False, logical=True),
        "CLHRL": _compare(2, 32, signed_operand=False, logical=True),
        "CLGHRL": _compare(2, 64, signed_operand=False, logical=True),
    }
)
