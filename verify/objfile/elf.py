"""ELF files to Image: cle maps the bytes, `tables` reads symbols and relocations, and both must agree.

cle applies seven relocation types and leaves the fields of all others as they are, gives undefined symbols of unknown
relocations the address of `.text`, and allocates no COMMON symbol; so no symbol address and no relocated field is
taken from it. Only the mapped bytes are, and they are compared with the file's own.

Only what is loaded is read: of a linked kernel with its debugging information that is a tenth of the file, and of its
relocations those that lie in code.
"""

from __future__ import annotations

import io
import logging
import mmap
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import cle
from elftools.common.exceptions import ELFError

from verify.errors import InputError, NotElf, WrongMachine
from verify.objfile import tables
from verify.objfile.image import LINKED_SPACE, Hole, Image, Place, Section, Symbol, Target
from verify.objfile.relocs import row
from verify.objfile.tables import Bytes, Table

_EM_S390 = 22
_MACHINES = {3: "32-bit x86", 20: "PowerPC", 21: "64-bit PowerPC", 40: "Arm", 62: "x86-64", 183: "AArch64",
             243: "RISC-V"}  # fmt: skip
_RELOCATABLE, _EXECUTABLE, _SHARED = 1, 2, 3
_NO_SYMBOL = Symbol("", None, 0, "notype", "local", absolute=0)  # symbol 0 (ELF gABI, "Symbol Table")
_HEADERS = {1: 52, 2: 64}  # bytes of the file header, by class; a section header has 40 or 64
_ABSOLUTE, _RESERVED = 0xFFF1, 0xFF00  # SHN_ABS; from SHN_LORESERVE on no number is a section's
_SECTION = 3  # STT_SECTION
_KINDS = {0: "notype", 1: "object", 2: "func", 3: "section", 4: "file", 5: "common", 6: "tls", 10: "ifunc"}
_BINDINGS = {0: "local", 1: "global", 2: "weak", 10: "global"}  # 10: STB_GNU_UNIQUE
_LARGE = 32 << 20  # bytes from which on a file is mapped instead of read: a kernel's debugging information is not used


def load(path: Path) -> Image:
    """Read an object file. Raises InputError (NotElf, WrongMachine) with one sentence that names the file."""
    data = _read(path)
    kind = _check_header(path, data)
    try:
        return _load(path, data, relocatable=kind == _RELOCATABLE)
    except InputError:
        raise
    except (ELFError, cle.CLEError, struct.error, ValueError, KeyError, IndexError, AttributeError, TypeError,
            AssertionError, OverflowError, UnicodeDecodeError, MemoryError, NotImplementedError, OSError,
            ArithmeticError, RecursionError) as problem:  # fmt: skip
        # cle and pyelftools raise whatever a damaged table makes them trip over.
        raise NotElf(path, f"is a damaged ELF file ({type(problem).__name__}: {problem})") from problem


def _read(path: Path) -> Bytes:
    try:
        if path.is_file() and path.stat().st_size >= _LARGE:
            with path.open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return path.read_bytes()
    except FileNotFoundError as problem:
        raise InputError(path, "no such file") from problem
    except IsADirectoryError as problem:
        raise InputError(path, "is a directory, not an object file") from problem
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem


def _check_header(path: Path, data: Bytes) -> int:
    """The ELF header, by hand, for clear words: returns e_type."""
    if not data:
        raise NotElf(path, "is empty")
    if data[:8] == b"!<arch>\n":
        raise NotElf(path, "is an archive; extract its members first (ar x)")
    if data[:4] != b"\x7fELF":
        raise NotElf(path, "is not an ELF file")
    if len(data) < 52:
        raise NotElf(path, "is cut short inside the ELF header")
    order = ">" if data[5] == 2 else "<"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    if machine != _EM_S390:
        raise WrongMachine(path, f"is for {_MACHINES.get(machine, f'machine {machine}')}, not for s390x")
    if data[5] != 2:
        raise WrongMachine(path, "is little-endian, which no s390x object is")
    if data[4] not in tables.FORMS:
        raise NotElf(path, "is neither a 31-bit nor a 64-bit object")
    if kind not in (_RELOCATABLE, _EXECUTABLE, _SHARED):
        raise NotElf(path, "is neither an object file, an executable nor a shared library (a core dump?)")
    _check_sections(path, data)
    return int(kind)


def _check_sections(path: Path, data: Bytes) -> None:
    if len(data) < _HEADERS[data[4]]:
        raise NotElf(path, "is cut short inside the ELF header")
    head = tables.header(data)
    if head.sections == 0 or head.section_count == 0:
        raise NotElf(path, "has no section headers")
    size = struct.calcsize(tables.FORMS[data[4]].section)
    if head.section_size != size or head.sections + size * head.section_count > len(data):
        raise NotElf(path, "is cut short: its section headers reach beyond the end of the file")
    for index, table in enumerate(tables.sections(data)):
        if table.kind not in (tables.NULL, tables.NOBITS) and table.offset + table.size > len(data):
            raise NotElf(path, f"is cut short: section {index} reaches beyond the end of the file")


@contextmanager
def _quiet() -> Iterator[None]:
    """cle warns once a process about what this module handles itself."""
    logger = logging.getLogger("cle")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _load(path: Path, data: Bytes, *, relocatable: bool) -> Image:
    found = tables.sections(data)
    names = tables.contents(data, found[tables.header(data).names])
    titles = [tables.text(names, table.name) for table in found]
    with _quiet():
        loader = cle.Loader(
            io.BytesIO(tables.skeleton(data, found)), auto_load_libs=False, perform_relocations=False,
            load_debug_info=False, main_opts={"backend": "elf", "arch": "s390x"},
        )  # fmt: skip
    sections = tuple(_sections(path, data, found, titles, loader.main_object, relocatable))
    symbols = {
        index: _symbols(data, table, found, titles, relocatable)
        for index, table in enumerate(found)
        if table.kind in (tables.SYMTAB, tables.DYNSYM)
    }
    holes = tuple(_holes(path, data, found, titles, sections, symbols, relocatable))
    public = tuple(symbol for table in symbols.values() for symbol in table)
    return Image(path, relocatable, sections, _unique(public), holes, bits=tables.FORMS[data[4]].bits)


def _unique(symbols: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    """A linked image has a symbol in .symtab and in .dynsym."""
    return tuple(dict.fromkeys(symbols))


def _sections(
    path: Path, data: Bytes, found: Sequence[Table], titles: Sequence[str], mapped: Any, relocatable: bool
) -> Iterator[Section]:
    """The sections, with bytes as cle mapped them; they must be the file's own."""
    for index, (table, title) in enumerate(zip(found, titles, strict=True)):
        executable, allocated = bool(table.flags & tables.EXECINSTR), bool(table.flags & tables.ALLOC)
        raw = tables.contents(data, table) if allocated else b""
        if executable and raw:
            region = mapped.sections[index]
            at = region.vaddr - mapped.mapped_base
            if table.flags & tables.COMPRESSED or bytes(mapped.memory.load(at, len(raw))) != raw:
                raise InputError(path, f"section {title} is not mapped as it stands in the file")
        space, start = (index, 0) if relocatable else (LINKED_SPACE, table.address)
        yield Section(title, index, space, start, raw, executable, allocated, bool(table.flags & tables.WRITE))


def _symbols(
    data: Bytes, table: Table, found: Sequence[Table], titles: Sequence[str], relocatable: bool
) -> list[Symbol]:
    """The symbols of a symbol table, in its order."""
    strings = tables.contents(data, found[table.link])
    return [_symbol(entry, strings, titles, relocatable) for entry in tables.symbols(data, table)]


def _symbol(entry: tables.Entry, strings: bytes, titles: Sequence[str], relocatable: bool) -> Symbol:
    binding, kind = entry.info >> 4, entry.info & 0xF
    name, place, absolute = tables.text(strings, entry.name), None, None
    if entry.section == _ABSOLUTE:
        absolute = entry.value
    elif 0 < entry.section < _RESERVED:
        if entry.section >= len(titles):
            raise ValueError(f"symbol {name} is in section {entry.section}, which does not exist")
        place = Place(entry.section if relocatable else LINKED_SPACE, entry.value)
        if kind == _SECTION:
            name = titles[entry.section]
    return Symbol(name, place, entry.size, _KINDS.get(kind, str(kind)), _BINDINGS.get(binding, str(binding)), absolute)


def _holes(
    path: Path, data: Bytes, found: Sequence[Table], titles: Sequence[str], sections: Sequence[Section],
    symbols: Mapping[int, list[Symbol]], relocatable: bool,
) -> Iterator[Hole]:  # fmt: skip
    """The relocations of what is loaded; of a linked image the dynamic ones in code (others are applied already)."""
    code = _Code(sections)
    for table, title in zip(found, titles, strict=True):
        if table.kind == tables.REL and table.size:
            raise InputError(path, f"{title} has relocations without addends, which s390x does not use")
        if table.kind != tables.RELA or (not relocatable and not table.flags & tables.ALLOC):
            continue
        space = table.info if relocatable else LINKED_SPACE
        if relocatable and space >= len(sections):
            raise InputError(path, f"{title} relocates section {space}, which does not exist")
        if relocatable and not sections[space].allocated:
            continue
        if table.link not in symbols and (relocatable or table.link):  # a static executable has relocations without
            raise InputError(path, f"{title} refers to symbol table {table.link}, which does not exist")
        named = symbols.get(table.link, [])
        for offset, number, kind, addend in tables.relocations(data, table):
            if number >= len(named) and number:
                raise InputError(path, f"{title} refers to symbol {number}, which does not exist")
            if relocatable or code.near(offset):
                symbol = named[number] if number else _NO_SYMBOL
                hole = _hole(Place(space, offset), kind, symbol, addend)
                if hole.row.calculation == "B + A" and not relocatable:  # the load address moves both
                    hole = replace(hole, target=Target(place=Place(LINKED_SPACE, hole.addend)))
                yield hole


class _Code:
    """Where code lies in a linked image: nothing else of it is ever taken for what it holds at link time."""

    def __init__(self, sections: Sequence[Section]) -> None:
        found = sorted((one.start, one.start + len(one.data)) for one in sections if one.executable and one.data)
        self.starts = [start for start, _ in found]
        self.ends = list(accumulate((end for _, end in found), max))  # sections of a strange file may overlap

    def near(self, address: int) -> bool:
        """Whether a relocation there may change code: its field has 8 bytes at most."""
        index = bisect_right(self.starts, address + 8) - 1
        return index >= 0 and address < self.ends[index]


def _hole(place: Place, number: int, symbol: Symbol, addend: int) -> Hole:
    return Hole(place, row(number), _target(symbol).plus(addend), symbol.name, addend)


def _target(symbol: Symbol) -> Target:
    """Where the symbol will be. A weak definition may be replaced at link time, an IFUNC is resolved at run time."""
    if symbol.absolute is not None:
        return Target(absolute=symbol.absolute)
    if symbol.place is None or symbol.binding == "weak" or symbol.kind == "ifunc":
        return Target(external=symbol.name)
    return Target(place=symbol.place)
