"""Source lines of instructions, from the line programs of DWARF (version 5, section 6.2; versions 2 to 4 as well).

In a relocatable object every sequence of a line program starts at 0 of some section, and only the relocation of that
address says of which. So the relocations are applied here, and an address in code becomes its section's index and its
offset side by side in one number, which the line programs then carry along.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from verify.objfile.image import LINKED_SPACE

Address = tuple[int, int]
"""Section index (linked images: 0) and offset in bytes (linked images: virtual address), as in `Place`."""

# The bit from which on an address of 64 or 32 bits holds the section's index; larger sections have no lines.
_INDEX = {64: 48, 32: 20}
_SIZES = {4: 4, 22: 8}  # R_390_32 and R_390_64: bytes of the field
_SHF_EXECINSTR = 0x4
_RELOCATABLE = "ET_REL"
_PATCHED = ("debug_info_sec", "debug_line_sec")
_LARGEST = 4 << 20  # bytes of .debug_line that are read, in some ten seconds: an object's, not a whole kernel's


class SourceLines(Mapping[Address, str]):
    """FILE:LINE by address. A line stands for all addresses up to the next row; iteration gives the rows' own."""

    def __init__(self, rows: Mapping[Address, str | None]) -> None:
        """`rows` are the first addresses of lines, and (None) those where what is known ends."""
        self._starts = sorted(rows)
        self._texts = [rows[start] for start in self._starts]

    def __getitem__(self, at: Address) -> str:
        """The line of the instruction that holds this byte. Raises KeyError where none is recorded."""
        index = bisect_right(self._starts, at) - 1
        text = self._texts[index] if index >= 0 and self._starts[index][0] == at[0] else None
        if text is None:
            raise KeyError(at)
        return text

    def __iter__(self) -> Iterator[Address]:
        return (start for start, text in zip(self._starts, self._texts, strict=True) if text is not None)

    def __len__(self) -> int:
        return sum(text is not None for text in self._texts)


def source_lines(path: Path) -> Mapping[Address, str]:
    """The source line of each instruction of an ELF file, as FILE:LINE, by (section index or 0, offset or address).

    FILE is relative to the current directory where it lies below that, else as it is recorded. Nothing is raised:
    where the file cannot be read, has no DWARF, or a damaged one, the mapping is empty, since no verdict rests on it.
    """
    try:
        status = path.stat()
        return _source_lines(path, status.st_mtime_ns, status.st_size, Path.cwd())
    except OSError:
        return SourceLines({})


@lru_cache(maxsize=4)
def _source_lines(path: Path, _changed: int, _size: int, here: Path) -> SourceLines:
    try:
        with path.open("rb") as file:
            return SourceLines(_rows(ELFFile(file), here))
    except Exception:  # pyelftools raises whatever damaged tables make it trip over
        return SourceLines({})


def recorded_sources(path: Path) -> tuple[Path, ...]:
    """The sources that an ELF file was made of: DW_AT_name below DW_AT_comp_dir, in the order of the units.

    One that was recorded without a directory is relative. Nothing is raised: without DWARF, or with a damaged one,
    there is none.
    """
    try:
        dwarf = _dwarf(ELFFile(io.BytesIO(path.read_bytes())))
        units = () if dwarf is None else tuple(unit.get_top_DIE() for unit in dwarf.iter_CUs())
        return tuple(dict.fromkeys(Path(os.path.normpath(os.path.join(_attribute(unit, "DW_AT_comp_dir"),
                                                                      _attribute(unit, "DW_AT_name"))))
                                   for unit in units if "DW_AT_name" in unit.attributes))  # fmt: skip
    except Exception:  # as above
        return ()


def _attribute(entry: Any, name: str) -> str:
    found = entry.attributes.get(name)
    return "" if found is None else os.fsdecode(found.value)


def _dwarf(elf: Any) -> Any:
    """The debugging information, relocated; None where there is none, or more than an object's."""
    lines = elf.get_section_by_name(".debug_line")
    if not elf.has_dwarf_info(strict=True) or lines is None or lines.data_size > _LARGEST:
        return None  # before the other sections are read: a kernel has 200 MB of them
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
    if elf["e_type"] == _RELOCATABLE:
        _relocate(elf, [getattr(dwarf, name) for name in _PATCHED])
    return dwarf


def _rows(elf: Any, here: Path) -> dict[Address, str | None]:
    dwarf = _dwarf(elf)
    if dwarf is None:
        return {}
    bit = _INDEX[elf.elfclass] if elf["e_type"] == _RELOCATABLE else 0
    if bit and any(section["sh_size"] >> bit for section in elf.iter_sections()):
        return {}
    rows: dict[Address, str | None] = {}
    ends: set[Address] = set()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is not None:
            _collect(program, _Files(program.header, unit, here), bit, rows, ends)
    return dict.fromkeys(ends) | rows  # one sequence may start where another one ends


def _collect(program: Any, files: _Files, bit: int, rows: dict[Address, str | None], ends: set[Address]) -> None:
    """Add the rows of one line program; of several for one address the last one is the line.

    `bit` is where the section's index begins in an address, 0 in a linked image.
    """
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        index, offset = divmod(state.address, 1 << bit) if bit else (LINKED_SPACE, state.address)
        if bit and not index:
            continue  # an address in no section of this object, or in code that the linker dropped
        if state.end_sequence:
            ends.add((index, offset))
        else:
            rows[index, offset] = f"{files.name(state.file)}:{state.line}" if state.line else None


# Names of files -------------------------------------------------------------------------------------------------------


class _Files:
    """The file table of a line program. Directory 0 is that of the compilation; versions before 5 count from 1."""

    def __init__(self, header: Any, unit: Any, here: Path) -> None:
        self.here, self.known = here, dict[int, str]()
        first = 0 if header["version"] >= 5 else 1
        self.files = dict(enumerate(header["file_entry"], first))
        self.directories = dict(enumerate(map(os.fsdecode, header["include_directory"]), first))
        attribute = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        self.home = self.directories.get(0, "") if attribute is None else os.fsdecode(attribute.value)

    def name(self, number: int) -> str:
        """The name of a file of this table. Raises KeyError."""
        if number not in self.known:
            entry = self.files[number]
            directory = self.directories[entry.dir_index] if entry.dir_index else ""
            self.known[number] = self._below(os.path.join(directory, os.fsdecode(entry.name)))
        return self.known[number]

    def _below(self, recorded: str) -> str:
        full = Path(os.path.normpath(os.path.join(self.home, recorded)))
        return str(full.relative_to(self.here)) if full.is_relative_to(self.here) else recorded


# Relocations ----------------------------------------------------------------------------------------------------------


def _relocate(elf: Any, descriptors: Iterable[Any]) -> None:
    """Apply the relocations of some debugging sections, each a descriptor of pyelftools, to their contents."""
    sections = list(elf.iter_sections())
    by_name = {descriptor.name: descriptor for descriptor in descriptors if descriptor is not None}
    for table in sections:
        if table["sh_type"] != "SHT_RELA":
            continue
        descriptor = by_name.get(sections[table["sh_info"]].name)
        if descriptor is not None:
            symbols = sections[table["sh_link"]]
            with descriptor.stream.getbuffer() as data:
                for entry in table.iter_relocations():
                    _apply(data, entry, _value(symbols.get_symbol(entry["r_info_sym"]), sections, _INDEX[elf.elfclass]))


def _apply(data: memoryview, entry: Any, value: int) -> None:
    """S + A into the field. Raises KeyError for a type that no debugging section of s390x has, ValueError outside."""
    size = _SIZES[entry["r_info_type"]]
    first = entry["r_offset"]
    field = (value + entry["r_addend"]) % (1 << 8 * size)
    data[first : first + size] = field.to_bytes(size, "big")


def _value(symbol: Any, sections: list[Any], bit: int) -> int:
    """S: the symbol's offset, with the section's index above it where that is code; 0 for what is not defined here."""
    index = symbol["st_shndx"]
    if not isinstance(index, int):
        return 0
    code = sections[index]["sh_flags"] & _SHF_EXECINSTR
    return int(symbol["st_value"]) & ((1 << bit) - 1) | (index << bit if code else 0)
