"""`__jump_table`: branches that the kernel turns on and off at run time (static keys, "jump labels").

Facts, from include/linux/jump_label.h and arch/s390/include/asm/jump_label.h. An entry says where the branch stands and
where it goes, and which key it hangs on; the branch is a BRCL of mask 0 or 15:

    24 bytes (until 4.19)   code, target, key: addresses (12 bytes in 31-bit code)
    16 bytes (4.20 on)      code (4) and target (4): distances from themselves; key (8)

In a relocatable object the relocations name the code. In a linked kernel the table is a part of another section,
between two symbols, and it is understood where every entry makes sense.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from verify.errors import Unsupported
from verify.objfile.image import Image, Place, Section

_TABLE = "__jump_table"
_FIRST, _END = f"__start_{_TABLE}", f"__stop_{_TABLE}"
_RELATIVE = 16  # bytes of an entry
_ABSOLUTE = {64: (24, ">QQQ"), 31: (12, ">III")}


def read(image: Image) -> frozenset[Place]:
    """Where the branches stand. Raises Unsupported for a table that cannot be read."""
    found: set[Place] = set()
    for section in _tables(image):
        found.update(_relocated(image, section) if image.relocatable else _linked(image, section))
    return frozenset(found)


def _tables(image: Image) -> Iterator[Section]:
    named = {one.name: one.place for one in image.symbols if one.name in (_FIRST, _END)}
    first, end = named.get(_FIRST), named.get(_END)
    for section in image.sections:
        if section.name == _TABLE and section.data:
            yield section
        elif first and end and section.space == first.space and 0 <= first.offset - section.start < len(section.data):
            at = first.offset - section.start
            data = section.data[at : end.offset - section.start]
            if data:
                yield replace(section, start=first.offset, data=data)


def _relocated(image: Image, section: Section) -> Iterator[Place]:
    """All code that the table names: that of the targets, too, where its relocations do not say which is which."""
    holes = [hole for hole in image.holes if hole.place.space == section.space]
    if not holes:
        raise Unsupported(f"{_TABLE} has no relocations that say which code the kernel patches")
    size = _RELATIVE if any(hole.row.name == "R_390_PC32" for hole in holes) else _ABSOLUTE[image.bits][0]
    whole = len(section.data) % size == 0
    for hole in holes:
        if hole.target.place is not None and not (whole and hole.place.offset % size):
            yield hole.target.place


def _linked(image: Image, section: Section) -> list[Place]:
    for rows in (_relative(section), _absolute(section, image.bits)):
        if rows and all(image.code(code, 6) and image.code(target, 2) for code, target in rows):
            return [code for code, _ in rows]
    raise Unsupported(f"{_TABLE}, which lists code that the kernel patches, cannot be read")


def _relative(section: Section) -> list[tuple[Place, Place]]:
    if len(section.data) % _RELATIVE:
        return []
    starts = range(section.start, section.start + len(section.data), _RELATIVE)
    return [
        (Place(section.space, at + code), Place(section.space, at + 4 + target))
        for at, (code, target, _) in zip(starts, struct.iter_unpack(">iiQ", section.data), strict=True)
    ]


def _absolute(section: Section, bits: int) -> list[tuple[Place, Place]]:
    size, fields = _ABSOLUTE[bits]
    if len(section.data) % size:
        return []
    rows = struct.iter_unpack(fields, section.data)
    return [(Place(section.space, code), Place(section.space, target)) for code, target, _ in rows]


__all__ = ["read"]
