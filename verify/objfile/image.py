"""(provisional)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verify.errors import NoSuchSymbol


@dataclass(frozen=True, slots=True, order=True)
class Place:
    space: int
    offset: int


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str
    place: Place | None
    size: int
    kind: str
    binding: str
    absolute: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    place: Place | None = None
    external: str | None = None
    absolute: int | None = None
    addend: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    name: str
    pc_relative: bool
    kind: str
    supported: bool


@dataclass(frozen=True, slots=True)
class Hole:
    place: Place
    row: Row
    target: Target
    symbol: str
    addend: int

    def denotes(self, insn: Place) -> Target:
        d = self.place.offset - insn.offset
        t = self.target
        if t.place is not None:
            return Target(place=Place(t.place.space, t.place.offset - d))
        if t.external is not None:
            return Target(external=t.external, addend=t.addend - d)
        return Target(absolute=(t.absolute or 0) - d)


@dataclass(frozen=True)
class Image:
    path: Path
    relocatable: bool
    symbols: tuple[Symbol, ...]
    sections: dict
    holes: tuple[Hole, ...]

    def code(self, place, n):
        s = self.sections.get(place.space)
        if s is None or not s[2]:
            return b""
        return s[1][place.offset : place.offset + n] if place.offset >= 0 else b""

    def holes_in(self, place, length):
        return tuple(
            h
            for h in self.holes
            if h.place.space == place.space and place.offset <= h.place.offset < place.offset + length
        )

    def symbol(self, name):
        for s in self.symbols:
            if s.name == name and s.place and self.code(s.place, 2):
                return s
        raise NoSuchSymbol(self.path, f"defines no routine named {name}")

    def label(self, place):
        best = None
        for s in self.symbols:
            if (
                s.place
                and s.place.space == place.space
                and s.place.offset <= place.offset
                and s.kind != "section"
                and s.binding == "global"
            ):
                if best is None or s.place.offset >= best.place.offset:
                    best = s
        if best is None:
            return f"{self.space_name(place.space)}+{place.offset:#x}"
        d = place.offset - best.place.offset
        return best.name + (f"+{d:#x}" if d else "")

    def space_name(self, space):
        return self.sections[space][0]

    def section_names(self):
        return [s[0] for s in self.sections.values()]

    def aliases(self, place):
        return tuple(s.name for s in self.symbols if s.place == place and s.kind != "section")

    def routines(self):
        out = {}
        for s in self.symbols:
            if (
                s.place
                and self.code(s.place, 2)
                and (s.kind == "func" or (s.kind == "notype" and s.binding != "local"))
            ):
                out.setdefault(s.place, s)
        return tuple(out[p] for p in sorted(out))

    def patched_at_boot(self, place, length):
        return None
