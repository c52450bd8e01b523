"""Instructions that read or change the program-status word (POP, chapters 7 and 10).

Bits are numbered as the manual does: 0 is the most significant.
"""

from __future__ import annotations

from verify.errors import Unsupported
from verify.machine import psw
from verify.machine.psw import ibm
from verify.machine.term import TRUE, Term, bvand, bvor, concat, const, eq, plus
from verify.semantics import cc
from verify.semantics.step import Step, insn


@insn("IPM")
def insert_program_mask(step: Step) -> None:
    """Bits 32-33 zero, condition code into 34-35, program mask into 36-39; bits 0-31 and 40-63 stay."""
    old = step.reg("R1")
    merged = concat(ibm(old, 0, 31), const(0, 2), cc.value(step.state), step.state.program_mask, ibm(old, 40, 63))
    step.set_reg("R1", merged)


@insn("SPM")
def set_program_mask(step: Step) -> None:
    """Bits 34-35 of R1 become the condition code, bits 36-39 the program mask."""
    value = step.reg("R1")
    step.state.set_cc(ibm(value, 34, 35))
    step.state.program_mask = ibm(value, 36, 39)


@insn("EPSW")
def extract_psw(step: Step) -> None:
    """PSW bits 0-31 replace bits 32-63 of R1; PSW bits 32-63 those of R2, unless the R2 field is zero.

    The short PSW of ESA/390, in which 31-bit kernels run, has the instruction address there: then R2 is refused.
    """
    state = step.state
    if step.field("R2"):
        step.only_in_64_bit_mode()
    mask = psw.compose(state.system_mask, cc.value(state), state.program_mask)
    step.set_reg("R1", concat(ibm(step.reg("R1"), 0, 31), ibm(mask, 0, 31)))
    if step.field("R2"):
        step.set_reg("R2", concat(ibm(step.reg("R2"), 0, 31), ibm(mask, 32, 63)))


def _set_system_mask(step: Step, mask: Term) -> None:
    """Replace PSW bits 0-7, of which bit 5 (DAT) must stay: another translation is another storage."""
    state = step.state
    if eq(ibm(mask, 5, 5), ibm(state.system_mask, 5, 5)) is not TRUE:
        raise Unsupported(f"{step.insn.mnemonic.lower()} may turn address translation on or off")
    state.system_mask = concat(mask, ibm(state.system_mask, 8, 63))


def _store_system_mask(step: Step, *, ones: bool) -> None:
    """Store PSW bits 0-7, then OR (STOSM) or AND (STNSM) them with I2."""
    state = step.state
    system = ibm(state.system_mask, 0, 7)
    state.store(step.address("1"), system)
    operand = const(step.field("I2"), 8)
    _set_system_mask(step, bvor(system, operand) if ones else bvand(system, operand))


@insn("STOSM")
def store_then_or_system_mask(step: Step) -> None:
    """The system mask is stored as it was, then ORed with I2."""
    _store_system_mask(step, ones=True)


@insn("STNSM")
def store_then_and_system_mask(step: Step) -> None:
    """The system mask is stored as it was, then ANDed with I2."""
    _store_system_mask(step, ones=False)


@insn("SSM")
def set_system_mask(step: Step) -> None:
    """The byte at the second-operand address becomes PSW bits 0-7."""
    _set_system_mask(step, step.state.load(step.address(), 1))


@insn("LPSWE", "LPSWEY")
def load_psw_extended(step: Step) -> None:
    """An exit: the sixteen bytes at the operand are the whole PSW, mask first, then the instruction address."""
    step.only_in_64_bit_mode()
    state = step.state
    address = step.address("1" if step.insn.mnemonic == "LPSWEY" else "2")
    mask = state.load(address, 8)
    step.leaves = state.load(plus(address, 8), 8)
    _replace_psw(step, mask)


@insn("LPSW")
def load_psw(step: Step) -> None:
    """An exit: the eight bytes at the operand are a PSW of the short format.

    Bits 0-32 become those of the PSW, bit 12 inverted to zero; bits 33-63 the rightmost of the instruction address.
    Whether the addressing mode is another one then, bits 31 and 32 say (mode-preserved).
    """
    state = step.state
    short = state.load(step.address(), 8)
    mask = concat(ibm(short, 0, 11), const(0, 1), ibm(short, 13, 32), const(0, 31))
    step.leaves = state.mode.address(ibm(short, 33, 63))
    _replace_psw(step, mask)


def _replace_psw(step: Step, mask: Term) -> None:
    state = step.state
    state.set_cc(ibm(mask, 18, 19))
    state.program_mask = ibm(mask, 20, 23)
    state.system_mask = mask
