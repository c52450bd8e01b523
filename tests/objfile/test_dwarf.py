"""Structs from debugging information: as clang writes it (two versions), as GCC does, and what cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import elf
from tests.assembler import available
from tests.command import ROOT, verify
from tests.elf import Sec, Sym
from verify import library
from verify.contracts.layout import Field
from verify.contracts.load import load_contract
from verify.errors import ContractError, InputError, NotElf, WrongMachine
from verify.objfile.dwarf import Debug, Member, Shape
from verify.structs import chosen

OBJECT = ROOT / "trampolines/ftrace-6.12.o"
# The structs of 6.1 in the shape of asm/ptrace.h: a second view of the same bytes in a union, an unnamed type behind a
# typedef, qualifiers, a bit field, a flexible array, an array of structs.
SOURCE = """
typedef unsigned long ul;
typedef struct { ul mask; ul addr; } __attribute__((aligned(8))) psw_t;
struct user_pt_regs { ul args[1]; psw_t psw; ul gprs[16]; };
struct pt_regs {
  union { struct user_pt_regs user_regs; struct { ul args[1]; psw_t psw; ul gprs[16]; }; };
  ul orig_gpr2;
  union { struct { unsigned int_code; unsigned int_parm; ul int_parm_long; }; struct { ul a; ul b; } tpi_info; };
  ul flags; ul cr1; const volatile ul last_break; EXTRA
};
struct stack_frame { union { ul empty[9]; struct { ul sie; }; }; ul gprs[10]; ul back_chain; };
struct odd { unsigned bit : 3; psw_t pairs[2]; short grid[2][3]; struct odd *next; void (*call)(void); char tail[]; };
struct ftrace_regs { };
struct __arch_ftrace_regs { struct pt_regs regs; };
struct declared;
struct pt_regs *a; struct stack_frame b; struct odd c; struct __arch_ftrace_regs d; struct declared *e;
struct ftrace_regs f;
struct pt_regs g;
"""
PT_REGS = {
    "args": Member(0, 8, 1), "psw.mask": Member(8, 8, 1), "psw.addr": Member(16, 8, 1), "gprs": Member(24, 8, 16),
    "orig_gpr2": Member(152, 8, 1), "int_code": Member(160, 4, 1), "int_parm": Member(164, 4, 1),
    "int_parm_long": Member(168, 8, 1), "flags": Member(176, 8, 1), "cr1": Member(184, 8, 1),
    "last_break": Member(192, 8, 1),
}  # fmt: skip


def compiled(tmp_path: Path, dwarf: int, extra: str = "", name: str = "made") -> Path:
    """An object of SOURCE with debugging information of that version."""
    source, path = tmp_path / f"{name}.c", tmp_path / f"{name}.o"
    source.write_text(SOURCE.replace("EXTRA", extra), encoding="utf-8")
    command = [sys.executable, "-m", "ziglang", "clang", "-target", "s390x-linux-gnu", f"-gdwarf-{dwarf}", "-c"]
    subprocess.run([*command, str(source), "-o", str(path)], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("dwarf", [4, 5])
def test_structs_of_a_compilation(dwarf: int, tmp_path: Path) -> None:
    """Version 4 names things by offsets of strings, 5 by numbers of a table of such offsets."""
    debug = Debug(compiled(tmp_path, dwarf), needed="pt_regs")
    assert debug.shape("pt_regs") == Shape(200, PT_REGS)
    assert debug.shape("__arch_ftrace_regs") == Shape(200, {f"regs.{name}": at for name, at in PT_REGS.items()})
    frame = debug.shape("stack_frame")
    assert frame is not None
    assert (frame.size, frame.members["gprs"], frame.members["back_chain"]) == (
        160, Member(72, 8, 10), Member(152, 8, 1)
    )  # fmt: skip
    odd = debug.shape("odd")
    assert odd is not None
    assert odd.members == {"grid": Member(40, 2, 6), "next": Member(56, 8, 1), "call": Member(64, 8, 1)}
    assert [debug.shape(name) for name in ("declared", "regs", "user_pt", "nothing")] == [None] * 4


# The entries of GCC: names by offset, the shorter in the end of a longer one, and where each entry with children ends.
# The structure's abbreviation has a number of two bytes, whose second byte is the number of another one.
GCC = """
        .section .debug_abbrev,"",@progbits
        .uleb128 2; .uleb128 0x11; .byte 1; .uleb128 0x13; .uleb128 0x0b; .byte 0, 0
        .uleb128 129; .uleb128 0x13; .byte 1
        .uleb128 0x03; .uleb128 0x0e; .uleb128 0x0b; .uleb128 0x0b; .uleb128 0x01; .uleb128 0x13; .byte 0, 0
        .uleb128 1; .uleb128 0x13; .byte 0; .uleb128 0x03; .uleb128 0x0e; .uleb128 0x0b; .uleb128 0x0b; .byte 0, 0
        .uleb128 3; .uleb128 0x0d; .byte 0
        .uleb128 0x03; .uleb128 0x0e; .uleb128 0x49; .uleb128 0x13; .uleb128 0x38; .uleb128 0x0b; .byte 0, 0
        .uleb128 4; .uleb128 0x24; .byte 0; .uleb128 0x0b; .uleb128 0x0b; .byte 0, 0
        .byte 0
        .section .debug_str,"MS",@progbits,1
host:   .asciz "user_pt_regs"
field:  .asciz "psw"
        .section .debug_info,"",@progbits
start:  .4byte end - first
first:  .2byte 4
        .4byte .debug_abbrev
        .byte 8
        .uleb128 2; .byte 12
ulong:  .uleb128 4; .byte 8
one:    .uleb128 129; .4byte host + 5; .byte SIZE; .4byte behind - start
        .uleb128 3; .4byte field; .4byte ulong - start; .byte 16
        .byte 0
behind: .byte 0
end:
"""


def assembled(tmp_path: Path, text: str, name: str = "gcc") -> Path:
    source = tmp_path / f"{name}.s"
    source.write_text(text, encoding="utf-8")
    return available()[0].assemble(source, tmp_path / f"{name}.o")


def test_entries_as_gcc_writes_them(tmp_path: Path) -> None:
    path = assembled(tmp_path, GCC.replace("SIZE", "200"))
    assert Debug(path, needed="pt_regs").shape("pt_regs") == Shape(200, {"psw": Member(16, 8, 1)})


def test_an_entry_that_does_not_end_where_it_says_is_none(tmp_path: Path) -> None:
    path = assembled(tmp_path, GCC.replace("SIZE", "200").replace("behind - start", "behind - start + 1"))
    with pytest.raises(InputError, match="no struct pt_regs"):
        Debug(path, needed="pt_regs")


def test_two_definitions_must_agree(tmp_path: Path) -> None:
    unit = GCC[GCC.index("        .section .debug_info") :]
    again = unit
    for label in ("start", "first", "ulong", "one", "behind", "end"):
        again = again.replace(f"{label}:", f"{label}2:").replace(f"{label} ", f"{label}2 ").replace(
            f" - {label}", f" - {label}2"
        )  # fmt: skip
    same = assembled(tmp_path, (GCC + again).replace("SIZE", "200"))
    assert Debug(same, needed="pt_regs").shape("pt_regs") == Shape(200, {"psw": Member(16, 8, 1)})
    other = assembled(tmp_path, GCC.replace("SIZE", "200") + again.replace("SIZE", "184"), "other")
    with pytest.raises(InputError, match="more than one struct pt_regs"):
        Debug(other, needed="pt_regs")


def refused(path: Path) -> str:
    """What the command line says of a file, with exit code 2."""
    done = verify("prove", OBJECT, "--dwarf", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"verify: {path}: ")
    assert done.err.count("\n") == 1
    return done.err


def test_what_is_no_image_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    text, empty, other = tmp_path / "text", tmp_path / "empty", tmp_path / "other"
    text.write_text("#define __PT_SIZE 200\n", encoding="utf-8")
    empty.write_bytes(b"")
    other.write_bytes(elf.build([Sec(".text", elf.RETURN)], [Sym("f", 1)], machine=62))
    short = tmp_path / "short"
    short.write_bytes(OBJECT.read_bytes()[:70])
    for path, words in (
        (text, "is not an ELF file"), (empty, "is empty"), (other, "is not for s390"), (short, "cannot be read"),
        (tmp_path / "no", "no such file"), (tmp_path, "is a directory"),
    ):  # fmt: skip
        assert words in refused(path)


def test_a_stripped_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(elf.build([Sec(".text", elf.RETURN)], [Sym("f", 1, 0, elf.FUNC)]))
    assert "has no debugging information (no section .debug_info)" in refused(path)


def test_debugging_information_without_the_structs_is_named(tmp_path: Path) -> None:
    path = assembled(tmp_path, GCC.replace("SIZE", "200").replace("user_pt_regs", "user_at_regs"))
    assert "but there is no struct pt_regs in it" in refused(path)


def test_damaged_debugging_information_is_named(tmp_path: Path) -> None:
    """Every cut and a change of every byte: a sentence, or the same struct."""
    whole = compiled(tmp_path, 4).read_bytes()
    path = tmp_path / "damaged.o"
    refusals = 0
    for at in range(52, len(whole), 97):
        for content in (whole[:at], whole[:at] + b"\xff" + whole[at + 1 :]):
            path.write_bytes(content)
            try:
                shape = Debug(path, needed="pt_regs").shape("pt_regs")
            except InputError:
                refusals += 1
            else:
                assert shape is not None
    assert refusals > 20


def test_the_layout_of_a_contract_from_debugging_information(tmp_path: Path) -> None:
    models, path = library.library("models"), compiled(tmp_path, 5)
    contract = load_contract(models, "linux-6.12/ftrace_caller", chosen(None, None, path))
    assert contract.layout.structs["pt_regs"].fields["gprs"] == Field(24, 8, 16)
    assert contract.layout.structs["ftrace_regs"].field("regs.gprs[2]") == Field(40)  # not the empty one
    assert contract.offset("stack_frame.return_address") == (136, 144)
    assert contract.offset("stack_frame.save_area") == (0, 152)
    with pytest.raises(ContractError, match=rf"{path.name} has no struct 'fgraph_ret_regs'"):
        load_contract(models, "linux-6.5/return_to_handler", chosen(None, None, path))


def test_a_kernel_with_another_pt_regs_refutes(tmp_path: Path) -> None:
    same = verify("prove", OBJECT, "--symbol", "ftrace_caller", "--dwarf", compiled(tmp_path, 4))
    assert same.code == 0
    grown = verify(
        "prove", OBJECT, "--symbol", "ftrace_caller", "--dwarf", compiled(tmp_path, 4, "ul more[4];", "grown")
    )
    assert grown.code == 1


def test_the_errors_are_of_their_kinds(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x7fELF" + bytes(60))
    with pytest.raises(WrongMachine):
        Debug(path, needed="pt_regs")
    path.write_bytes(b"text")
    with pytest.raises(NotElf):
        Debug(path, needed="pt_regs")
