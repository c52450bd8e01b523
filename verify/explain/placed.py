"""An object at concrete addresses: where its sections, the symbols of other objects and the stack lie in a replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from verify.explain.emulator import Emulator
from verify.machine.evaluate import Evaluation, unknowns
from verify.machine.state import GOT_SLOT, symbol_address
from verify.machine.term import Origin, Term
from verify.objfile.image import LINKED_SPACE, Image, Place
from verify.semantics.code import Code
from verify.semantics.decode import encode
from verify.walk.path import Path

SECTIONS = 0x3FF_8000_0000  # above 4 GiB, so that a lost upper half shows
ENTRY_R15 = 0x80_0000_0000
_SECTIONS = {31: 0x4800_0000, 64: SECTIONS}
_ENTRY_R15 = {31: 0x6000_0000, 64: ENTRY_R15}
_ALIGN, _FUNCTION, _VARIABLE = 0x100, 0x40, 0x1000


class Unplaced(Exception):
    """Something on the path cannot be had on the concrete machine; says what."""


class Placed:
    """Addresses for all that these terms and paths of one image mention; `r15` is that of the stack at entry."""

    def __init__(self, image: Image, path: Path, terms: Sequence[Term]) -> None:
        self.image, self.code, self.mode = image, path.code, path.code.mode
        self.r15 = _ENTRY_R15[self.mode.bits]
        self.bases = self._sections()
        self.names: dict[int, str] = {}
        self._outer = _symbols(path, terms)
        self._variables = unknowns([a.address for a in path.state.loads] + [a.address for a in path.state.stores])
        self._top = max(self._end(space) for space in self.bases) + 0xFFF & -0x1000
        self.fixed: dict[Term, int] = {self.code.base(space): base for space, base in self.bases.items()}
        self.fixed[self.mode.r15] = self.r15
        self._put(self._outer, self._variables, self._top)

    def _put(self, symbols: Iterable[Term], variables: set[Term], end: int) -> None:
        """Give the symbols of other objects their addresses, from `end` on."""
        self.names.clear()
        for wanted, room in ((False, _FUNCTION), (True, _VARIABLE)):
            end = end + 0xFFF & -0x1000
            for symbol in sorted(symbols, key=str):
                if (symbol in variables) is wanted:
                    self.fixed[symbol] = end
                    self.names[end] = str(symbol).removeprefix("&")
                    end += room
        self.value = Evaluation(self.fixed)

    def share(self, other: Placed) -> None:
        """Give the symbols of other objects the same addresses as in another object's placement, which changes too."""
        symbols, variables = self._outer | other._outer, self._variables | other._variables
        for one in (self, other):
            one._put(symbols, variables, max(self._top, other._top))

    def _sections(self) -> dict[int, int]:
        """The address of each space's offset 0: a linked image is where it says."""
        if not self.image.relocatable:
            return {LINKED_SPACE: 0}
        bases, at = {}, _SECTIONS[self.mode.bits]
        for section in self.image.sections:
            if section.allocated:
                bases[section.space] = at
                at += (len(section.data) + 2 * _ALIGN - 1) & -_ALIGN
        return bases

    def _end(self, space: int) -> int:
        return self.bases[space] + max(
            (section.start + len(section.data) for section in self.image.sections if section.space == space), default=0
        )

    def address(self, place: Place) -> int:
        """The address of a place."""
        return self.bases[place.space] + place.offset

    def label(self, address: int) -> str | None:
        """An address in the code as symbol and distance; None for any other."""
        for space, base in self.bases.items():
            place = Place(space, address - base)
            if self.image.code(place, 1):
                return self.image.label(place)
        return None

    def load(self, emulator: Emulator, places: Iterable[Place]) -> None:
        """Put the instructions at these places into storage, linked and patched. Raises Unplaced."""
        for place in places:
            insn = self.code.fetch(place)
            relative = insn.format.relative
            if relative is None or not self.code.linked(place, insn):
                raw = insn.raw
            else:
                distance = self.value(self.code.relative(place, insn)) - self.address(place) >> 1
                try:
                    raw = encode(insn.spec, {**insn.fields, relative: distance})
                except ValueError as problem:
                    raise Unplaced(f"an operand at {self.image.label(place)} is out of reach: {problem}") from problem
            emulator.write_code(self.address(place), raw)
        for at, raw in self.code.lowcore.items():
            emulator.write_code(at, raw)
        for place, term in self.code.literals.items():
            emulator.write_code(self.address(place), self.value(term).to_bytes(term.width // 8, "big"))
        for term, at in self.fixed.items():
            if term.leaf is not None and term.leaf.note.startswith(GOT_SLOT):
                name = term.leaf.note.removeprefix(GOT_SLOT)
                emulator.write(at, self.fixed[symbol_address(name, self.mode)].to_bytes(self.mode.word // 8, "big"))


def _symbols(path: Path, terms: Sequence[Term]) -> set[Term]:
    """All symbols of other objects that a path and the terms mention, and what their GOT slots hold."""
    state = path.state
    mentioned = [*terms, *state.conditions, state.pc, *state.gpr, *(made.target for made in path.calls)]
    mentioned += [term for made in path.calls for term in made.state.gpr]
    mentioned += [term for load in state.loads for term in (load.address, load.value)]
    mentioned += [term for store in state.stores for term in (store.address, store.value)]
    mentioned += [value for value, _ in state.stack.bytes.values()]
    mentioned += path.code.literals.values()
    for place in (*path.places, *path.out_of_line):
        insn = path.code.fetch(place)
        if insn.format.relative is not None:
            mentioned.append(path.code.relative(place, insn))
    found = {one for one in unknowns(mentioned) if one.leaf is not None and one.leaf.origin is Origin.SYMBOL}
    slots = [one.leaf.note for one in found if one.leaf is not None and one.leaf.note.startswith(GOT_SLOT)]
    return found | {symbol_address(note.removeprefix(GOT_SLOT), path.code.mode) for note in slots}


__all__ = ["ENTRY_R15", "Code", "Placed", "Unplaced"]
