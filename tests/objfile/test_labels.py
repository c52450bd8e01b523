"""Branches that the kernel turns on and off at run time: a routine with one is not judged by how it was assembled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import assembler
from verify import pipeline
from verify.objfile.elf import load
from verify.verdict import Verdict

LINKER = "s390x-linux-gnu-ld"
CODE = """	.text
	.globl f, plain
	.type f,@function
	.type plain,@function
f:
1:	brcl 0,2f
	br %r14
2:	lghi %r6,0
	br %r14
plain:
	brcl 0,plain
	br %r14
"""
TABLES = {"distances": ".long 1b-.,2b-.\n .quad key-.", "addresses": ".quad 1b,2b,key"}


def built(directory: Path, table: str) -> Path:
    source = directory / "f.s"
    data = f'\t.section __jump_table,"aw",@progbits\n {table}\n' if table else ""
    source.write_text(f"{CODE}{data}\t.data\n\t.globl key\nkey:\t.quad 0\n", encoding="utf-8")
    return assembler.available()[0].assemble(source, directory / "f.o")


def linked(file: Path) -> Path:
    if shutil.which(LINKER) is None:
        pytest.skip(f"no {LINKER}")
    made = file.with_suffix(".elf")
    subprocess.run([LINKER, "-e", "f", str(file), "-o", str(made)], check=True)
    return made


def found(file: Path, symbol: str) -> dict[Verdict, str]:
    report = pipeline.prove_file(file, pipeline.Options(symbol=symbol, contract="abi/s390x-elf"))
    return {one.verdict: one.message for one in report.findings()}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("whole", [False, True], ids=["object", "linked"])
def test_a_branch_that_is_turned_on_is_not_one_that_never_is(table: str, whole: bool, tmp_path: Path) -> None:
    file = built(tmp_path, TABLES[table])
    file = linked(file) if whole else file
    assert len(load(file).jump_labels) == 1
    assert "turned on and off at run time (__jump_table)" in found(file, "f")[Verdict.UNSUPPORTED]
    assert set(found(file, "plain")) == {Verdict.PROVED}


def test_the_table_of_a_linked_kernel_stands_between_two_symbols(tmp_path: Path) -> None:
    table = f".data\n.globl __start___jump_table, __stop___jump_table\n.quad 0\n__start___jump_table:\n " \
            f"{TABLES['distances']}\n__stop___jump_table:\n.quad 0"  # fmt: skip
    source = built(tmp_path, table).with_suffix(".s")
    source.write_text(source.read_text(encoding="utf-8").replace('\t.section __jump_table,"aw",@progbits\n', ""))
    file = linked(assembler.available()[0].assemble(source, tmp_path / "f.o"))
    assert Verdict.UNSUPPORTED in found(file, "f")
    assert set(found(file, "plain")) == {Verdict.PROVED}


def test_without_a_table_it_is_as_assembled(tmp_path: Path) -> None:
    assert set(found(built(tmp_path, ""), "f")) == {Verdict.PROVED}


@pytest.mark.parametrize("whole", [False, True], ids=["object", "linked"])
def test_a_table_that_makes_no_sense_hides_nothing(whole: bool, tmp_path: Path) -> None:
    file = built(tmp_path, ".long 5,5,5")
    file = linked(file) if whole else file
    assert "__jump_table" in found(file, "plain")[Verdict.UNSUPPORTED]


def test_where_the_entries_are_not_told_apart_the_targets_count_too(tmp_path: Path) -> None:
    assert len(load(built(tmp_path, ".quad 1b,2b")).jump_labels) == 2
