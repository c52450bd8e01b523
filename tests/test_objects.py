"""The committed objects are what their sources say, by every assembler there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from tests.assembler import TRAMPOLINES

SOURCES = sorted([*TRAMPOLINES.glob("*.s"), *TRAMPOLINES.glob("broken/*.s")])
TWINS = [path for path in SOURCES if path.parent.name == "broken" and not path.stem.startswith("matrix-")]

# Each object with its source, and the symbols that are defined for it.
OBJECTS: dict[Path, tuple[Path, tuple[str, ...]]] = {path.with_suffix(".o"): (path, ()) for path in SOURCES}
OBJECTS |= {TRAMPOLINES / "repaired" / f"{path.stem}.o": (path, ("REPAIRED=1",)) for path in TWINS}


def named(path: Path) -> str:
    return str(path.relative_to(TRAMPOLINES))


def test_each_object_has_a_source_and_each_source_its_objects() -> None:
    assert set(TRAMPOLINES.rglob("*.o")) == set(OBJECTS)


@pytest.mark.parametrize("path", OBJECTS, ids=named)
def test_every_assembler_makes_the_same_code_of_the_source(path: Path, tmp_path: Path) -> None:
    source, defines = OBJECTS[path]
    committed = assembler.functions(path)
    assert committed
    for tool in assembler.for_source(source):
        built = tool.assemble(source, tmp_path / "built.o", defines)
        assert assembler.functions(built) == committed, f"{named(path)} is not what {tool.name} makes of its source"


@pytest.mark.parametrize("path", OBJECTS, ids=named)
def test_the_recorded_assembler_makes_the_same_file(path: Path, tmp_path: Path) -> None:
    """Only that version, byte for byte; `assembler.available()` holds that there is some assembler to test with."""
    recorded = (TRAMPOLINES / "BUILT-WITH").read_text(encoding="utf-8").strip()
    source, defines = OBJECTS[path]
    for tool in assembler.for_source(source):
        if assembler.version(tool) == recorded:
            assert tool.assemble(source, tmp_path / "built.o", defines).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("source", TWINS, ids=named)
def test_the_comparison_tells_a_fault_from_its_repair(source: Path) -> None:
    repaired = TRAMPOLINES / "repaired" / f"{source.stem}.o"
    assert assembler.functions(source.with_suffix(".o")) != assembler.functions(repaired)


def test_the_comparison_sees_relocations(tmp_path: Path) -> None:
    text = "\t.text\n\t.globl f\n\t.type f, @function\nf:\tlgrl %r1, {}\n\tbr %r14\n\t.size f, . - f\n"
    for tool in assembler.available():
        found = set()
        for operand in ("one", "other", "one+8"):
            source = tmp_path / "source.s"
            source.write_text(text.format(operand), encoding="utf-8")
            found.add(assembler.functions(tool.assemble(source, tmp_path / "built.o")))
        assert len(found) == 3, tool.name


def test_the_comparison_does_not_see_which_symbol_a_place_is_called_by(tmp_path: Path) -> None:
    """A branch inside the section, resolved by the assembler or left to the linker; padding of one kind or another."""
    text = (
        "\t.text\n\t.globl f, g\n\t.type f, @function\nf:\tjg {0}\n\t.size f, . - f\n"
        "\t{1}\n\t.type g, @function\ng:\nlocal:\tbr %r14\n\t.size g, . - g\n\t{2}\n"
    )
    for tool in assembler.available():
        found = set()
        for parts in (("g", "nopr %r7", ""), ("local", "nopr", "nopr %r7"), ("f+8", "nopr", ".balign 16")):
            source = tmp_path / "source.s"
            source.write_text(text.format(*parts), encoding="utf-8")
            found.add(assembler.functions(tool.assemble(source, tmp_path / "built.o")))
        assert len(found) == 1, tool.name


def test_the_sources_are_built_for_the_level_that_the_makefile_names() -> None:
    assert assembler.level() == "z196"
    assert assembler.level(narrow=True) == "z900"
