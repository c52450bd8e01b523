"""Structs of a kernel as its debugging information describes them (DWARF versions 2 to 5, section 5.7).

A kernel has thousands of units and millions of entries, of which a handful matter here. So nothing is walked: the
name of a struct is found in `.debug_str` and its offset there in `.debug_info`; pyelftools reads the entry that seems
to start in front of it, which is one if it ends where it says it does. Two definitions of one struct must agree.
Where names are numbers of an offset table (clang, DW_FORM_strx), the units whose table has the name are walked.
"""

from __future__ import annotations

import io
import mmap
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.elf.elffile import ELFFile

from verify.errors import InputError, NotElf, VerifyError, WrongMachine
from verify.objfile import tables
from verify.objfile.tables import Bytes

_EM_S390 = 22
_FIELD = {4: 4, 22: 8}  # R_390_32 and R_390_64: bytes of the field (psABI, "Relocation")
_LONGEST = 1 << 16  # bytes that the entries of one struct take
_AGREEING = 2  # definitions of one struct that are compared
_SCANNED = 200  # places where a name is mentioned that are looked at: most are declarations and members
_NEAR = 8 << 20  # bytes of .debug_info that are searched first
_DEEPEST = 8  # structs inside structs
_PLUS_UCONST = 0x23  # DW_OP_plus_uconst: how DWARF 2 writes the offset of a member
_THROUGH = ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_atomic_type")
_STRUCT = "DW_TAG_structure_type"
_WHOLE = (_STRUCT, "DW_TAG_union_type")
_POINTER = "DW_TAG_pointer_type"
_LEAVES = ("DW_TAG_base_type", _POINTER, "DW_TAG_enumeration_type")
_SECTIONS = ("debug_info", "debug_abbrev", "debug_str", "debug_line_str", "debug_str_offsets")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct that is no struct itself: offset and size of an element in bytes, number of elements."""

    at: int
    size: int
    count: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A struct: its size in bytes, and its members by dotted path; members of unnamed structs have no prefix."""

    size: int
    members: dict[str, Member]


class Debug:
    """The debugging information of one file, ready to be asked for structs."""

    def __init__(self, path: Path, needed: str) -> None:
        """Raises InputError for a file that is none for s390, or whose debugging information lacks struct `needed`."""
        self.path = path
        self.known: dict[str, Shape | None] = {}
        try:
            self._open(_mapped(path))
        except VerifyError:
            raise
        except Exception as problem:  # pyelftools raises whatever a damaged file makes it trip over
            raise _unreadable(path, problem) from problem
        if self.shape(needed) is None:
            raise InputError(path, f"has debugging information, but there is no struct {needed} in it")

    def shape(self, name: str) -> Shape | None:
        """The struct of that name, or None where there is no definition of it.

        Raises InputError where its definitions differ, or the debugging information cannot be read.
        """
        if name not in self.known:
            self.known[name] = self._shape(name)
        return self.known[name]

    def _shape(self, name: str) -> Shape | None:
        try:
            shapes = [_shape(entry) for entry in islice(self._definitions(name), _AGREEING)]
        except VerifyError:
            raise
        except Exception as problem:
            raise _unreadable(self.path, problem) from problem
        if any(shape != shapes[0] for shape in shapes[1:]):
            raise InputError(self.path, f"its debugging information describes more than one struct {name}")
        return shapes[0] if shapes else None

    # Sections

    def _open(self, data: mmap.mmap) -> None:
        self.file = data
        elf = ELFFile(data)
        if elf["e_machine"] != "EM_S390":
            raise WrongMachine(self.path, "is not for s390")
        found = {name: self._section(elf, f".{name}") for name in _SECTIONS}
        if not found["debug_info"]:
            raise InputError(self.path, "has no debugging information (no section .debug_info)")
        self.info, self.strings, self.offsets = (found[n] for n in ("debug_info", "debug_str", "debug_str_offsets"))
        self.units = list(_units(self.info))
        self.dwarf = _dwarf(elf, found)

    def _section(self, elf: Any, name: str) -> bytes:
        section = elf.get_section_by_name(name)
        if section is None or section["sh_type"] == "SHT_NOBITS":  # in a file that strip --only-keep-debug left
            return b""
        data: bytes = section.data()
        return _relocated(self.file, name, data) if elf["e_type"] == "ET_REL" else data

    # Entries

    def _definitions(self, name: str) -> Iterator[Any]:
        """The entries that define a struct."""
        text = name.encode()
        fields = [where.to_bytes(4, "big") for where in _all(self.strings, text + b"\0")]
        for where in self._mentioned(fields):
            unit = self.dwarf.get_CU_at(self.units[bisect_right(self.units, where) - 1])
            found = (self._entry(unit, where - back, text) for back in _codes(self.info, where))
            yield from (entry for entry in found if entry is not None)
        if self.offsets:
            yield from (entry for unit in self._numbered(fields) for entry in _structs(unit, text))

    def _mentioned(self, fields: list[bytes]) -> Iterator[int]:
        """Where one of these stands in .debug_info: first near its beginning, where most structs are defined."""
        for first, end in ((0, _NEAR), (_NEAR, len(self.info))):
            yield from (where for field in fields for where in islice(_all(self.info, field, first, end), _SCANNED))

    def _entry(self, unit: Any, start: int, name: bytes) -> Any:
        """The definition of that struct which starts there, or None where these bytes are something else."""
        try:
            abbreviation = unit.get_abbrev_table().get_abbrev(_uleb(self.info, start))
            if abbreviation["tag"] != _STRUCT or abbreviation.decl["attr_spec"][0].name != "DW_AT_name":
                return None
            entry = unit.get_DIE_from_refaddr(start)
            if not _defines(entry, name):
                return None
            sibling = entry.attributes.get("DW_AT_sibling")
            if sibling is None:  # nothing says where it ends: only a walk from the start of the unit is certain
                return next((one for one in _structs(unit, name) if one.offset == start), None)
            if not start < _reference(entry) < start + _LONGEST:
                return None
            *_, last = entry.iter_children()
            end = last.offset + last.size if not last.has_children else _reference(last)
            return entry if end + 1 == _reference(entry) else None
        except (KeyError, IndexError, ValueError, ELFError):  # no entry starts there, so what follows it means nothing
            return None

    def _numbered(self, fields: list[bytes]) -> Iterator[Any]:
        """The units whose table of string offsets has one of these (DWARF 5, section 7.26)."""
        for start in self.units:
            unit = self.dwarf.get_CU_at(start)
            base = unit.get_top_DIE().attributes.get("DW_AT_str_offsets_base")
            if base is None:
                continue
            length = int.from_bytes(self.offsets[base.value - 8 : base.value - 4], "big")
            table = self.offsets[base.value : base.value - 4 + length]
            if any(where % 4 == 0 for field in fields for where in _all(table, field)):
                yield unit


def _unreadable(path: Path, problem: Exception) -> InputError:
    return InputError(path, f"its debugging information cannot be read ({type(problem).__name__}: {problem})")


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            head = file.read(20)
            if not head:
                raise NotElf(path, "is empty")
            if not head.startswith(b"\x7fELF"):
                raise NotElf(path, "is not an ELF file")
            if len(head) == 20 and (head[5] != 2 or head[18:20] != _EM_S390.to_bytes(2, "big")):
                raise WrongMachine(path, "is not for s390")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as problem:
        raise InputError(path, "no such file") from problem
    except IsADirectoryError as problem:
        raise InputError(path, "is a directory, not a kernel image") from problem
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem


def _dwarf(elf: Any, found: dict[str, bytes]) -> Any:
    """What pyelftools needs to read entries; the other sections stay unread."""
    known = {
        f"{name}_sec": DebugSectionDescriptor(io.BytesIO(data), f".{name}", 0, len(data), 0) if data else None
        for name, data in found.items()
    }
    others = ("aranges", "frame", "loc", "ranges", "line", "pubtypes", "pubnames", "addr", "loclists", "rnglists",
              "sup", "types")  # fmt: skip
    missing = {f"debug_{name}_sec": None for name in others}
    config = DwarfConfig(elf.little_endian, elf.get_machine_arch(), elf.elfclass // 8)
    return DWARFInfo(config=config, eh_frame_sec=None, gnu_debugaltlink_sec=None, **known, **missing)


def _units(info: bytes) -> Iterator[int]:
    """Where each unit starts (DWARF 5, section 7.4: a length of 0xffffffff says that the real one has 8 bytes)."""
    at = 0
    while at + 12 <= len(info):
        yield at
        length = int.from_bytes(info[at : at + 4], "big")
        at += 12 + int.from_bytes(info[at + 4 : at + 12], "big") if length == 0xFFFFFFFF else 4 + length


def _relocated(whole: Bytes, name: str, data: bytes) -> bytes:
    """The section of a relocatable object with its references to other sections filled in: S + A, from their start."""
    found = tables.sections(whole)
    titles = tables.contents(whole, found[tables.header(whole).names])
    patched = bytearray(data)
    for table in found:
        if table.kind != tables.RELA or tables.text(titles, table.name) != f".rela{name}":
            continue
        symbols = list(tables.symbols(whole, found[table.link]))
        for offset, number, kind, addend in tables.relocations(whole, table):
            if kind in _FIELD and symbols[number].section:  # defined here
                value = (symbols[number].value + addend) % (1 << 8 * _FIELD[kind])
                patched[offset : offset + _FIELD[kind]] = value.to_bytes(_FIELD[kind], "big")
    return bytes(patched)


def _all(data: bytes, what: bytes, first: int = 0, end: int | None = None) -> Iterator[int]:
    """Every offset in this range at which these bytes start."""
    last = len(data) if end is None else min(end + len(what) - 1, len(data))
    at = data.find(what, first, last)
    while at >= 0:
        yield at
        at = data.find(what, at + 1, last)


def _codes(info: bytes, end: int) -> Iterator[int]:
    """How many bytes before `end` a number in LEB128 may start that ends there (DWARF 5, section 7.6)."""
    for back in (1, 2, 3):
        head = info[max(0, end - back) : end]
        if len(head) == back and head[-1] < 0x80 and all(byte >= 0x80 for byte in head[:-1]):
            yield back


def _uleb(data: bytes, at: int) -> int:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value
        at, shift = at + 1, shift + 7


# Types ----------------------------------------------------------------------------------------------------------------


def _structs(unit: Any, name: bytes) -> Iterator[Any]:
    """The definitions of that struct in a unit, found by walking it."""
    return (entry for entry in unit.get_top_DIE().iter_children() if entry.tag == _STRUCT and _defines(entry, name))


def _defines(entry: Any, name: bytes) -> bool:
    found = entry.attributes
    return "DW_AT_byte_size" in found and "DW_AT_name" in found and found["DW_AT_name"].value == name


def _reference(entry: Any) -> int:
    """The offset in .debug_info at which the entry behind this one and its children starts."""
    return int(entry.attributes["DW_AT_sibling"].value) + int(entry.cu.cu_offset)


def _shape(entry: Any) -> Shape:
    leaves = list(_leaves(entry, 0, "", 0))
    taken: dict[int, set[int]] = {}
    for _path, depth, member in leaves:
        taken.setdefault(depth, set()).update(range(member.at, member.at + member.size * member.count))
    members: dict[str, Member] = {}
    for path, depth, member in leaves:
        bytes_of = range(member.at, member.at + member.size * member.count)
        # Another view of the same bytes, such as user_regs.psw of psw: those named directly are the fields.
        hidden = any(taken[less].issuperset(bytes_of) for less in taken if less < depth)
        if not hidden:
            members.setdefault(path, member)
    return Shape(int(entry.attributes["DW_AT_byte_size"].value), members)


def _leaves(entry: Any, base: int, prefix: str, depth: int) -> Iterator[tuple[str, int, Member]]:
    """The members that hold values, with path and depth; arrays of structs and bit fields are left out."""
    for child in entry.iter_children() if depth < _DEEPEST else ():
        if child.tag != "DW_TAG_member" or "DW_AT_bit_size" in child.attributes:
            continue
        at = base + _location(child)
        name = child.attributes["DW_AT_name"].value.decode() if "DW_AT_name" in child.attributes else ""
        kind = _type(child)
        if kind is not None and kind.tag in _WHOLE:
            yield from _leaves(kind, at, f"{prefix}{name}." if name else prefix, depth + bool(name))
        elif kind is not None and name:
            size, count = _size(kind)
            if size and count:
                yield prefix + name, depth, Member(at, size, count)


def _location(member: Any) -> int:
    """The offset of a member in its struct, in bytes; members of a union have none."""
    attribute = member.attributes.get("DW_AT_data_member_location")
    if attribute is None:
        return 0
    if isinstance(attribute.value, int):
        return attribute.value
    operation = bytes(attribute.value)
    if operation[0] != _PLUS_UCONST:
        raise ValueError("the offset of a member is a computation")
    return _uleb(operation, 1)


def _type(entry: Any) -> Any:
    """The type of a member or array, without its typedefs and qualifiers; None for void."""
    while "DW_AT_type" in entry.attributes:
        entry = entry.get_DIE_from_attribute("DW_AT_type")
        if entry.tag not in _THROUGH:
            return entry
    return None


def _size(kind: Any) -> tuple[int, int]:
    """Size of an element and number of elements; (0, 0) for what is neither a number nor an array of numbers."""
    count = 1
    while kind is not None and kind.tag == "DW_TAG_array_type":
        for bound in kind.iter_children():
            count *= _bound(bound)
        kind = _type(kind)
    if kind is None or kind.tag not in _LEAVES:
        return 0, 0
    if "DW_AT_byte_size" in kind.attributes:
        return int(kind.attributes["DW_AT_byte_size"].value), count
    return (int(kind.cu["address_size"]), count) if kind.tag == _POINTER else (0, 0)  # clang gives pointers no size


def _bound(subrange: Any) -> int:
    """The number of elements; 0 for an array without a bound."""
    found = subrange.attributes
    for name, more in (("DW_AT_count", 0), ("DW_AT_upper_bound", 1)):
        if name in found and isinstance(found[name].value, int):
            return int(found[name].value) + more
    return 0
