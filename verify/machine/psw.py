"""The program-status word's mask (bits 0-63), with condition code and program mask kept apart.

POP, chapter 4, "Program-Status-Word Format" (IBM bit numbers, 0 is the most significant):
bits 0-7 system mask (PER, DAT, I/O, external), 8-11 key, 13 machine check, 14 wait, 15 problem state,
16-17 address-space control, 18-19 condition code, 20-23 program mask, 31-32 addressing mode (EA, BA).
"""

from __future__ import annotations

from verify.machine.term import Term, concat, const, extract

CC_BITS = (18, 19)
PROGRAM_MASK_BITS = (20, 23)


def ibm(term: Term, first: int, last: int) -> Term:
    """Bits first..last in IBM numbering: 0 is the most significant bit, both included."""
    return extract(term, term.width - 1 - first, term.width - 1 - last)


def compose(system: Term, cc: Term, program_mask: Term) -> Term:
    """The 64-bit PSW mask: `system` (64 bits) with the condition code (2) and program mask (4) put in."""
    return concat(ibm(system, 0, 17), cc, program_mask, ibm(system, 24, 63))


def in_64_bit_mode(system: Term) -> Term:
    """The same mask with bits 31 and 32 (EA and BA) one, as in the 64-bit addressing mode."""
    return concat(ibm(system, 0, 30), const(0b11, 2), ibm(system, 33, 63))


def in_31_bit_mode(system: Term) -> Term:
    """The same mask with bit 31 (EA) zero and bit 32 (BA) one, as in the 31-bit addressing mode."""
    return concat(ibm(system, 0, 30), const(0b01, 2), ibm(system, 33, 63))
