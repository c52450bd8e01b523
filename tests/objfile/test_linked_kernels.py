"""What real kernel images have and small objects do not: replacements at odd addresses, tables of a C compiler."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests import assembler, elf
from tests.elf import Sec, Sym
from verify import pipeline
from verify.objfile.elf import load
from verify.objfile.image import LINKED_SPACE, Place
from verify.verdict import Verdict

TEXT, ENTRIES, REPLACEMENTS = 0x10000, 0x20000, 0x30001
NOP = bytes.fromhex("47000000")
LPP = bytes.fromhex("b2800398")


def image(size: int, tail: bytes) -> bytes:
    """A linked image with one entry of that size; sections of replacements are packed, so they start anywhere."""
    entry = struct.pack(">ii", TEXT - ENTRIES, REPLACEMENTS - (ENTRIES + 4)) + tail
    assert len(entry) == size
    return elf.build(
        [
            Sec(".text", NOP + elf.RETURN, address=TEXT),
            Sec(".altinstructions", entry, 0x2, address=ENTRIES),
            Sec(".altinstr_replacement", LPP, address=REPLACEMENTS),
        ],
        [Sym("f", 1, TEXT, elf.FUNC)],
        elf.EXECUTABLE,
    )


@pytest.mark.parametrize(
    ("size", "tail"),
    [(11, bytes.fromhex("002804")), (12, bytes.fromhex("00280404")), (13, bytes.fromhex("0000002804"))],
)
def test_a_replacement_at_an_odd_address_is_only_data(size: int, tail: bytes, tmp_path: Path) -> None:
    """Of 5,727 entries in Debian's 6.1.176, half have one."""
    path = tmp_path / "vmlinux"
    path.write_bytes(image(size, tail))
    found = load(path).alternatives
    assert found.problem is None
    (entry,) = found.entries
    assert (entry.place, entry.raw) == (Place(LINKED_SPACE, TEXT), LPP)
    assert "40" in entry.feature


@pytest.mark.parametrize(
    ("callee", "verdicts"),
    [("__stack_chk_fail", {Verdict.UNSUPPORTED}), ("other", {Verdict.UNCONFIRMED, Verdict.PROVED})],
)
def test_behind_a_call_that_does_not_return_is_another_function(
    callee: str, verdicts: set[Verdict], tmp_path: Path
) -> None:
    """GCC ends a function with it: what follows, here a change of r6, is not what happens when it is called."""
    text = f"\t.globl f\nf:\taghi %r15,-160\n\tbrasl %r14,{callee}\ng:\tlghi %r6,0\n\taghi %r15,160\n\tbr %r14\n"
    source = tmp_path / "f.s"
    source.write_text(text + "\t.type f,@function\n", encoding="utf-8")
    built = assembler.available()[0].assemble(source, tmp_path / "f.o")
    options = pipeline.Options(symbol="f", contract="abi/s390x-linux-kernel", select=("callee-saved",), replay=False)
    found = list(pipeline.prove_file(built, options).findings())
    assert {one.verdict for one in found} <= verdicts
    if callee != "other":
        words = "calls __stack_chk_fail, which does not return: nothing is claimed of a path that ends so"
        assert [one.message for one in found] == [words]


# larl %r4,TABLE; sllg %r1,%r2,3; lg %r1,0(%r1,%r4); b 0(%r1,%r4): as GCC compiles a switch.
SWITCH = bytes.fromhex("c04000008000 eb120003000d e31140000004 47f14000")
ALLOC, WRITE = 2, 1


@pytest.mark.parametrize(
    ("section", "flags", "verdict"),
    [
        (".rodata", ALLOC, Verdict.UNSUPPORTED),
        (".rodata", ALLOC | WRITE, Verdict.UNSUPPORTED),  # as in vmlinux, for what becomes read-only later
        (".data", ALLOC | WRITE, Verdict.REFUTED),  # what anybody may have written, and control goes there
    ],
)
def test_a_jump_through_a_table_of_read_only_data_does_not_go_astray(
    section: str, flags: int, verdict: Verdict, tmp_path: Path
) -> None:
    path = tmp_path / "vmlinux"
    table = Sec(section, bytes(64), flags, address=TEXT + 0x10000)
    text = Sec(".text", SWITCH + elf.RETURN, address=TEXT)
    path.write_bytes(elf.build([text, table], [Sym("f", 1, TEXT, elf.FUNC)], elf.EXECUTABLE))
    options = pipeline.Options(symbol="f", contract="abi/s390x-linux-kernel", select=("psw-redirect",))
    (found,) = pipeline.prove_file(path, options).findings()
    assert found.verdict is verdict, found.message
    if verdict is Verdict.UNSUPPORTED:
        where = "control goes where the table at 0x20000 says, at f+0x12: what its entries hold is not followed"
        assert found.message == where
