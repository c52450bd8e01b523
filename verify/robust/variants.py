"""Layouts in which the fields of one struct moved.

Fields move in blocks: an array and the two words of a PSW stay together, since one `lmg` or `mvc` reads them, and so
do fields that share a doubleword. Blocks are aligned to 8 bytes, as s390x aligns what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from verify.contracts.layout import Field, Layout, Struct

FIXED = frozenset({"stack_frame", "lowcore"})
"""Structs that do not move: compiled code (the ABI) or the machine itself (assigned storage) knows their offsets."""

_ALIGNMENT = 8
_GROWTH = 8
_REACH = 2048  # half of what a displacement of 12 bits reaches


@dataclass(frozen=True)
class Block:
    """Bytes `at` to `end` of a struct that move together; `name` is a field in them, "" where there is none."""

    name: str
    at: int
    end: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.end - self.at


@dataclass(frozen=True)
class Variant:
    """A layout like another one, but for the struct `struct`: it was changed as `name` says.

    `moved` pairs every block with its new offset; the struct grew by `growth` bytes.
    """

    name: str
    struct: str
    size: int
    growth: int
    moved: tuple[tuple[Block, int], ...]

    def offset(self, old: int) -> int:
        """Where a byte of the struct is now; one behind its end, behind the end."""
        for block, new in self.moved:
            if block.at <= old < block.end:
                return old - block.at + new
        return old + self.growth

    def apply(self, layout: Layout) -> Layout:
        """The layout with the struct changed."""
        struct = layout.structs[self.struct]
        fields = {name: replace(field, at=self.offset(field.at)) for name, field in struct.fields.items()}
        ranges = {name: (self.offset(first), self.offset(end - 1) + 1) for name, (first, end) in struct.ranges.items()}
        moved = Struct(struct.name, struct.size + self.growth, fields, ranges)
        return replace(layout, structs={**layout.structs, self.struct: moved})


def blocks(struct: Struct) -> tuple[Block, ...]:
    """What of a struct moves together, in the order of the struct; together they cover it."""
    spans = sorted(_spans(struct))
    joined: list[tuple[int, int, str]] = []
    for at, end, name in spans:
        last = joined[-1] if joined else None
        if last and (at < last[1] or (at == last[1] and _parts(last[2], name))):
            both = name.partition(".")[0] if at == last[1] else last[2]
            joined[-1] = (last[0], max(last[1], end), both)
        else:
            joined.append((at, end, name))
    found: list[Block] = []
    at = 0
    for first, end, name in [*joined, (struct.size, struct.size, "")]:
        if first > at:
            found.append(Block("", at, first))
        if end > first:
            found.append(Block(name, first, end))
        at = end
    return tuple(found)


def _spans(struct: Struct) -> Iterator[tuple[int, int, str]]:
    """Fields and ranges with the whole doublewords that they lie in."""
    pieces = {name: (field.at, field.at + _extent(field)) for name, field in struct.fields.items()}
    for name, (first, end) in (pieces | dict(struct.ranges)).items():
        top = min(-(-end // _ALIGNMENT) * _ALIGNMENT, max(struct.size, end))
        yield first // _ALIGNMENT * _ALIGNMENT, top, name


def _extent(field: Field) -> int:
    return field.size * field.count


def _parts(one: str, other: str) -> bool:
    """Whether two fields are parts of one inner struct: psw.mask and psw.addr."""
    return "." in other and one.partition(".")[0] == other.partition(".")[0]


def variants(struct: Struct) -> tuple[Variant, ...]:
    """The ways in which a struct is changed: together they move every field, and put others where each one was."""
    parts = blocks(struct)
    if any(block.at % _ALIGNMENT for block in parts):
        parts = (Block("all", 0, struct.size),)
    growing = [
        _laid_out(struct, "grown at the end", parts, tail=_GROWTH),
        _laid_out(struct, "grown at the beginning", parts, head=_GROWTH),
    ]
    alone = [_alone(struct, parts, block) for block in parts if block.name]
    orders = [
        ("fields in the reverse order", parts[::-1]),
        ("the last field put first", (*parts[-1:], *parts[:-1])),
        ("the first field put last", (*parts[1:], *parts[:1])),
    ]
    small = struct.size <= _REACH  # a field of a large struct may not be reached by a displacement somewhere else
    permuted = [_laid_out(struct, name, order) for name, order in orders if len(parts) > 1 and small]
    return tuple(_distinct([*growing, *permuted, *alone]))


def _laid_out(struct: Struct, name: str, order: Iterable[Block], head: int = 0, tail: int = 0) -> Variant:
    moved, at = [], head
    for block in order:
        moved.append((block, at))
        at += block.size
    return Variant(f"{struct.name}: {name}", struct.name, struct.size, head + tail, tuple(moved))


def _alone(struct: Struct, parts: Iterable[Block], block: Block) -> Variant:
    """One field behind all others, which stay: its old place is a hole. In a large struct it goes to a hole near it."""
    holes = [one for one in parts if not one.name and one.size >= block.size]
    if struct.size > _REACH and holes:
        hole = min(holes, key=lambda one: abs(one.at - block.at))
        start, growth = (hole.at if hole.at > block.at else hole.end - block.size), 0
    else:
        start = -(-struct.size // _ALIGNMENT) * _ALIGNMENT
        growth = start + block.size - struct.size
    moved = tuple((one, start if one is block else one.at) for one in parts)
    return Variant(f"{struct.name}: {block.name} moved", struct.name, struct.size, growth, moved)


def _distinct(found: Iterable[Variant]) -> Iterator[Variant]:
    """Leave out what moves the same as one before."""
    seen: set[tuple[object, ...]] = set()
    for one in found:
        key = (one.growth, tuple(sorted((block.at, at) for block, at in one.moved)))
        if key not in seen:
            seen.add(key)
            yield one
