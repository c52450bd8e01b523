"""One of the two routines that are compared, and what its image holds under names that both may know."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from verify.machine.term import Origin, Term
from verify.objfile.image import Image, Place, Section, Symbol

ROUTINE = "the routine"
"""What either routine is called under common names."""


@dataclass(frozen=True)
class Side:
    """One of the two routines. `mark` goes into the names that are its own; `alone`: the other is of another image.

    `record`: the contract speaks of data at a distance from the routine, which is then the same record on both sides.
    """

    mark: str
    image: Image
    symbol: Symbol
    alone: bool
    record: bool = False

    def global_name(self, place: Place) -> tuple[str, int] | None:
        """The global symbol that covers a place, and the distance from its beginning."""
        starts, symbols = self._globals.get(place.space, ([], []))
        at = bisect_left(starts, place.offset + 1) - 1
        if at < 0 or place.offset - starts[at] >= max(1, symbols[at].size):
            return None
        return symbols[at].name, place.offset - starts[at]

    def placed(self, symbol: Term) -> Place | None:
        """Where a global symbol, by its common name, stands in this image."""
        name = str(symbol).removeprefix("&")
        if symbol.leaf is None or symbol.leaf.origin is not Origin.SYMBOL:
            return None
        if name == ROUTINE:
            return self.symbol.place
        return next((one.place for one in self.image.symbols if one.name == name and one.binding != "local"), None)

    def section(self, place: Place) -> Section | None:
        """The section of a place, if there is one with contents."""
        for one in self.image.sections:
            if one.space == place.space and one.allocated and 0 <= place.offset - one.start < len(one.data):
                return one
        return None

    def blank(self, place: Place, size: int) -> bool:
        """Whether the object says nothing about these bytes, which are filled in when the code is used."""
        section = self.section(place)
        if section is None or self.image.holes_in(place, size):
            return section is None
        at = place.offset - section.start
        return not any(section.data[at : at + size])

    def contents(self, place: Place, distance: int) -> str | None:
        """A digest of what the global symbol at a distance before a place holds; None where a linker has a say."""
        section, start = self.section(place), place.plus(-distance)
        size = next(one.size for one in self.image.symbols if one.place == start and one.binding != "local")
        if section is None or not size or self.image.holes_in(start, size):
            return None
        at = start.offset - section.start
        return sha256(section.data[at : at + size]).hexdigest()[:16]

    @cached_property
    def _globals(self) -> Mapping[int, tuple[list[int], list[Symbol]]]:
        found: dict[int, dict[int, Symbol]] = {}
        for symbol in sorted(self.image.symbols, key=lambda one: one.name):
            if symbol.place is not None and symbol.name and symbol.binding != "local":
                found.setdefault(symbol.place.space, {}).setdefault(symbol.place.offset, symbol)
        return {space: (sorted(table), [table[at] for at in sorted(table)]) for space, table in found.items()}
