"""The tables of an ELF file, in bulk: section headers, symbols and relocations of both classes (ELF gABI).

A kernel image has a hundred thousand symbols and as many relocations; reading them one by one through pyelftools takes
half a minute. The layouts are fixed, so `struct` reads a table at once. `tests/objfile/test_tables.py` holds this to
pyelftools on every object that there is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple

Bytes = bytes | mmap

NULL, PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, REL, DYNSYM = 0, 1, 2, 3, 4, 8, 9, 11
WRITE, ALLOC, EXECINSTR, COMPRESSED = 0x1, 0x2, 0x4, 0x800
PT_LOAD = 1


@dataclass(frozen=True)
class Form:
    """What differs between the classes of ELF files: formats of the tables, and sizes of their entries in bytes.

    `header` is the file header's part from e_entry on; `symbol` gives (name, info, section, value, size) by `order`.
    """

    bits: int
    header: str
    section: str
    segment: str
    symbol: str
    order: tuple[int, int, int, int, int]
    rela: str
    shift: int


FORMS = {
    1: Form(31, ">IIIIHHHHHH", ">10I", ">8I", ">IIIBBH", (0, 3, 5, 1, 2), ">IIi", 8),
    2: Form(64, ">QQQIHHHHHH", ">IIQQQQIIQQ", ">IIQQQQQQ", ">IBBHQQ", (0, 1, 3, 4, 5), ">QQq", 32),
}
"""By e_ident[EI_CLASS]."""
IDENT = 24  # bytes in front of e_entry


class Header(NamedTuple):
    """The ELF header from e_entry on."""

    entry: int
    segments: int
    sections: int
    flags: int
    size: int
    segment_size: int
    segment_count: int
    section_size: int
    section_count: int
    names: int


class Table(NamedTuple):
    """A section header, with the section's name at `title`."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class Entry(NamedTuple):
    """A symbol table's entry; `section` is st_shndx as it stands."""

    name: int
    info: int
    section: int
    value: int
    size: int


def header(data: Bytes) -> Header:
    """The file header. Raises struct.error where the file ends before it."""
    return Header(*struct.unpack_from(FORMS[data[4]].header, data, IDENT))


def sections(data: Bytes) -> list[Table]:
    """All section headers, in order."""
    head, form = header(data), FORMS[data[4]]
    size = struct.calcsize(form.section)
    return [Table(*struct.unpack_from(form.section, data, head.sections + n * size)) for n in range(head.section_count)]


def contents(data: Bytes, table: Table) -> bytes:
    """The bytes of a section in the file; none where it has none there."""
    return b"" if table.kind in (NULL, NOBITS) else bytes(data[table.offset : table.offset + table.size])


def text(strings: bytes, at: int) -> str:
    """The name that starts at this offset of a string table. Raises ValueError outside it."""
    return strings[at : strings.index(b"\0", at)].decode("utf-8", "replace")


def symbols(data: Bytes, table: Table) -> Iterator[Entry]:
    """The entries of a symbol table."""
    form = FORMS[data[4]]
    name, info, section, value, size = form.order
    for row in struct.iter_unpack(form.symbol, _whole(data, table, struct.calcsize(form.symbol))):
        yield Entry(row[name], row[info], row[section], row[value], row[size])


def relocations(data: Bytes, table: Table) -> Iterator[tuple[int, int, int, int]]:
    """The entries of a RELA table: offset, number of the symbol, type, addend."""
    form = FORMS[data[4]]
    mask = (1 << form.shift) - 1
    for offset, info, addend in struct.iter_unpack(form.rela, _whole(data, table, struct.calcsize(form.rela))):
        yield offset, info >> form.shift, info & mask, addend


def _whole(data: Bytes, table: Table, size: int) -> bytes:
    """A table's bytes without what is no whole entry at its end."""
    if table.entry != size:
        raise ValueError(f"a table has entries of {table.entry} bytes, not {size}")
    return contents(data, table)[: table.size // size * size]


def skeleton(data: Bytes, tables: Sequence[Table]) -> bytes:
    """The file with nothing in it but what is loaded: a kernel's debugging information is ten times its code.

    Section numbers stay. Tables of symbols and relocations that are loaded too are plain bytes here, since a loader
    would read them, entry by entry; sections that are not loaded are empty, but for the names.
    """
    head, form = header(data), FORMS[data[4]]
    segments = [struct.unpack_from(form.segment, data, head.segments + n * head.segment_size)
                for n in range(head.segment_count)]  # fmt: skip
    offset, length = (1, 4) if form.bits == 31 else (2, 5)
    loaded = [one for one in segments if one[0] == PT_LOAD]
    kept = [one.offset + one.size for one in tables if one.flags & ALLOC and one.kind not in (NULL, NOBITS)]
    end = max([head.size, *kept, *[one[offset] + one[length] for one in loaded]])
    made = bytearray(data[:end])
    names = contents(data, tables[head.names])
    rows = []
    for index, one in enumerate(tables):
        if index == head.names:
            rows.append(one._replace(offset=len(made)))
        elif one.flags & ALLOC:
            plain = one.kind if one.kind in (NULL, NOBITS) else PROGBITS
            rows.append(one._replace(kind=plain, link=0, info=0))
        else:
            rows.append(Table(one.name, NULL, 0, 0, 0, 0, 0, 0, 0, 0))
    made += names
    made += bytes(-len(made) % 8)
    start = len(made)
    for one in rows:
        made += struct.pack(form.section, *one)
    made += b"".join(struct.pack(form.segment, *one) for one in loaded)
    lean = head._replace(
        sections=start, segments=start + len(rows) * struct.calcsize(form.section), segment_count=len(loaded),
        segment_size=struct.calcsize(form.segment), section_size=struct.calcsize(form.section),
    )  # fmt: skip
    struct.pack_into(form.header, made, IDENT, *lean)
    return bytes(made)
