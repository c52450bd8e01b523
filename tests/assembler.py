"""Assemblers for s390x, and what two objects must share to be the same code.

They are found as `verify robust` finds them, and run as trampolines/Makefile runs GNU as: without line numbers, and
with its level.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from verify import assemble

TRAMPOLINES = Path(__file__).resolve().parents[1] / "trampolines"
GNU = assemble.GNU
_EXECUTABLE = 0x4
_LEVEL_31 = re.compile(r"^FLAGS31\s*:=\s*-m31 .*-march=(\w+)", re.MULTILINE)
_LEVEL = re.compile(r"^FLAGS\s*:=.*-march=(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Assembler:
    """A command that assembles one source, and how it is told to define a symbol."""

    name: str
    command: tuple[str, ...]
    define: str

    def assemble(self, source: Path, output: Path, defines: Sequence[str] = ()) -> Path:
        """Assemble a source with the include directory and level of trampolines/Makefile; NAME=NUMBER in `defines`."""
        symbols = [part for name in defines for part in self.define.format(name).split()]
        narrow = is_narrow(source)
        mode = ("-m31" if narrow else "-m64",) if self.name == GNU else ()
        flags = (*mode, f"-march={level(narrow=narrow)}", "-I", "include")
        command = [*self.command, *flags, *symbols, "-o", str(output), str(source)]
        done = subprocess.run(command, cwd=TRAMPOLINES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{self.name} does not assemble {source.name}:\n{done.stderr}"
        return output


def is_narrow(source: Path) -> bool:
    """Whether the Makefile assembles this source for the 31-bit addressing mode."""
    return "-31-" in source.stem or "abi-s390-" in source.stem


@cache
def level(*, narrow: bool = False) -> str:
    """The instruction-set level that the Makefile builds for."""
    found = (_LEVEL_31 if narrow else _LEVEL).search((TRAMPOLINES / "Makefile").read_text(encoding="utf-8"))
    assert found is not None, "trampolines/Makefile names no -march"
    return found.group(1)


@cache
def available() -> tuple[Assembler, ...]:
    """The assemblers there are, GNU as first. Raises AssertionError where there is none: no test is skipped."""
    found = [
        Assembler(one.name, one.command, "-Wa,-defsym,{}" if one.driver else "--defsym {}")
        for one in assemble.available()
        if one.name in (GNU, assemble.ZIGLANG)  # of versions that are known here; any clang may be installed
    ]
    assert (
        found
    ), f"no assembler for s390x: install {GNU} (binutils-s390x-linux-gnu) or the PyPI package ziglang==0.13.0"
    return tuple(found)


def for_source(source: Path) -> tuple[Assembler, ...]:
    """The assemblers that know the addressing mode of a source: clang knows the 64-bit one alone."""
    found = tuple(one for one in available() if one.name == GNU or not is_narrow(source))
    assert found, f"no assembler for 31-bit code: install {GNU} (binutils-s390x-linux-gnu)"
    return found


def version(assembler: Assembler) -> str:
    """The first line of what the assembler says about itself."""
    done = subprocess.run([*assembler.command, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


# The same code --------------------------------------------------------------------------------------------------------

Target = tuple[str, int]


@dataclass(frozen=True)
class Function:
    """A function's names, section and bytes, and the relocations in it as (offset, type, target).

    A target is a function and the offset in it, or an undefined symbol and the addend.
    """

    names: tuple[str, ...]
    section: str
    code: bytes
    relocations: frozenset[tuple[int, int, Target]]


@dataclass
class _Section:
    name: str
    data: bytearray
    relocations: list[tuple[int, int, int, int, str]]


def functions(path: Path) -> frozenset[Function]:
    """The code of an object, however its assembler wrote it down.

    Not compared: padding, alignment, which symbol a relocation uses for a place, and whether a reference inside a
    section was left to the linker.
    """
    with path.open("rb") as file:
        elf = ELFFile(file)
        sections = _sections(elf)
        found = {
            (index, start): (tuple(sorted(names)), size)
            for index in sections
            for start, (names, size) in _entries(elf, index).items()
        }
    for index, section in sections.items():
        _resolve(index, section)
        _check_padding(path, section, [(start, size) for (at, start), (_, size) in found.items() if at == index])
    return frozenset(
        Function(
            names,
            sections[index].name,
            bytes(sections[index].data[start : start + size]),
            frozenset(
                (offset - start, kind, _target(found, place, value, name))
                for offset, kind, place, value, name in sections[index].relocations
                if start <= offset < start + size
            ),
        )
        for (index, start), (names, size) in found.items()
    )


def _sections(elf: Any) -> dict[int, _Section]:
    """The executable sections by index, with their relocations as (offset, type, section or 0, value, symbol)."""
    found = {
        index: _Section(section.name, bytearray(section.data()), [])
        for index, section in enumerate(elf.iter_sections())
        if (section["sh_flags"] & _EXECUTABLE and section["sh_size"]) or section.name == ".altinstructions"
    }
    symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
    for table in elf.iter_sections():
        if table["sh_type"] != "SHT_RELA" or table["sh_info"] not in found:
            continue
        for entry in table.iter_relocations():
            symbol = symbols[entry["r_info_sym"]]
            place = symbol["st_shndx"] if isinstance(symbol["st_shndx"], int) else 0
            value = entry["r_addend"] + (symbol["st_value"] if place else 0)
            found[table["sh_info"]].relocations.append(
                (entry["r_offset"], entry["r_info_type"], place, value, symbol.name)
            )
    return found


def _entries(elf: Any, index: int) -> dict[int, tuple[list[str], int]]:
    """The functions of a section, and the data among them: their names and size, by offset."""
    found: dict[int, tuple[list[str], int]] = {}
    symbols = [s for s in elf.get_section_by_name(".symtab").iter_symbols() if s["st_shndx"] == index]
    section = elf.get_section(index)
    if section.name.startswith(".altinstr"):  # replacements, and the list of them, belong to no function
        return {0: ([section.name], section["sh_size"])}
    for start in {s["st_value"] for s in symbols if s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")}:
        here = [s for s in symbols if s["st_value"] == start and s["st_info"]["bind"] == "STB_GLOBAL"]
        found[start] = [s.name for s in here], max(s["st_size"] for s in here)
    return found


# Relative fields that count halfwords from the instruction, by relocation type: their bytes (psABI, "Relocation").
_RELATIVE = {17: 2, 18: 2, 19: 4, 20: 4}
_PADDING = re.compile(rb"(?:\x07\x07|\x07\x00|\x47\x00\x00\x00|\xc0\x04\x00\x00\x00\x00)*")


def _resolve(index: int, section: _Section) -> None:
    """Do what the linker would do about references inside the section."""
    kept = []
    for offset, kind, place, value, name in section.relocations:
        if place == index and kind in _RELATIVE:
            size = _RELATIVE[kind]
            field = struct.pack(">q", (value - offset) // 2)[-size:]
            section.data[offset : offset + size] = field
        else:
            kept.append((offset, kind, place, value, name))
    section.relocations = kept


def _check_padding(path: Path, section: _Section, pieces: list[tuple[int, int]]) -> None:
    """What no function covers must do nothing."""
    at = 0
    for start, size in sorted([*pieces, (len(section.data), 0)]):
        between = bytes(section.data[at:start])
        assert _PADDING.fullmatch(between), f"{path.name}: {section.name}+{at:#x} is in no function: {between.hex()}"
        at = max(at, start + size)


def _target(
    functions_at: dict[tuple[int, int], tuple[tuple[str, ...], int]], place: int, value: int, name: str
) -> Target:
    """A defined target as function and offset (relative fields point behind themselves, hence the distance)."""
    if not place:
        return name, value
    below = max((start for index, start in functions_at if index == place and start <= value), default=None)
    assert below is not None, f"a relocation refers to section {place}, where there is no function"
    return functions_at[place, below][0][0], value - below
