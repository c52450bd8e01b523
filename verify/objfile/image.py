"""An object file as the verifier sees it: code bytes, symbols, and relocations as holes.

Load addresses are not known, so a byte is named by a `Place`. In a relocatable object every section is placed on its
own and is a space of its own; a linked image is one space, with link-time virtual addresses as offsets. Only bare code
(`raw`) has known addresses, and its offsets are those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from verify.errors import NoSuchSymbol
from verify.objfile.relocs import Row

if TYPE_CHECKING:  # pragma: no cover
    from verify.objfile.alternatives import Alternatives

LINKED_SPACE = 0
_DATA = frozenset({"object", "common", "tls"})
_CONSTANT = (".rodata", ".data.rel.ro")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A byte of the image: section index (linked images: 0) and offset in bytes (linked images: virtual address)."""

    space: int
    offset: int

    def plus(self, distance: int) -> Place:
        """The place `distance` bytes on."""
        return Place(self.space, self.offset + distance)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol; `place` is None where another object defines it, or nobody places it yet (COMMON)."""

    name: str
    place: Place | None
    size: int
    kind: str
    binding: str
    absolute: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a relocation denotes: a place, or an external symbol plus an addend in bytes, or an absolute number."""

    place: Place | None = None
    external: str | None = None
    absolute: int | None = None
    addend: int = 0

    def plus(self, distance: int) -> Target:
        """The target `distance` bytes on."""
        if self.place is not None:
            return Target(place=self.place.plus(distance))
        if self.external is not None:
            return Target(external=self.external, addend=self.addend + distance)
        return Target(absolute=(self.absolute or 0) + distance)


@dataclass(frozen=True, slots=True)
class Hole:
    """A relocation, kept as data: `target` is S + A; the bytes of the image are never patched."""

    place: Place
    row: Row
    target: Target
    symbol: str
    addend: int

    def denotes(self, instruction: Place) -> Target:
        """What the relative operand of the instruction at that place designates.

        The field holds (S + A - P) / 2 with P its own address, and the machine adds it to the instruction's address
        (psABI chapter 4; POP chapter 5, "Relative addressing"), so this is S + A - (P - instruction).
        """
        return self.target.plus(instruction.offset - self.place.offset)


@dataclass(frozen=True, slots=True)
class Section:
    """A section: name, index, first offset in its space, its bytes (none for NOBITS), and its flags."""

    name: str
    index: int
    space: int
    start: int
    data: bytes
    executable: bool
    allocated: bool
    writable: bool = False


@dataclass(frozen=True)
class Image:
    """One object file, ready to be read; `bits` is the addressing mode that it is made for, 31 or 64."""

    path: Path
    relocatable: bool
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    holes: tuple[Hole, ...]
    bits: int = 64
    fixed: bool = False

    # Bytes

    def code(self, place: Place, n: int) -> bytes:
        """Up to n bytes of executable section at a place; none outside, or where nothing is executable."""
        for section in self._executable.get(place.space, ()):
            at = place.offset - section.start
            if 0 <= at < len(section.data):
                return section.data[at : at + n]
        return b""

    def literal(self, place: Place, n: int) -> bytes:
        """As `code`, of a section that is not writable."""
        for section in self._executable.get(place.space, ()):
            at = place.offset - section.start
            if 0 <= at < len(section.data) and not section.writable:
                return section.data[at : at + n]
        return b""

    def constant_data(self, place: Place) -> bool:
        """Whether a place is in a section that is neither executed nor written, such as .rodata.

        A linker script may have put into .rodata what is written before it becomes read-only, as that of vmlinux does.
        """
        held = (section for section in self.sections if section.allocated and not section.executable)
        return any(
            section.space == place.space and (self.relocatable or 0 <= place.offset - section.start < len(section.data))
            for section in held
            if not section.writable or section.name.startswith(_CONSTANT)
        )

    def holes_in(self, place: Place, length: int) -> tuple[Hole, ...]:
        """The relocations whose fields overlap these bytes."""
        holes, offsets = self._holes_by_space.get(place.space, ((), ()))
        end = place.offset + length
        found = []
        for hole in holes[: bisect_right(offsets, end - 1)][::-1]:
            if hole.place.offset < place.offset - 8:
                break
            if hole.place.offset + max(1, hole.row.size) > place.offset:
                found.append(hole)
        return tuple(reversed(found))

    @cached_property
    def alternatives(self) -> Alternatives:
        """The code that the kernel replaces when it boots, read when somebody asks."""
        from verify.objfile import alternatives  # which knows what an image is

        return alternatives.read(self)

    @cached_property
    def jump_labels(self) -> frozenset[Place]:
        """Where branches stand that the kernel turns on and off, read when somebody asks. Raises Unsupported."""
        from verify.objfile import labels  # which knows what an image is

        return labels.read(self)

    # Names

    def symbol(self, name: str) -> Symbol:
        """The routine of that name. Raises NoSuchSymbol."""
        for symbol in self.symbols:
            if symbol.name == name and symbol.place is not None and self.code(symbol.place, 1):
                return symbol
        raise NoSuchSymbol(self.path, f"defines no routine named {name!r}")

    @cached_property
    def data_symbols(self) -> frozenset[str]:
        """The names that are known to be data: variables, COMMON and thread-local ones included."""
        return frozenset(symbol.name for symbol in self.symbols if symbol.kind in _DATA)

    def aliases(self, place: Place) -> tuple[str, ...]:
        """All names of a place."""
        return tuple(symbol.name for symbol in self._named if symbol.place == place)

    def routines(self) -> tuple[Symbol, ...]:
        """Function symbols, and global labels without a type, in executable sections; one a place, by address."""
        found: dict[Place, Symbol] = {}
        for symbol in self._named:
            place = symbol.place
            entry = symbol.kind in ("func", "ifunc") or (symbol.kind == "notype" and symbol.binding != "local")
            if entry and place is not None and self.code(place, 1):
                known = found.get(place)
                if known is None or (known.kind != "func" and symbol.kind == "func"):
                    found[place] = symbol
        return tuple(found[place] for place in sorted(found, key=lambda place: (place.space, place.offset)))

    def label(self, place: Place) -> str:
        """`ftrace_caller+0x1c`: the nearest symbol before the place, else section and offset."""
        symbols, offsets = self._labels.get(place.space, ((), ()))
        index = bisect_right(offsets, place.offset) - 1
        if index < 0:
            return f"{self.space_name(place.space)}+{place.offset:#x}"
        distance = place.offset - offsets[index]
        return symbols[index].name + (f"+{distance:#x}" if distance else "")

    def space_name(self, space: int) -> str:
        """The section's name (with its index where names repeat); a linked image's file name."""
        if not self.relocatable:
            return self.path.name
        names = [section.name for section in self.sections]
        section = next((s for s in self.sections if s.index == space), None)
        if section is None:
            return f"section {space}"
        return section.name if names.count(section.name) == 1 else f"{section.name}#{space}"

    def section_names(self) -> Iterator[str]:
        """The names of all sections, in order."""
        return (section.name for section in self.sections)

    # Indexes

    @cached_property
    def _executable(self) -> dict[int, tuple[Section, ...]]:
        found: dict[int, tuple[Section, ...]] = {}
        for section in self.sections:
            if section.executable and section.data:
                found[section.space] = (*found.get(section.space, ()), section)
        return found

    @cached_property
    def _holes_by_space(self) -> dict[int, tuple[tuple[Hole, ...], tuple[int, ...]]]:
        spaces = {hole.place.space for hole in self.holes}
        found = {}
        for space in spaces:
            ordered = tuple(sorted((h for h in self.holes if h.place.space == space), key=lambda h: h.place.offset))
            found[space] = (ordered, tuple(hole.place.offset for hole in ordered))
        return found

    @cached_property
    def _named(self) -> tuple[Symbol, ...]:
        return tuple(s for s in self.symbols if s.name and s.place is not None and s.kind not in ("section", "file"))

    @cached_property
    def _labels(self) -> dict[int, tuple[tuple[Symbol, ...], tuple[int, ...]]]:
        """Symbols by address; at one address a function beats a global label beats a local one."""
        rank = {"func": 2, "ifunc": 2, "notype": 1}
        best: dict[Place, Symbol] = {}
        for symbol in self._named:
            assert symbol.place is not None
            known = best.get(symbol.place)
            if known is None or _weight(symbol, rank) > _weight(known, rank):
                best[symbol.place] = symbol
        found: dict[int, tuple[tuple[Symbol, ...], tuple[int, ...]]] = {}
        for space in {place.space for place in best}:
            places = sorted((place for place in best if place.space == space), key=lambda place: place.offset)
            found[space] = (tuple(best[p] for p in places), tuple(p.offset for p in places))
        return found


def _weight(symbol: Symbol, rank: dict[str, int]) -> tuple[int, bool]:
    return rank.get(symbol.kind, 0), symbol.binding != "local"
