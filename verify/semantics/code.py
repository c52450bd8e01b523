"""The code under proof: instructions at symbolic addresses, with relocations as holes and run-time patches applied.

Every section of a relocatable object is placed independently, so an address in it is the section's own unknown base
plus a constant; a proof therefore holds for any placement. A relocated operand is a symbol plus an addend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from verify.errors import Unsupported
from verify.machine.mode import MODES
from verify.machine.state import got_slot, symbol_address
from verify.machine.term import Origin, Term, const, leaf, plus, split, zero_extend
from verify.objfile.image import LINKED_SPACE, Hole, Image, Place, Target
from verify.semantics.decode import Instruction, decode, instruction_length

_LONGEST = 6
_LITERAL = 4  # bytes of an address in 31-bit code
_FAR = 1 << 28  # bytes that no object has
_READS_GOT = frozenset({"LARL", "LGRL"})  # the address of the entry, and its contents


@dataclass(frozen=True, slots=True)
class Patch:
    """Code that the kernel writes over the code as assembled: bytes from `at` on; None keeps the byte there.

    `operand` names the symbol that the relative operand of the instruction at `at` designates, where its distance is
    no number before the kernel is linked. `unknown` says of such bytes, and of others that are not known, why (by
    their distance from `at`): an instruction with one of them is `unsupported`, unless it is the one with `operand`.
    """

    at: Place
    raw: tuple[int | None, ...]
    operand: str | None = None
    unknown: Mapping[int, str] = field(default_factory=dict)


class Code:
    """An image with a choice of patches: fetches instructions and gives addresses their terms.

    Alternatives that hang on `features` are in place; code that `.altinstructions` lists is refused unless that is a
    choice (`settled`). Patches are applied after them, the later over the earlier. `lowcore` is the code in the
    lowcore, by its address.
    """

    def __init__(
        self,
        image: Image,
        patches: Iterable[Patch] = (),
        *,
        features: frozenset[str] = frozenset(),
        settled: bool = False,
        lowcore: Mapping[int, bytes] | None = None,
    ) -> None:
        self.image, self.features, self.settled = image, features, settled
        self.mode = MODES[image.bits]
        self.patches = tuple(patches)
        self.lowcore = dict(lowcore or {})
        self._bases: dict[Term, int] = {}
        self._spaces: dict[int, Term] = {}
        self._decoded: dict[Place, Instruction] = {}
        self._written: dict[Place, int] = {}
        self._unknown: dict[Place, str] = {}
        self._operands: dict[Place, tuple[str, int]] = {}  # with the length of the instruction
        self.literals: dict[Place, Term] = {}
        """What was asked for with `constant`, and found."""
        for patch in self.patches:
            self._apply(patch)

    def _apply(self, patch: Patch) -> None:
        for distance, byte in enumerate(patch.raw):
            if byte is not None:
                place = patch.at.plus(distance)
                self._written[place] = byte
                self._unknown.pop(place, None)
                self._split(place)
        self._unknown |= {patch.at.plus(distance): why for distance, why in patch.unknown.items()}
        if patch.operand is not None:
            self._operands[patch.at] = patch.operand, instruction_length(self.bytes_at(patch.at)[0])

    def _split(self, place: Place) -> None:
        """An instruction of which another patch overwrites a byte is no longer the one with the operand."""
        for before in range(_LONGEST):
            start = place.plus(-before)
            if start in self._operands and before < self._operands[start][1]:
                del self._operands[start]

    def base(self, space: int) -> Term:
        """The load address of a space: unknown, but for bare code, whose places are addresses."""
        if self.image.fixed:
            return const(0, self.mode.bits)
        known = self._spaces.get(space)
        if known is None:
            known = leaf(f"&{self.image.space_name(space)}", self.mode.bits, Origin.CODE)
            self._spaces[space] = known
            self._bases[known] = space
        return known

    def address(self, place: Place) -> Term:
        """The address of a place, as wide as the addressing mode has it."""
        return plus(self.base(place.space), place.offset)

    def place(self, address: Term) -> Place | None:
        """The place that an address denotes, when it lies in this image."""
        base, offset = split(address)
        if base is None and self.image.fixed and self.image.code(Place(LINKED_SPACE, offset), 1):
            return Place(LINKED_SPACE, offset)
        space = self._bases.get(base) if base is not None else None
        return None if space is None else Place(space, offset)

    def describe(self, address: Term) -> str:
        """An address as a label where it is one of this image's."""
        place = self.place(address)
        return str(address) if place is None else self.image.label(place)

    def names(self, address: Term) -> tuple[str, ...]:
        """What a target outside the image is called: a symbol of another object, or the absolute ones of that value."""
        if address.leaf is not None and address.leaf.origin is Origin.SYMBOL:
            return (address.leaf.name.removeprefix("&"),)
        if not address.is_const:
            return ()
        return tuple(symbol.name for symbol in self.image.symbols if symbol.absolute == address.value)

    def symbol(self, name: str) -> Term:
        """The address of a symbol by name, wherever it is defined."""
        for symbol in self.image.symbols:
            if symbol.name == name and symbol.absolute is not None:
                return const(symbol.absolute, self.mode.bits)
            if symbol.name == name and symbol.place is not None and symbol.binding != "weak":
                return self.address(symbol.place)
        return symbol_address(name, self.mode)

    def fetch(self, place: Place) -> Instruction:
        """The instruction at a place. Raises Unsupported where there is none."""
        known = self._decoded.get(place)
        if known is None:
            known = self._decode(place)
            self._decoded[place] = known
        return known

    def in_lowcore(self, address: Term, size: int) -> bool:
        """Whether the bytes from a known address on hold code of the lowcore."""
        if not (self.lowcore and address.is_const):
            return False
        return any(at < address.value + size and address.value < at + len(raw) for at, raw in self.lowcore.items())

    def bytes_at(self, place: Place) -> bytes:
        """Up to 6 bytes of code, patched; fewer at a section's end, none where nothing is executable."""
        raw = self.image.code(place, _LONGEST)
        written = self._overlay(place, len(raw))
        return bytes(written.get(n, byte) for n, byte in enumerate(raw)) if written else raw

    def _overlay(self, place: Place, length: int) -> dict[int, int]:
        """The bytes, by distance from a place, that are not as assembled."""
        found: dict[int, int] = {}
        for one in self.image.alternatives.over(place, length, self.features) if self.features else ():
            start = one.place.offset - place.offset
            found |= {start + n: byte for n, byte in enumerate(one.raw) if 0 <= start + n < length}
        if self._written:
            found |= {n: self._written[at] for n in range(length) if (at := place.plus(n)) in self._written}
        return found

    def replaced(self, place: Place, length: int) -> bool:
        """Whether one of these bytes is of an alternative that hangs on a feature, and is in place."""
        return bool(self.features) and bool(self.image.alternatives.over(place, length, self.features))

    def _unknown_in(self, place: Place, length: int) -> str | None:
        """Why one of these bytes is not known; None where all are."""
        why: dict[int, str | None] = {}
        for one in self.image.alternatives.over(place, length, self.features) if self.features else ():
            start = one.place.offset - place.offset
            why |= {start + n: one.unknown.get(n) for n in range(len(one.raw)) if 0 <= start + n < length}
        if self._written:
            why |= {n: None for n in range(length) if place.plus(n) in self._written}
            why |= {n: self._unknown[at] for n in range(length) if (at := place.plus(n)) in self._unknown}
        return next((reason for reason in why.values() if reason is not None), None)

    def _decode(self, place: Place) -> Instruction:
        raw = self.bytes_at(place)
        where = self.image.label(place)
        if not raw:
            raise Unsupported(f"control reaches {where}, which is outside the object's code")
        if place.offset % 2:
            raise Unsupported(f"control reaches {where}, an odd address")
        insn = decode(raw)
        if place not in self._operands:
            self._refuse_unknown(place, insn.length if insn else len(raw))
        if insn is None:
            raise Unsupported(f"no instruction is known for {raw.hex()} at {where}")
        if not self.settled and self.image.alternatives.lists(place, insn.length):
            raise Unsupported(f"{insn.mnemonic.lower()} at {where} may be replaced at boot (.altinstructions)")
        if insn.mnemonic == "BRCL" and place in self.image.jump_labels:
            raise Unsupported(f"brcl at {where} is turned on and off at run time (__jump_table)")
        self._refuse_foreign_holes(place, insn)
        return insn

    def _refuse_unknown(self, place: Place, length: int) -> None:
        """Refuse an instruction with a byte that is not known."""
        why = self._unknown_in(place, length)
        if why is not None:
            raise Unsupported(f"the instruction at {self.image.label(place)} is not known: {why}")

    def _holes(self, place: Place, insn: Instruction) -> tuple[Hole, ...]:
        """The relocations in an instruction whose fields no patch has written over. Raises Unsupported."""
        holes = self.image.holes_in(place, insn.length)
        if not holes:
            return holes
        kept = []
        for hole in holes:
            size = max(1, hole.row.size)
            written = self._overlay(hole.place, size)
            over = [n in written for n in range(size)]
            if any(over) and not all(over):
                raise Unsupported(f"a patch at {self.image.label(place)} overwrites a part of {hole.row.name}")
            kept += [] if any(over) else [hole]
        return tuple(kept)

    def _refuse_foreign_holes(self, place: Place, insn: Instruction) -> None:
        """A relocation is allowed only where it is the relative operand of the instruction."""
        where = relative_field(insn)
        for hole in self._holes(place, insn):
            fills = (8 * (hole.place.offset - place.offset), hole.row.bits) == where
            if not (fills and hole.row.supported):
                raise Unsupported(
                    f"relocation {hole.row.name} against {hole.symbol} in {insn.mnemonic.lower()} at "
                    f"{self.image.label(place)} has no meaning here"
                )

    def linked(self, place: Place, insn: Instruction) -> bool:
        """Whether the relative operand is filled in by the linker, or by the kernel with a symbol's distance."""
        return place in self._operands or bool(self._holes(place, insn))

    def relative(self, place: Place, insn: Instruction) -> Term:
        """The address that the relative operand of the instruction at `place` designates."""
        if place in self._operands:
            return self.symbol(self._operands[place][0])
        offset = insn.relative_offset
        if offset is None:
            raise Unsupported(f"{insn.mnemonic.lower()} has no relative operand")
        holes = self._holes(place, insn)
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
            return got_slot(target.external, self.mode)
        if (target.place.offset if target.place else (target.absolute or 0) + target.addend) % 2:
            raise Unsupported("a relative operand counts halfwords and cannot designate an odd address")
        return self._denoted(target)

    def _denoted(self, target: Target) -> Term:
        if target.place is not None:
            return self.address(target.place)
        if target.external is not None:
            return plus(symbol_address(target.external, self.mode), target.addend)
        return const(target.absolute or 0, self.mode.bits)

    def constant(self, address: Term, size: int) -> Term | None:
        """What 31-bit code finds in its own literals: `size` bytes of code that nobody changes; None for all else.

        31-bit code has no instruction for the address of a symbol, so the assembler puts that between instructions,
        and the linker fills it in (R_390_32; a symbol lies below 2 GiB). In 64-bit code storage of that kind is what
        the kernel changes at run time.
        """
        place = self.place(address) if self.mode.narrow else None
        if place is None or len(raw := self.image.literal(place, size)) != size:
            return None
        if self.image.alternatives.lists(place, size) or self._patched(place, size):
            return None
        holes = self.image.holes_in(place, size)
        if not holes:
            self.literals[place] = const(int.from_bytes(raw, "big"), 8 * size)
        elif size == _LITERAL and [(hole.place, hole.row.name) for hole in holes] == [(place, "R_390_32")]:
            word = self._word(holes[0].target)
            if word is None:
                return None
            self.literals[place] = word
        else:
            return None
        return self.literals[place]

    def _word(self, target: Target) -> Term | None:
        """The word that the linker makes of S + A: an address where A keeps with its object, else nobody knows.

        Code that goes on by BSM adds 0x80000000 to an address, for bit 32, which is none of the address.
        """
        if target.place is None and target.external is None:
            return const((target.absolute or 0) + target.addend, 8 * _LITERAL)
        far = target.addend if target.place is None else target.place.offset
        near = -_FAR < far < _FAR if self.image.relocatable else 0 <= far < 1 << self.mode.bits
        return zero_extend(self._denoted(target), 8 * _LITERAL) if near else None

    def _patched(self, place: Place, size: int) -> bool:
        """Whether one of these bytes is written at run time, or may be."""
        known = (self._written, self._unknown, self._operands)
        return any(place.plus(n) in one for n in range(size) for one in known)


def relative_field(insn: Instruction) -> tuple[int, int] | None:
    """First bit and width of the relative operand's field in the instruction, if it has one."""
    return next((field.parts[0] for field in insn.format.fields if field.name == insn.format.relative), None)
