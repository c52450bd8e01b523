"""The tables of ELF files read in bulk, held to pyelftools; and that only what is needed of a file is read."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests import elf
from tests.command import ROOT, verify
from tests.elf import Reloc, Sec, Sym
from verify.objfile import tables
from verify.objfile.elf import load
from verify.objfile.image import LINKED_SPACE, Place, Target

OBJECTS = sorted(ROOT.glob("trampolines/**/*.o"))
R_390_RELATIVE = 12
TEXT, DATA = 0x10000, 0x20000


@pytest.mark.parametrize("name", ["sections", "symbols", "relocations"])
def test_every_object_is_read_as_pyelftools_reads_it(name: str) -> None:
    count = 0
    for path in OBJECTS:
        data = path.read_bytes()
        found, known = tables.sections(data), list(ELFFile(io.BytesIO(data)).iter_sections())
        assert len(found) == len(known)
        for mine, theirs in zip(found, known, strict=True):
            if name == "sections":
                keys = ("sh_name", "sh_flags", "sh_addr", "sh_offset", "sh_size", "sh_link", "sh_info", "sh_addralign")
                assert (mine.name, *mine[2:9]) == tuple(theirs[key] for key in keys)
                assert tables.contents(data, mine) == (theirs.data() if mine.kind != tables.NOBITS else b"")
            if name == "symbols" and mine.kind in (tables.SYMTAB, tables.DYNSYM):
                strings = tables.contents(data, found[mine.link])
                for one, other in zip(tables.symbols(data, mine), theirs.iter_symbols(), strict=True):
                    assert tables.text(strings, one.name) == other.name
                    assert (one.value, one.size) == (other["st_value"], other["st_size"])
                    count += 1
            if name == "relocations" and mine.kind == tables.RELA:
                assert list(tables.relocations(data, mine)) == [
                    (one["r_offset"], one["r_info_sym"], one["r_info_type"], one["r_addend"])
                    for one in theirs.iter_relocations()
                ]
                count += mine.size
    assert count > 1000 or name == "sections"


@pytest.mark.parametrize("path", OBJECTS[::9], ids=lambda path: path.name)
def test_the_skeleton_keeps_what_is_loaded_at_its_number(path: Path) -> None:
    data = path.read_bytes()
    before = tables.sections(data)
    lean = tables.skeleton(data, before)
    after = tables.sections(lean)
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        if one.flags & tables.ALLOC:
            assert tables.contents(lean, other) == tables.contents(data, one)
            assert (other.address, other.size, other.flags) == (one.address, one.size, one.flags)
        assert other.kind not in (tables.SYMTAB, tables.RELA)


def linked(*, dynamic: bool = True, more: int = 1) -> bytes:
    """A linked image with relocations in code and in data, and `more` bytes that are not loaded."""
    code = [Reloc(TEXT + 8, R_390_RELATIVE, None, DATA)] if dynamic else []
    data = [Reloc(DATA + n, R_390_RELATIVE, None, TEXT) for n in range(0, 64, 8)] if dynamic else []
    return elf.build(
        [
            Sec(".text", elf.RETURN + bytes(14), relocs=code, address=TEXT, dynamic=dynamic),
            Sec(".data", bytes(64), elf.DATA, data, address=DATA, dynamic=dynamic),
            Sec(".debug_info", bytes(more), elf.NOT_LOADED),
        ],
        [Sym("f", 1, TEXT, elf.FUNC), Sym("variable", 2, DATA + 8, elf.OBJECT)],
        elf.EXECUTABLE,
    )


def test_of_a_linked_image_only_relocations_in_code_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(linked())
    image = load(path)
    offsets = [hole.place.offset for hole in image.holes]
    assert len(offsets) == 1
    assert image.holes[0].target == Target(place=Place(LINKED_SPACE, DATA))
    assert image.holes_in(Place(LINKED_SPACE, offsets[0]), 8) == image.holes


def test_what_is_not_loaded_takes_no_storage(tmp_path: Path) -> None:
    """64 MB of debugging information: mapped, and never copied."""
    path = tmp_path / "image"
    path.write_bytes(linked(dynamic=False, more=64 << 20))
    tracemalloc.start()
    try:
        load(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert verify("prove", path, "--symbol", "f").code == 0


def test_a_symbol_in_a_section_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.o"
    path.write_bytes(elf.build([Sec(".text", elf.RETURN)], [Sym("f", 1, 0, elf.FUNC), Sym("g", 77)]))
    done = verify("prove", path)
    assert done.code == 2
    assert "symbol g is in section 77, which does not exist" in done.out
