"""The 31-bit addressing mode, where it makes a difference that is not in every address (POP, chapters 5 and 7).

The mode of a path is that of its first instruction: what may go on in another one is refused. What a register holds
says in which mode BSM and BASSM go on, so that they have semantics where the bits that say so are constants, as in a
return address that a linking branch made. In the 64-bit mode the table has no semantics for them.
"""

from __future__ import annotations

from verify.errors import Unsupported
from verify.machine import psw
from verify.machine.term import Term, concat, const, extract
from verify.semantics.step import Step, family_31, insn


@insn("SAM64")
def set_addressing_mode_64(step: Step) -> None:
    """PSW bits 31 and 32 become one, which in the 64-bit addressing mode they are."""
    if step.state.mode.narrow:
        raise Unsupported("sam64 changes the addressing mode")
    step.state.system_mask = psw.in_64_bit_mode(step.state.system_mask)


def set_addressing_mode_31(step: Step) -> None:
    """SAM31: PSW bit 31 becomes zero and bit 32 one, which in the 31-bit addressing mode they are."""
    step.state.system_mask = psw.in_31_bit_mode(step.state.system_mask)


def load_address(step: Step) -> None:
    """LA, LAY: "The address is placed in bits 33-63, bit 32 is set to zero, and bits 0-31 remain unchanged." """
    step.set_address("R1", step.address())


def branch_and_set_mode(step: Step) -> None:
    """BSM: "Bit 32 of R1 is set to one", unless the R1 field is zero; then as `_target`, unless R2 is zero."""
    target = _target(step)
    if step.field("R1"):
        old = step.reg("R1")
        step.set_reg("R1", concat(extract(old, 63, 32), const(1, 1), extract(old, 30, 0)))
    if target is not None:
        step.jump_indirect(target)


def branch_and_save_and_set_mode(step: Step) -> None:
    """BASSM: link information as of BASR, which has the addressing mode in it; then as `_target`, unless R2 is zero."""
    target = _target(step)
    step.link("R1")
    if target is not None:
        step.jump_indirect(target)


def _target(step: Step) -> Term | None:
    """The branch address in R2, whose bit 63 zero and bit 32 one mean the 31-bit mode.

    Bit 63 is zero in an address of this code, which lies at even places.
    """
    if not step.field("R2"):
        return None
    value = step.reg("R2")
    place = step.code.place(step.state.mode.address(value))
    even = extract(value, 0, 0) is const(0, 1) or (place is not None and place.offset % 2 == 0)
    if not even or extract(value, 31, 31) is not const(1, 1):
        raise Unsupported(f"{step.insn.mnemonic.lower()} to {value} may change the addressing mode")
    return value


family_31({
    "LA": load_address, "LAY": load_address, "SAM31": set_addressing_mode_31,
    "BSM": branch_and_set_mode, "BASSM": branch_and_save_and_set_mode,
})  # fmt: skip
