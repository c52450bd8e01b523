"""Addressing modes: how wide an address is, and what of a general register an ABI knows.

POP, chapter 3, "Address Types and Formats", and chapter 5, "Addressing": in the 31-bit mode an address is bits 33-63
of a register, arithmetic on addresses is modulo 2**31, and no instruction looks at bits 0-32 of a base or an index.
An address is therefore a term of 31 or of 64 bits here, so that two of them are equal exactly when they designate the
same byte. Of the registers, 31-bit code and what is said about it know bits 32-63.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verify.machine.psw import ibm, in_31_bit_mode, in_64_bit_mode
from verify.machine.term import Origin, Term, concat, const, extract, leaf, offset_from, zero_extend


@dataclass(frozen=True, slots=True)
class Mode:
    """An addressing mode; `bits` is the width of an address, `word` that of a register as the ABI knows it.

    `r15` is the unknown that r15 holds at entry (of `word` bits), `stack` the address that it designates. `system` puts
    the mode's own bits into a PSW mask. `lowcore` is how many bytes from address 0 prefixing maps (POP, chapter 3,
    "Assigned Storage Locations"; 4096 in ESA/390, which 31-bit kernels run in).
    """

    bits: int
    word: int
    lowcore: int
    r15: Term = field(init=False)
    stack: Term = field(init=False)

    def __post_init__(self) -> None:
        r15 = leaf("old.r15", self.word, Origin.ENTRY)
        object.__setattr__(self, "r15", r15)
        object.__setattr__(self, "stack", extract(r15, self.bits - 1, 0))

    @property
    def narrow(self) -> bool:
        """Whether bits 0-31 of a register are none of the ABI's business."""
        return self.word == 32

    # Addresses

    def address(self, value: Term) -> Term:
        """The address that a value designates: its rightmost bits."""
        if value.width == self.bits:
            return value
        return extract(value, self.bits - 1, 0) if value.width > self.bits else zero_extend(value, self.bits)

    def offset(self, value: Term) -> int | None:
        """Bytes from r15 at entry to the address that a value designates, if that is a constant; signed."""
        return offset_from(self.address(value), self.stack)

    # Registers

    def seen(self, register: Term) -> Term:
        """What the ABI knows of the contents of a general register (64 bits)."""
        return extract(register, self.word - 1, 0)

    def entry(self, number: int) -> Term:
        """What the ABI knows of a general register at entry."""
        return self.r15 if number == 15 else leaf(f"old.r{number}", self.word, Origin.ENTRY)

    def register(self, number: int) -> Term:
        """A general register at entry, all 64 bits."""
        if not self.narrow:
            return self.entry(number)
        return concat(leaf(f"old.r{number}.high", 32, Origin.ENTRY), self.entry(number))

    def changed(self, register: Term, seen: Term) -> Term:
        """A register of which the ABI's part is another one; the rest stays."""
        return concat(extract(register, 63, 32), seen) if self.narrow else seen

    def loaded_address(self, register: Term, address: Term) -> Term:
        """A register into which an address is loaded (POP, chapter 7, "LOAD ADDRESS").

        "In the 31-bit addressing mode, the address is placed in bit positions 33-63, bit 32 is set to zero, and bits
        0-31 remain unchanged."
        """
        return self.changed(register, zero_extend(address, self.word))

    def link(self, register: Term, following: Term) -> Term:
        """A register with the link information (POP, chapter 7, "BRANCH AND SAVE").

        In the 31-bit mode bit 32 is one, the updated instruction address is in bits 33-63, and bits 0-31 remain
        unchanged.
        """
        return self.changed(register, concat(const(1, 1), following) if self.narrow else following)

    # The PSW

    def system(self, mask: Term) -> Term:
        """A PSW mask with bits 31 and 32 as this mode has them."""
        return in_31_bit_mode(mask) if self.narrow else in_64_bit_mode(mask)

    def psw_mask(self, mask: Term) -> Term:
        """What a PSW of this mode's format has in front of the instruction address: 32 bits of 64 in the short one."""
        return ibm(mask, 0, 31) if self.narrow else mask


MODE_31 = Mode(31, 32, 4096)
MODE_64 = Mode(64, 64, 8192)
MODES = {31: MODE_31, 64: MODE_64}
