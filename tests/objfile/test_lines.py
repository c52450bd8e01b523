"""Source lines: every DWARF version, several sections, linked images, and damage that costs nothing but the lines."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests import assembler, elf
from tests.command import ROOT
from tests.elf import Sec
from verify import pipeline
from verify.objfile.elf import load
from verify.objfile.lines import source_lines
from verify.verdict import Verdict

LINKER = "s390x-linux-gnu-ld"
SOURCE = """\
	.globl	f, g, h
	.type	f, @function
f:	lghi	%r2, 1
	br	%r14
	.size	f, . - f
	.section .text.g, "ax", @progbits
	.type	g, @function
g:	nop
	lghi	%r2, 2
	br	%r14
	.size	g, . - g
	.section .text.h, "ax", @progbits
	.type	h, @function
h:	br	%r14
	.size	h, . - h
"""
# Where the instructions are: section, offset, line.
WANTED = [
    (".text", 0, 3),
    (".text", 4, 4),
    (".text.g", 0, 8),
    (".text.g", 4, 9),
    (".text.g", 8, 10),
    (".text.h", 0, 14),
]


@dataclass(frozen=True)
class Way:
    """How to assemble with line numbers."""

    assembler: assembler.Assembler
    options: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.assembler.name.split()[0]} {' '.join(self.options)}"


WAYS = [
    Way(one, options.split() if isinstance(options, str) else options)
    for one in assembler.available()
    for options in (
        [
            ("-g",),
            ("--gdwarf-2",),
            ("--gdwarf-3",),
            ("--gdwarf-4",),
            ("--gdwarf-5",),
            ("--gdwarf-5", "--compress-debug-sections"),
        ]
        if one.name == assembler.GNU
        else [("-g",), ("-gdwarf-4",), ("-gdwarf-5",)]
    )
]


def assemble(way: Way, directory: Path, text: str = SOURCE, name: str = "lines") -> Path:
    source, output = directory / f"{name}.s", directory / f"{name}.o"
    source.write_text(text, encoding="utf-8")
    command = [*way.assembler.command, f"-march={assembler.level()}", *way.options, "-o", output.name, source.name]
    subprocess.run(command, cwd=directory, check=True)
    return output


def linked(directory: Path, *arguments: str) -> Path:
    if shutil.which(LINKER) is None:
        pytest.skip(f"no {LINKER}")
    output = directory / "linked"
    subprocess.run([LINKER, "-o", output.name, *arguments], cwd=directory, check=True)
    return output


def by_section(path: Path, lines: Mapping[tuple[int, int], str]) -> set[tuple[str, int, str]]:
    with path.open("rb") as file:
        names = [section.name for section in ELFFile(file).iter_sections()]
    return {(names[index], offset, text.rpartition("/")[2]) for (index, offset), text in lines.items()}


def wanted(name: str = "lines.s") -> set[tuple[str, int, str]]:
    return {(section, offset, f"{name}:{line}") for section, offset, line in WANTED}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_each_section_has_its_own_lines(way: Way, tmp_path: Path) -> None:
    path = assemble(way, tmp_path)
    assert by_section(path, source_lines(path)) == wanted()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_files_below_the_current_directory_are_named_from_there(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    path = assemble(way, tmp_path / "inner")
    monkeypatch.chdir(tmp_path)
    assert {text.rpartition(":")[0] for text in source_lines(path).values()} == {"inner/lines.s"}
    monkeypatch.chdir(ROOT)
    recorded = {text.rpartition(":")[0] for text in source_lines(path).values()}
    assert recorded <= {"lines.s", str(tmp_path / "inner/lines.s")}


def test_the_bytes_of_an_instruction_and_of_its_successors_have_its_line(tmp_path: Path) -> None:
    path = assemble(WAYS[0], tmp_path)
    index = next(s.index for s in load(path).sections if s.name == ".text")
    lines = source_lines(path)
    assert lines[index, 2] == lines[index, 0]
    assert lines[index, 5].endswith(":4")
    for outside in ((index, 6), (index, 1 << 20), (index, -1), (99, 0), (0, 0)):
        assert outside not in lines
        assert lines.get(outside) is None


@pytest.mark.parametrize("way", [way for way in WAYS if "compress" not in str(way)], ids=str)
def test_objects_joined_by_ld_r(way: Way, tmp_path: Path) -> None:
    """Several compilation units, and relocations with addends."""
    assemble(way, tmp_path)
    assemble(way, tmp_path, SOURCE.replace("f", "F").replace(".globl\tF, g, h", "").replace("@Function", "@function")
             .replace(".section", "\n.section"), "other")  # fmt: skip
    path = linked(tmp_path, "-r", "lines.o", "other.o")
    found = by_section(path, source_lines(path))
    assert wanted() <= found
    assert (".text", 6, "other.s:3") in found or (".text", 8, "other.s:3") in found
    assert len(found) == 2 * len(WANTED)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_linked_image_has_lines_by_address(way: Way, tmp_path: Path) -> None:
    assemble(way, tmp_path)
    path = linked(tmp_path, "-Ttext=0x10000", "--entry=f", "lines.o")
    image, lines = load(path), source_lines(path)
    first = {name: image.symbol(name).place for name in "fgh"}
    for section, offset, line in WANTED:
        place = first[section[-1] if "." in section[1:] else "f"]
        assert place is not None
        assert lines[0, place.offset + offset].endswith(f"lines.s:{line}")
    assert len(lines) == len(WANTED)


def test_without_dwarf_there_are_no_lines(tmp_path: Path) -> None:
    path = assemble(Way(assembler.available()[0], ()), tmp_path)
    assert dict(source_lines(path)) == {}
    assert dict(source_lines(ROOT / "trampolines/ftrace-6.12.o")) == {}


def test_what_is_no_elf_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no object")
    for path in (tmp_path / "x", tmp_path / "missing", tmp_path):
        assert dict(source_lines(path)) == {}


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    before = dict(source_lines(assemble(WAYS[0], tmp_path)))
    after = source_lines(assemble(WAYS[0], tmp_path, "\n" + SOURCE))
    assert dict(after).keys() == before.keys()
    assert dict(after) != before


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("what", ["zeros", "ones", "noise", "cut"])
def test_damage_costs_nothing_but_the_lines(what: str, way: Way, tmp_path: Path) -> None:
    path = assemble(way, tmp_path)
    healthy = path.read_bytes()
    rng = random.Random(f"{what} {way}")
    with path.open("rb") as file:
        sections = [s for s in ELFFile(file).iter_sections() if "debug" in s.name and s["sh_size"]]
        places = [(s.name, s["sh_offset"], s["sh_size"], 0) for s in sections]
        headers = [ELFFile(file)["e_shoff"] + 64 * n for n, _ in enumerate(ELFFile(file).iter_sections())]
    for name, start, size, _ in places:
        data = bytearray(healthy)
        if what == "cut":  # the section's size in its header
            header = next(at for at in headers if struct.unpack_from(">QQ", data, at + 24) == (start, size))
            struct.pack_into(">Q", data, header + 32, rng.randrange(size))
        else:
            for at in range(start, start + size):
                data[at] = {"zeros": 0, "ones": 255}.get(what, rng.randrange(256))
        path.write_bytes(data)
        found = source_lines(path)
        assert all(isinstance(text, str) for text in found.values()), name
        if not name.startswith(".rela"):  # a damaged relocation table is an unusable file
            report = pipeline.prove_file(path, pipeline.Options(details=True))
            assert {finding.verdict for finding in report.findings()} == {Verdict.PROVED}, name


def test_a_report_that_draws_has_the_lines(tmp_path: Path) -> None:
    path = assemble(WAYS[0], tmp_path)
    report = pipeline.prove_file(path, pipeline.Options("g", details=True))
    (routine,) = report.routines
    assert [(line.text.split()[0], (line.source or "").rpartition("/")[2]) for line in routine.code] == [
        ("nop", "lines.s:8"), ("lghi", "lines.s:9"), ("br", "lines.s:10"),
    ]  # fmt: skip


def test_of_a_whole_kernels_debugging_information_nothing_is_read(tmp_path: Path) -> None:
    """.debug_line beyond the bound: the other sections, which are larger still, stay where they are."""
    sizes = {".debug_line": (4 << 20) + 1, ".debug_info": 64 << 20, ".debug_abbrev": 1}
    debug = [Sec(name, bytes(size), elf.NOT_LOADED) for name, size in sizes.items()]
    path = tmp_path / "vmlinux"
    path.write_bytes(elf.build([Sec(".text", elf.RETURN, address=0x10000), *debug], [], elf.EXECUTABLE))
    tracemalloc.start()
    try:
        assert len(source_lines(path)) == 0
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
