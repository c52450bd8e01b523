"""What may stand at one patch site of one image: every state of the contract, and every state half written.

The bytes of a state are cells: a number, None for a byte that stays as assembled, or a part of the distance to a
symbol, which is no number before the kernel is linked. Where the kernel writes a site in several stores, another CPU
may find the cells of one state mixed with those of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from verify.contracts.schema import PatchSite
from verify.contracts.sites import BYTE_BY_BYTE, MASK_BYTE, SiteState
from verify.errors import Unsupported
from verify.objfile.image import Image, Place
from verify.semantics.code import Code, Patch, relative_field
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.isa import by_mnemonic

_CONDITIONAL = ("BRC", "BRCL")
_MASK = 1  # the byte of a conditional relative branch with its mask, in the first four bits
_MOST = 8  # bytes that may be written in any order

Cell = int | tuple[str, int] | None
Cells = tuple[Cell, ...]
Content = tuple[str, Patch | None, bool, bool]


def length(image: Image, site: PatchSite, place: Place) -> int:
    """How many bytes of code the site covers: its instruction, or the longest of its states."""
    try:
        own = Code(image, settled=True).fetch(place).length
    except Unsupported:
        own = 6
    return max(own, *(len(state.raw or ()) for state in site.states))


def contents(image: Image, site: PatchSite, place: Place) -> list[Content]:
    """For each content: what reports say of it, the patch (None as assembled), whether it is on, whether half written.

    Raises Unsupported when the site does not hold the instruction that the contract says is patched.
    """
    return list(_Site(image, site, place).contents())


class _Site:
    def __init__(self, image: Image, site: PatchSite, place: Place) -> None:
        self.image, self.site, self.place = image, site, place
        self.label = f"patch site {site.name} at {image.label(place)}"
        self.insn = Code(image, settled=True).fetch(place)
        self.length = length(image, site, place)
        self.assembled = image.code(place, self.length)
        if len(self.assembled) != self.length:
            raise Unsupported(f"{self.label} reaches beyond the code")
        if image.alternatives.lists(place, self.length):
            raise Unsupported(f"{self.label} is listed in .altinstructions too")

    def contents(self) -> Iterator[Content]:
        """The states, then what lies between each two of them."""
        states = [(state, self.cells(state)) for state in self.site.states]
        several = len(states) > 2
        yield "", None, False, False
        for state, cells in states[1:]:
            text = f"{self.site.name} as {state.text!r}" if several else f"{self.site.name} switched on"
            yield text, self.patch(cells), True, False
        seen = {cells for _, cells in states}
        for (one, before), (other, after) in combinations(states, 2):
            for text, mixed in self.between(before, after):
                if mixed not in seen:
                    seen.add(mixed)
                    way = f" between {one.text!r} and {other.text!r}" if several else ""
                    yield f"{self.site.name} half written{way}: {text}", self.patch(mixed), False, True

    # States as cells

    def cells(self, state: SiteState) -> Cells:
        """The bytes of a state."""
        found: list[Cell] = [None] * self.length
        if state.mask is not None:
            self.expect(*_CONDITIONAL)
            found[_MASK] = self.assembled[_MASK] & 0x0F | state.mask << 4
        elif state.link is not None:
            found[: self.insn.length] = self.linked(state)
        elif state.raw is not None:
            found[: len(state.raw)] = state.raw
        return tuple(self.plain(n, cell) for n, cell in enumerate(found))

    def expect(self, *mnemonics: str) -> None:
        if self.insn.mnemonic not in mnemonics:
            wanted = " or ".join(name.lower() for name in mnemonics)
            raise Unsupported(f"{self.label} holds {self.insn.mnemonic.lower()}, not {wanted}")

    def linked(self, state: SiteState) -> list[Cell]:
        """The bytes of a branch that saves the return address and goes to a symbol."""
        assert state.link is not None
        assert state.target is not None
        found: list[Cell] = [None] * self.insn.length
        insn = self.insn
        if state.register is None:
            self.expect(state.link)
        else:
            made = decode(encode(by_mnemonic()[state.link], {"R1": state.register}))
            assert made is not None
            insn = made
            if insn.length != self.insn.length:
                raise Unsupported(
                    f"{self.label} holds {self.insn.length} bytes, where {state.text!r} has {insn.length}"
                )
            found = list(insn.raw)
        for n, cell in zip(_relative_bytes(insn), self.distance(insn, state.target), strict=True):
            found[n] = cell
        return found

    def distance(self, insn: Instruction, target: str) -> list[Cell]:
        """The bytes of the distance to a symbol: numbers where the symbol stands in the same section."""
        where = _relative_bytes(insn)
        symbol = next((s for s in self.image.symbols if s.name == target and s.place and s.binding != "weak"), None)
        if symbol is None or symbol.place is None or symbol.place.space != self.place.space:
            return [(target, n) for n in where]
        halfwords = (symbol.place.offset - self.place.offset) // 2
        try:
            return list(halfwords.to_bytes(len(where), "big", signed=True))
        except OverflowError as problem:
            raise Unsupported(f"{target} is out of the reach of {self.label}") from problem

    def plain(self, n: int, cell: Cell) -> Cell:
        """A byte that is written and stays as it is assembled is one that stays, unless a linker fills it in."""
        same = cell == self.assembled[n] and not self.image.holes_in(self.place.plus(n), 1)
        return None if same else cell

    # Half written

    def between(self, before: Cells, after: Cells) -> Iterator[tuple[str, Cells]]:
        """What a CPU may find while the kernel writes one state over the other, in either direction."""
        changed = [n for n in range(self.length) if before[n] != after[n]]
        writing = self.site.writing
        if writing.way == MASK_BYTE and not {*changed} <= {_MASK}:
            raise Unsupported(f"{self.label} changes in more than its mask byte")
        if writing.way == BYTE_BY_BYTE:
            if len(changed) > _MOST:
                raise Unsupported(f"{self.label} changes in {len(changed)} bytes, in any order; {_MOST} are followed")
            for count in range(1, len(changed)):
                for part in combinations(changed, count):
                    yield self.mixed(part, before, after)
        if writing.groups is not None:
            lost = set(changed) - {n for group in writing.groups for n in group}
            if lost:
                raise Unsupported(f"{self.label} changes in byte {min(lost)}, which 'written' does not list")
            for count in range(1, len(writing.groups)):
                part = tuple(n for group in writing.groups[:count] for n in group if n in changed)
                yield self.mixed(part, before, after)
                yield self.mixed(tuple(n for n in changed if n not in part), before, after)

    def mixed(self, part: tuple[int, ...], before: Cells, after: Cells) -> tuple[str, Cells]:
        """The later state in these bytes, the earlier one in the others."""
        cells = tuple(after[n] if n in part else before[n] for n in range(self.length))
        names = ", ".join(map(str, part))
        return f"byte{'s' if len(part) > 1 else ''} {names} of {self.length}", cells

    # Cells as a patch

    def patch(self, cells: Cells) -> Patch:
        """The cells as a patch. A distance that is whole is an operand; a part of one is not known."""
        parts = {n: cell for n, cell in enumerate(cells) if isinstance(cell, tuple)}
        raw = tuple(0 if isinstance(cell, tuple) else cell for cell in cells)
        unknown = {n: f"byte {n} is part of the distance to {cell[0]}" for n, cell in parts.items()}
        insn = decode(bytes(self.assembled[n] if byte is None else byte for n, byte in enumerate(raw)))
        targets = {target for target, _ in parts.values()}
        whole = insn is not None and len(targets) == 1 and [*parts] == _relative_bytes(insn)
        return Patch(self.place, raw, targets.pop() if whole else None, unknown)


def _relative_bytes(insn: Instruction) -> list[int]:
    """The bytes of an instruction that hold its distance; none where it has none, or where they hold more."""
    where = relative_field(insn)
    if where is None or where[0] % 8 or where[1] % 8:
        return []
    return list(range(where[0] // 8, (where[0] + where[1]) // 8))
