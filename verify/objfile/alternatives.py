"""`.altinstructions`: code that the kernel replaces while it boots or loads a module, where a machine has a facility.

Facts, from arch/s390/include/asm/alternative.h, alternative-asm.h and arch/s390/kernel/alternative.c. An entry is
packed, its first two words are distances from themselves, to the code and to its replacement:

    12 bytes (4.16 to 5.18)   facility (2), length of the code (1), length of the replacement (1)
    11 bytes (5.19 to 6.10)   facility (2), length of both (1)
    13 bytes (6.11 on)        context (4 bits), type (8 bits) and number (20 bits), length of both (1)

The kernel copies the replacement as it stands, without any fix-up: a relative operand in it counts from its new place.
With entries of 12 bytes it fills up a shorter replacement: with one no-operation (bcr 0,0 = 0700; bc 0,0 = 47000000;
brcl 0,0 = c00400000000), or, above six bytes, with a jump over the rest, which is 0700. Entries apply in their order,
a later one over an earlier one.

Nothing in an object says which format it has. In a relocatable object the relocations stand at the beginnings of the
entries; in a linked image only one size makes sense of every entry, or the image is not understood.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from verify.errors import Unsupported
from verify.objfile.image import Hole, Image, Place, Section

_ENTRIES, _REPLACEMENTS = ".altinstructions", ".altinstr_replacement"
_FIELDS = {11: ">iiHB", 12: ">iiHBB", 13: ">iiIB"}
_LONGEST = 254  # bytes that one entry replaces, which the kernel's macros check
_NOPS = {0: b"", 2: b"\x07\x00", 4: b"\x47\x00\x00\x00", 6: b"\xc0\x04\x00\x00\x00\x00"}
_FACILITY = 0  # the type of an entry that hangs on a facility; what the others are has changed since 6.11


class _Row(NamedTuple):
    """One entry: where the code is and how long; where its replacement is and how long; type and number of feature."""

    code: Place
    length: int
    replacement: Place
    used: int
    kind: int
    number: int

    @property
    def feature(self) -> str:
        """What the replacement hangs on, as people are told."""
        if self.kind == _FACILITY:
            return f"facility {self.number}"
        return f"feature {self.number} of type {self.kind}"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One entry: the code at `place` becomes `raw` where the machine has `feature`, a name for people.

    `unknown` says, by distance from `place`, which of these bytes are not known, and why.
    """

    place: Place
    raw: bytes
    feature: str
    unknown: Mapping[int, str]


class Alternatives:
    """All entries of an image, in their order; or the `problem` because of which they cannot be read.

    A kernel has thousands of them: they are looked for by address, and only those that are found are looked into.
    """

    def __init__(self, image: Image, rows: Collection[_Row] = (), problem: str | None = None) -> None:
        self.image, self.problem = image, problem
        self._rows = list(rows)
        ordered = sorted((row.code.space, row.code.offset, number) for number, row in enumerate(self._rows))
        self._starts = [(space, offset) for space, offset, _ in ordered]
        self._numbers = [number for *_, number in ordered]

    def __bool__(self) -> bool:
        return bool(self._rows)

    def lists(self, place: Place, length: int) -> bool:
        """Whether any of these bytes may be replaced; always, where that is not known."""
        return self.problem is not None or bool(self._found(place, length))

    def features(self, place: Place, length: int) -> tuple[str, ...]:
        """What the code in these bytes hangs on."""
        return tuple(dict.fromkeys(self._rows[number].feature for number in self._found(place, length)))

    def over(self, place: Place, length: int, features: Collection[str]) -> list[Alternative]:
        """The replacements in these bytes on a machine with these features, the later over the earlier."""
        found = (self._rows[number] for number in self._found(place, length))
        return [_alternative(self.image, row) for row in found if row.feature in features]

    @cached_property
    def asked(self) -> frozenset[str]:
        """All features that some code hangs on."""
        return frozenset(row.feature for row in {(row.kind, row.number): row for row in self._rows}.values())

    @cached_property
    def entries(self) -> tuple[Alternative, ...]:
        """All of them."""
        return tuple(_alternative(self.image, row) for row in self._rows)

    def _found(self, place: Place, length: int) -> list[int]:
        """The numbers of the entries that replace one of these bytes, in order."""
        first = bisect_right(self._starts, (place.space, place.offset - _LONGEST))
        end = bisect_left(self._starts, (place.space, place.offset + length))
        return sorted(
            number
            for number in self._numbers[first:end]
            if self._rows[number].code.offset + max(self._rows[number].length, self._rows[number].used) > place.offset
        )


def read(image: Image) -> Alternatives:
    """The alternatives of an image. Raises nothing: entries that cannot be read are a `problem`."""
    rows: list[_Row] = []
    for section in image.sections:
        if section.name.startswith(_ENTRIES) and section.data:
            try:
                rows += _relocated(image, section) if image.relocatable else _linked(image, section)
            except Unsupported as problem:
                return Alternatives(image, (), f"{section.name} cannot be read: {problem}")
    return Alternatives(image, rows)


def _relocated(image: Image, section: Section) -> list[_Row]:
    """The entries of a relocatable object: two relocations each, at 0 and 4, give their size away."""
    holes = {
        hole.place.offset: hole
        for hole in image.holes
        if hole.place.space == section.space and hole.row.name != "R_390_NONE"
    }
    length = len(section.data)
    for size in _FIELDS:
        starts = range(0, length, size)
        if length % size == 0 and sorted(holes) == sorted([*starts, *[start + 4 for start in starts]]):
            break
    else:
        raise Unsupported("its relocations are at no distance of a known format")
    inside = _Inside(image)
    found = []
    for start, (_, _, *fields) in zip(starts, struct.iter_unpack(_FIELDS[size], section.data), strict=True):
        code, replacement = (_target(holes[start + at], start) for at in (0, 4))
        found.append(_row(image, inside, code, replacement, fields))
    return found


def _target(hole: Hole, start: int) -> Place:
    if hole.row.name != "R_390_PC32":
        raise Unsupported(f"the entry at {start:#x} has relocations that no format has")
    if hole.target.place is None:
        raise Unsupported(f"the entry at {start:#x} names code of another object")
    return hole.target.place


def _linked(image: Image, section: Section) -> list[_Row]:
    """The entries of a linked image, by the one size with which every one of them makes sense."""
    found = []
    for size in _FIELDS:
        if len(section.data) % size == 0:
            try:
                found.append(list(_strides(image, section, size)))
            except Unsupported:
                continue
    if len(found) != 1:
        raise Unsupported(f"its entries make sense in {len(found) or 'none'} of the known formats")
    return found[0]


def _strides(image: Image, section: Section, size: int) -> Iterator[_Row]:
    inside, replacements = _Inside(image), _Inside(image, _REPLACEMENTS)
    at = section.start
    for code, replacement, *fields in struct.iter_unpack(_FIELDS[size], section.data):
        where = Place(section.space, at + 4 + replacement)
        if not replacements.has(where, 1):
            raise Unsupported("a replacement lies elsewhere")
        yield _row(image, inside, Place(section.space, at + code), where, fields)
        at += size


class _Inside:
    """Whether bytes are code: that of all sections, or of those with a name."""

    def __init__(self, image: Image, name: str = "") -> None:
        chosen = [one for one in image.sections if one.executable and one.data and one.name.startswith(name)]
        self._spans = sorted((one.space, one.start, one.start + len(one.data)) for one in chosen)

    def has(self, place: Place, length: int) -> bool:
        """Whether one section has all of these bytes."""
        index = bisect_right(self._spans, (place.space, place.offset, 1 << 65)) - 1
        if index < 0:
            return False
        space, start, end = self._spans[index]
        return space == place.space and start <= place.offset and place.offset + length <= end


def _row(image: Image, inside: _Inside, code: Place, replacement: Place, fields: list[int]) -> _Row:
    """One entry, whose fields behind the two distances its size tells. Raises Unsupported."""
    feature, length, *rest = fields
    used = rest[0] if rest else length
    wide = feature > 0xFFFF
    row = _Row(code, length, replacement, used, feature >> 20 & 0xFF, feature & (0xFFFFF if wide else 0xFFFF))
    if length % 2 or used % 2 or code.offset % 2 or not 0 < length <= _LONGEST:  # the replacement is only copied
        raise Unsupported(f"the entry for {image.label(code)} has an odd address or length, or none")
    if used > _LONGEST or not (inside.has(replacement, used) and inside.has(code, max(length, used))):
        raise Unsupported(f"the entry for {image.label(code)} reaches beyond the code")
    return row


def _alternative(image: Image, row: _Row) -> Alternative:
    """What stands where the replacement has taken the place of the code."""
    raw = image.code(row.replacement, row.used) + _padding(row.length - row.used)
    unknown = {
        at: f"{hole.row.name} against {hole.symbol} is filled in for the place of the replacement, and the kernel "
        "copies it as it stands"
        for hole in image.holes_in(row.replacement, row.used)
        for at in range(hole.place.offset - row.replacement.offset, row.used)
        if 0 <= at < hole.place.offset - row.replacement.offset + hole.row.size
    }
    return Alternative(row.code, raw, row.feature, unknown)


def _padding(length: int) -> bytes:
    """What the kernel puts behind a replacement that is shorter than the code by that many bytes."""
    if length <= max(_NOPS):
        return _NOPS.get(length, b"")
    return b"\xc0\xf4" + (length // 2).to_bytes(4, "big") + _NOPS[2] * ((length - 6) // 2)
