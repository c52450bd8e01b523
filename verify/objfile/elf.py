"""ELF files to Image: cle maps the bytes, pyelftools reads symbols and relocations, and both must agree.

cle applies seven relocation types and leaves the fields of all others as they are, gives undefined symbols of unknown
relocations the address of `.text`, and allocates no COMMON symbol; so no symbol address and no relocated field is
taken from it. Only the mapped bytes are, and they are compared with the file's own.
"""

from __future__ import annotations

import hashlib
import io
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cle
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from verify.errors import InputError, NotElf, WrongMachine
from verify.objfile.image import LINKED_SPACE, Hole, Image, Place, Section, Symbol, Target
from verify.objfile.relocs import row

_EM_S390 = 22
_MACHINES = {3: "32-bit x86", 20: "PowerPC", 21: "64-bit PowerPC", 40: "Arm", 62: "x86-64", 183: "AArch64",
             243: "RISC-V"}  # fmt: skip
_RELOCATABLE, _EXECUTABLE, _SHARED = 1, 2, 3
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 0x1, 0x2, 0x4
_NO_SYMBOL = Symbol("", None, 0, "notype", "local", absolute=0)  # symbol 0 (ELF gABI, "Symbol Table")


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as problem:
        raise InputError(path, "no such file") from problem
    except IsADirectoryError as problem:
        raise InputError(path, "is a directory, not an object file") from problem
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem


def _check_header(path: Path, data: bytes) -> int:
    """The ELF header, by hand, for clear words: returns e_type."""
    if not data:
        raise NotElf(path, "is empty")
    if data.startswith(b"!<arch>\n"):
        raise NotElf(path, "is an archive; extract its members first (ar x)")
    if not data.startswith(b"\x7fELF"):
        raise NotElf(path, "is not an ELF file")
    if len(data) < 52:
        raise NotElf(path, "is cut short inside the ELF header")
    order = ">" if data[5] == 2 else "<"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    if machine != _EM_S390:
        raise WrongMachine(path, f"is for {_MACHINES.get(machine, f'machine {machine}')}, not for s390x")
    if data[5] != 2:
        raise WrongMachine(path, "is little-endian, which no s390x object is")
    form = _FORMS.get(data[4])
    if form is None:
        raise NotElf(path, "is neither a 31-bit nor a 64-bit object")
    if kind not in (_RELOCATABLE, _EXECUTABLE, _SHARED):
        raise NotElf(path, "is neither an object file, an executable nor a shared library (a core dump?)")
    _check_sections(path, data, form)
    return int(kind)


@dataclass(frozen=True)
class _Form:
    """Where an ELF file of one class keeps what is checked by hand (ELF gABI, "ELF Header", "Section Header").

    Sizes of the file's header and of a section's, formats and offsets of the section headers' offset, of their size
    and number, and of a section's offset and size.
    """

    bits: int
    header: int
    section: int
    headers_at: tuple[str, int]
    counts_at: int
    extent_at: tuple[str, int]


_FORMS = {1: _Form(31, 52, 40, (">I", 32), 46, (">II", 16)), 2: _Form(64, 64, 64, (">Q", 40), 58, (">QQ", 24))}


def _check_sections(path: Path, data: bytes, form: _Form) -> None:
    if len(data) < form.header:
        raise NotElf(path, "is cut short inside the ELF header")
    offset: int = struct.unpack_from(form.headers_at[0], data, form.headers_at[1])[0]
    size, count = struct.unpack_from(">HH", data, form.counts_at)
    if offset == 0 or count == 0:
        raise NotElf(path, "has no section headers")
    if size != form.section or offset + size * count > len(data):
        raise NotElf(path, "is cut short: its section headers reach beyond the end of the file")
    for index in range(count):
        kind = struct.unpack_from(">I", data, offset + index * size + 4)[0]
        start, length = struct.unpack_from(form.extent_at[0], data, offset + index * size + form.extent_at[1])
        if kind not in (0, 8) and start + length > len(data):
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


def _load(path: Path, data: bytes, *, relocatable: bool) -> Image:
    elf = ELFFile(io.BytesIO(data))
    with _quiet():
        loader = cle.Loader(
            io.BytesIO(data), auto_load_libs=False, perform_relocations=False, load_debug_info=False,
            main_opts={"backend": "elf", "arch": "s390x"},
        )  # fmt: skip
    tables = list(elf.iter_sections())
    sections = tuple(_sections(path, tables, loader.main_object, relocatable))
    symbols = _symbols(tables, relocatable)
    holes = tuple(_holes(path, tables, sections, symbols, relocatable))
    public = tuple(symbol for table in symbols.values() for symbol in table)
    return Image(
        path, relocatable, sections, _unique(public), holes, hashlib.sha256(data).hexdigest(),
        _FORMS[data[4]].bits,
    )  # fmt: skip


def _unique(symbols: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    """A linked image has a symbol in .symtab and in .dynsym."""
    return tuple(dict.fromkeys(symbols))


def _sections(path: Path, tables: list[Any], mapped: Any, relocatable: bool) -> Iterator[Section]:
    """The sections, with bytes as cle mapped them; they must be the file's own."""
    for index, table in enumerate(tables):
        flags, kind = table["sh_flags"], table["sh_type"]
        executable = bool(flags & _SHF_EXECINSTR)
        data = b"" if kind in ("SHT_NOBITS", "SHT_NULL") or not flags & _SHF_ALLOC else bytes(table.data())
        if executable and data:
            region = mapped.sections[index]
            at = region.vaddr - mapped.mapped_base
            if bytes(mapped.memory.load(at, len(data))) != data:
                raise InputError(path, f"section {table.name} is not mapped as it stands in the file")
        space, start = (index, 0) if relocatable else (LINKED_SPACE, int(table["sh_addr"]))
        allocated, writable = bool(flags & _SHF_ALLOC), bool(flags & _SHF_WRITE)
        yield Section(table.name, index, space, start, data, executable, allocated, writable)


def _symbols(tables: list[Any], relocatable: bool) -> dict[int, list[Symbol]]:
    """The symbols of each symbol table, in its order, by the table's section index."""
    found: dict[int, list[Symbol]] = {}
    for index, table in enumerate(tables):
        if table["sh_type"] in ("SHT_SYMTAB", "SHT_DYNSYM"):
            found[index] = [_symbol(entry, tables, relocatable) for entry in table.iter_symbols()]
    return found


def _symbol(entry: Any, tables: list[Any], relocatable: bool) -> Symbol:
    where, value = entry["st_shndx"], int(entry["st_value"])
    kind = _lower(entry["st_info"]["type"], "STT_", {"loos": "ifunc", "10": "ifunc", "gnu_ifunc": "ifunc"})
    binding = _lower(entry["st_info"]["bind"], "STB_", {"loos": "global"})
    name, place, absolute = entry.name, None, None
    if where == "SHN_ABS":
        absolute = value
    elif isinstance(where, int) and where < len(tables):
        place = Place(where, value) if relocatable else Place(LINKED_SPACE, value)
        if kind == "section":
            name = tables[where].name
    return Symbol(name, place, int(entry["st_size"]), kind, binding, absolute)


def _lower(value: Any, prefix: str, names: dict[str, str]) -> str:
    text = str(value).removeprefix(prefix).lower()
    return names.get(text, text)


def _holes(
    path: Path, tables: list[Any], sections: tuple[Section, ...], symbols: dict[int, list[Symbol]], relocatable: bool
) -> Iterator[Hole]:
    """Every relocation of a relocatable object; of a linked image the dynamic ones (others are applied already)."""
    for table in tables:
        if table["sh_type"] == "SHT_REL" and table["sh_size"]:
            raise InputError(path, f"{table.name} has relocations without addends, which s390x does not use")
        if table["sh_type"] != "SHT_RELA" or (not relocatable and not table["sh_flags"] & _SHF_ALLOC):
            continue
        named = symbols.get(table["sh_link"], [])
        for entry in table.iter_relocations():
            number, offset = entry["r_info_sym"], int(entry["r_offset"])
            if number >= len(named) and number:
                raise InputError(path, f"{table.name} refers to symbol {number}, which does not exist")
            symbol = named[number] if number else _NO_SYMBOL
            space = int(table["sh_info"]) if relocatable else LINKED_SPACE
            if relocatable and space >= len(sections):
                raise InputError(path, f"{table.name} relocates section {space}, which does not exist")
            hole = _hole(Place(space, offset), int(entry["r_info_type"]), symbol, int(entry["r_addend"]))
            if hole.row.calculation == "B + A" and not relocatable:  # the load address moves both
                hole = replace(hole, target=Target(place=Place(LINKED_SPACE, hole.addend)))
            yield hole


def _hole(place: Place, number: int, symbol: Symbol, addend: int) -> Hole:
    return Hole(place, row(number), _target(symbol).plus(addend), symbol.name, addend)


def _target(symbol: Symbol) -> Target:
    """Where the symbol will be. A weak definition may be replaced at link time, an IFUNC is resolved at run time."""
    if symbol.absolute is not None:
        return Target(absolute=symbol.absolute)
    if symbol.place is None or symbol.binding == "weak" or symbol.kind == "ifunc":
        return Target(external=symbol.name)
    return Target(place=symbol.place)

