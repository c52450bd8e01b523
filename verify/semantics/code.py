"""The code under proof: instructions at symbolic addresses, with relocations as holes and run-time patches applied.

Every section of a relocatable object is placed independently, so an address in it is the section's own unknown base
plus a constant; a proof therefore holds for any placement. A relocated operand is a symbol plus an addend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verify.errors import Unsupported
from verify.machine.state import got_slot, symbol_address
from verify.machine.term import Origin, Term, const, leaf, plus, split
from verify.objfile.image import Image, Place, Target
from verify.semantics.decode import Instruction, decode

_LONGEST = 6
_READS_GOT = frozenset({"LARL", "LGRL"})  # the address of the entry, and its contents


@dataclass(frozen=True, slots=True)
class Patch:
    """Code that the kernel writes at run time: the bytes at a place, and what their relative operand designates."""

    raw: bytes
    operand: str | None = None


class Code:
    """An image with a choice of run-time patches: fetches instructions and gives addresses their terms."""

    def __init__(self, image: Image, patches: Mapping[Place, Patch] | None = None) -> None:
        self.image = image
        self.patches = dict(patches or {})
        self._bases: dict[Term, int] = {}
        self._spaces: dict[int, Term] = {}
        self._decoded: dict[Place, Instruction] = {}

    def base(self, space: int) -> Term:
        """The unknown load address of a space."""
        known = self._spaces.get(space)
        if known is None:
            known = leaf(f"&{self.image.space_name(space)}", 64, Origin.CODE)
            self._spaces[space] = known
            self._bases[known] = space
        return known

    def address(self, place: Place) -> Term:
        """The address of a place, 64 bits."""
        return plus(self.base(place.space), place.offset)

    def place(self, address: Term) -> Place | None:
        """The place that an address denotes, when it lies in this image."""
        base, offset = split(address)
        space = self._bases.get(base) if base is not None else None
        return None if space is None else Place(space, offset)

    def describe(self, address: Term) -> str:
        """An address as a label where it is one of this image's."""
        place = self.place(address)
        return str(address) if place is None else self.image.label(place)

    def symbol(self, name: str) -> Term:
        """The address of a symbol by name, wherever it is defined."""
        for symbol in self.image.symbols:
            if symbol.name == name and symbol.absolute is not None:
                return const(symbol.absolute, 64)
            if symbol.name == name and symbol.place is not None and symbol.binding != "weak":
                return self.address(symbol.place)
        return symbol_address(name)

    def fetch(self, place: Place) -> Instruction:
        """The instruction at a place. Raises Unsupported where there is none."""
        known = self._decoded.get(place)
        if known is None:
            known = self._decode(place)
            self._decoded[place] = known
        return known

    def _decode(self, place: Place) -> Instruction:
        patch = self.patches.get(place)
        raw = patch.raw if patch else self.image.code(place, _LONGEST)
        where = self.image.label(place)
        if not raw:
            raise Unsupported(f"control reaches {where}, which is outside the object's code")
        if place.offset % 2:
            raise Unsupported(f"control reaches {where}, an odd address")
        insn = decode(raw)
        if insn is None:
            raise Unsupported(f"no instruction is known for {raw.hex()} at {where}")
        section = self.image.patched_at_boot(place, insn.length)
        if section is not None and patch is None:
            raise Unsupported(f"{insn.mnemonic.lower()} at {where} may be replaced at boot ({section})")
        self._refuse_foreign_holes(place, insn)
        return insn

    def _refuse_foreign_holes(self, place: Place, insn: Instruction) -> None:
        """A relocation is allowed only where it is the relative operand of the instruction."""
        if place in self.patches:
            return
        field = _relative_field(insn)
        for hole in self.image.holes_in(place, insn.length):
            fills = (8 * (hole.place.offset - place.offset), hole.row.bits) == field
            if not (fills and hole.row.supported):
                raise Unsupported(
                    f"relocation {hole.row.name} against {hole.symbol} in {insn.mnemonic.lower()} at "
                    f"{self.image.label(place)} has no meaning here"
                )

    def relative(self, place: Place, insn: Instruction) -> Term:
        """The address that the relative operand of the instruction at `place` designates."""
        patch = self.patches.get(place)
        if patch is not None and patch.operand is not None:
            return self.symbol(patch.operand)
        offset = insn.relative_offset
        if offset is None:
            raise Unsupported(f"{insn.mnemonic.lower()} has no relative operand")
        if patch is None:
            holes = self.image.holes_in(place, insn.length)
            if len(holes) > 1:
                raise Unsupported(f"two relocations in one instruction at {self.image.label(place)}")
            if holes:
                return self._target(holes[0].denotes(place), holes[0].row.kind, insn)
        return plus(self.address(place), offset)

    def _target(self, target: Target, kind: str, insn: Instruction) -> Term:
        if kind == "got-entry":
            if insn.mnemonic not in _READS_GOT:
                raise Unsupported(f"{insn.mnemonic.lower()} of a GOT entry, which is data, has no meaning here")
            if target.external is None or target.addend:
                raise Unsupported("a GOT entry of a local symbol has no meaning here")
            return got_slot(target.external)
        if (target.place.offset if target.place else (target.absolute or 0) + target.addend) % 2:
            raise Unsupported("a relative operand counts halfwords and cannot designate an odd address")
        if target.place is not None:
            return self.address(target.place)
        if target.external is not None:
            return plus(symbol_address(target.external), target.addend)
        return const(target.absolute or 0, 64)


def _relative_field(insn: Instruction) -> tuple[int, int] | None:
    """First bit and width of the relative operand's field in the instruction, if it has one."""
    return next((field.parts[0] for field in insn.format.fields if field.name == insn.format.relative), None)
