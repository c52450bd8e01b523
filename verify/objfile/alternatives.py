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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from verify.errors import Unsupported
from verify.objfile.image import Image, Place, Section

_ENTRIES, _REPLACEMENTS = ".altinstructions", ".altinstr_replacement"
_SIZES = (11, 12, 13)
_LONGEST = 254  # bytes that one entry replaces; 12-byte entries count in one byte, and the macros check
_NOPS = {0: b"", 2: b"\x07\x00", 4: b"\x47\x00\x00\x00", 6: b"\xc0\x04\x00\x00\x00\x00"}
_FACILITY = 0  # the type of an entry that hangs on a facility; what the others are has changed since 6.11


@dataclass(frozen=True, slots=True)
class Alternative:
    """One entry: the code at `place` becomes `raw` where the machine has `feature`, a name for people.

    `unknown` says, by distance from `place`, which of these bytes are not known, and why.
    """

    place: Place
    raw: bytes
    feature: str
    unknown: Mapping[int, str]


@dataclass(frozen=True)
class Alternatives:
    """All entries of an image, in order, and the features that each byte hangs on; or why they cannot be read."""

    entries: tuple[Alternative, ...] = ()
    listed: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    problem: str | None = None

    def lists(self, place: Place, length: int) -> bool:
        """Whether any of these bytes may be replaced; always, where that is not known."""
        return self.problem is not None or any(place.plus(n) in self.listed for n in range(length))


def read(image: Image) -> Alternatives:
    """The alternatives of an image. Raises nothing: entries that cannot be read are a `problem`."""
    entries: list[Alternative] = []
    for section in image.sections:
        if section.name.startswith(_ENTRIES) and section.data:
            try:
                entries += _relocated(image, section) if image.relocatable else _linked(image, section)
            except Unsupported as problem:
                return Alternatives(problem=f"{section.name} cannot be read: {problem}")
    listed: dict[Place, tuple[str, ...]] = {}
    for one in entries:
        for place in (one.place.plus(n) for n in range(len(one.raw))):
            known = listed.get(place, ())
            listed[place] = known if one.feature in known else (*known, one.feature)
    return Alternatives(tuple(entries), listed)


def _relocated(image: Image, section: Section) -> list[Alternative]:
    """The entries of a relocatable object: two relocations each, at 0 and 4, give their size away."""
    holes = {
        hole.place.offset: hole
        for hole in image.holes
        if hole.place.space == section.space and hole.row.name != "R_390_NONE"
    }
    length = len(section.data)
    for size in _SIZES:
        starts = range(0, length, size)
        if length % size == 0 and sorted(holes) == sorted([*starts, *[start + 4 for start in starts]]):
            break
    else:
        raise Unsupported("its relocations are at no distance of a known format")
    found = []
    for start in starts:
        code, replacement = holes[start], holes[start + 4]
        if {code.row.name, replacement.row.name} != {"R_390_PC32"}:
            raise Unsupported(f"the entry at {start:#x} has relocations that no format has")
        if code.target.place is None or replacement.target.place is None:
            raise Unsupported(f"the entry at {start:#x} names code of another object")
        found.append(_entry(image, section.data[start : start + size], code.target.place, replacement.target.place))
    return found


def _linked(image: Image, section: Section) -> list[Alternative]:
    """The entries of a linked image, by the one size with which every one of them makes sense."""
    found = []
    for size in _SIZES:
        if len(section.data) % size == 0:
            try:
                found.append(list(_strides(image, section, size)))
            except Unsupported:
                continue
    if len(found) != 1:
        raise Unsupported(f"its entries make sense in {len(found) or 'none'} of the known formats")
    return found[0]


def _strides(image: Image, section: Section, size: int) -> Iterator[Alternative]:
    replacements = [one for one in image.sections if one.name.startswith(_REPLACEMENTS) and one.data]
    for start in range(0, len(section.data), size):
        code, replacement = (
            Place(section.space, section.start + start + at + struct.unpack_from(">i", section.data, start + at)[0])
            for at in (0, 4)
        )
        if not any(one.start <= replacement.offset < one.start + len(one.data) for one in replacements):
            raise Unsupported("a replacement lies elsewhere")
        yield _entry(image, section.data[start : start + size], code, replacement)


def _entry(image: Image, data: bytes, place: Place, replacement: Place) -> Alternative:
    """One entry, whose fields behind the two distances its size tells. Raises Unsupported."""
    kind = 0
    if len(data) == 12:
        number, length, used = struct.unpack_from(">HBB", data, 8)
    elif len(data) == 11:
        number, length = struct.unpack_from(">HB", data, 8)
        used = length
    else:
        word, length = struct.unpack_from(">IB", data, 8)
        kind, number, used = word >> 20 & 0xFF, word & 0xFFFFF, length
    if length % 2 or used % 2 or place.offset % 2 or not 0 < length <= _LONGEST:
        raise Unsupported(f"the entry for {image.label(place)} has an odd address or length, or none")
    raw = image.code(replacement, used)
    if len(raw) != used or len(image.code(place, length)) != length:
        raise Unsupported(f"the entry for {image.label(place)} reaches beyond the code")
    unknown = {
        at: f"{hole.row.name} against {hole.symbol} is filled in for the place of the replacement, and the kernel "
        "copies it as it stands"
        for hole in image.holes_in(replacement, used)
        for at in range(hole.place.offset - replacement.offset, hole.place.offset - replacement.offset + hole.row.size)
        if 0 <= at < used
    }
    feature = f"facility {number}" if kind == _FACILITY else f"feature {number} of type {kind}"
    return Alternative(place, raw + _padding(length - used), feature, unknown)


def _padding(length: int) -> bytes:
    """What the kernel puts behind a replacement that is shorter than the code by that many bytes."""
    if length <= max(_NOPS):
        return _NOPS.get(length, b"")
    return b"\xc0\xf4" + (length // 2).to_bytes(4, "big") + _NOPS[2] * ((length - 6) // 2)
