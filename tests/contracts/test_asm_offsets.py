"""Layouts from a kernel's asm-offsets.h: what generated headers of several eras say, and what is no such header."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import ROOT, verify
from verify import library
from verify.contracts import asm_offsets
from verify.contracts.layout import Field, Struct
from verify.contracts.load import load_contract
from verify.contracts.measured import Measured
from verify.errors import ContractError, InputError, UsageError
from verify.structs import chosen

MODELS = library.library("models")
OBJECT = ROOT / "trampolines/ftrace-6.12.o"
# Name, value and meaning, as the build writes them; the field of each by hand from asm-offsets.c of the version.
PT_REGS = {
    "__PT_PSW": (8, "offsetof(struct pt_regs, psw)"),
    "__PT_GPRS": (24, "offsetof(struct pt_regs, gprs)"),
    "__PT_R0": (24, "offsetof(struct pt_regs, gprs[0])"),
    "__PT_R1": (32, "offsetof(struct pt_regs, gprs[1])"),
    "__PT_R15": (144, "offsetof(struct pt_regs, gprs[15])"),
    "__PT_ORIG_GPR2": (152, "offsetof(struct pt_regs, orig_gpr2)"),
    "__PT_INT_CODE": (160, "offsetof(struct pt_regs, int_code)"),
    "__PT_INT_PARM_LONG": (168, "offsetof(struct pt_regs, int_parm_long)"),
    "__PT_FLAGS": (176, "offsetof(struct pt_regs, flags)"),
    "__PT_SIZE": (200, "sizeof(struct pt_regs)"),
    "__SF_BACKCHAIN": (152, "offsetof(struct stack_frame, back_chain)"),
    "__SF_GPRS": (72, "offsetof(struct stack_frame, gprs)"),
    "__SF_EMPTY": (0, "offsetof(struct stack_frame, empty1[0])"),
    "STACK_FRAME_OVERHEAD": (160, "sizeof(struct stack_frame)"),
}
LATER = {
    "__FTRACE_REGS_PT_REGS": (0, "offsetof(struct __arch_ftrace_regs, regs)"),
    "__FTRACE_REGS_SIZE": (200, "sizeof(struct __arch_ftrace_regs)"),
    "__FGRAPH_RET_GPR2": (0, "offsetof(struct fgraph_ret_regs, gpr2)"),
    "__FGRAPH_RET_FP": (8, "offsetof(struct fgraph_ret_regs, fp)"),
    "__FGRAPH_RET_SIZE": (16, "sizeof(struct fgraph_ret_regs)"),
    "__LC_CURRENT": (832, "offsetof(struct lowcore, current_task)"),
    "__LC_RETURN_PSW": (656, "offsetof(struct lowcore, return_psw)"),
    "__TASK_thread": (3344, "offsetof(struct task_struct, thread)"),
    "__THREAD_ksp": (64, "offsetof(struct thread_struct, ksp)"),
    "__VDSO_SOMETHING": (12, "offsetof(struct vdso_data, something)"),
}
# 3.0, 31 bit: registers of 4 bytes, ilc and svcnr, a lowcore with an underscore.
THIRTY_ONE = {
    "__PT_PSW": (8, "offsetof(struct pt_regs, psw)"),
    "__PT_GPRS": (16, "offsetof(struct pt_regs, gprs)"),
    "__PT_ORIG_GPR2": (80, "offsetof(struct pt_regs, orig_gpr2)"),
    "__PT_ILC": (84, "offsetof(struct pt_regs, ilc)"),
    "__PT_SVCNR": (86, "offsetof(struct pt_regs, svcnr)"),
    "__PT_SIZE": (88, "sizeof(struct pt_regs)"),
    "__SF_BACKCHAIN": (92, "offsetof(struct stack_frame, back_chain)"),
    "__SF_GPRS": (52, "offsetof(struct stack_frame, gprs)"),
    "__LC_FTRACE_FUNC": (0x2F4, "offsetof(struct _lowcore, ftrace_func)"),
}
GUARD = (
    "#ifndef __ASM_OFFSETS_H__\n#define __ASM_OFFSETS_H__\n/*\n * DO NOT MODIFY.\n *\n * Generated\n */\n\n",
    "\n#endif\n",
)


def text(defines: dict[str, tuple[int, str]], *, comments: bool = True, tail: str = "") -> str:
    lines = [f"#define {n} {v} /* {c}{tail} */" if comments else f"#define {n} {v}" for n, (v, c) in defines.items()]
    return GUARD[0] + "\n".join(lines) + GUARD[1]


def header(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "asm-offsets.h"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def structs(tmp_path: Path, content: str) -> dict[str, Struct]:
    return asm_offsets.read(header(tmp_path, content))


@pytest.mark.parametrize("comments", [True, False])
def test_a_header_says_where_fields_are(comments: bool, tmp_path: Path) -> None:
    """With the comments, and by the names alone."""
    found = structs(tmp_path, text(PT_REGS | LATER, comments=comments))
    regs = found["pt_regs"]
    assert regs.size == 200
    assert regs.fields == {
        "psw.mask": Field(8), "psw.addr": Field(16), "gprs": Field(24, 8, 16), "orig_gpr2": Field(152),
        "int_code": Field(160, 4), "int_parm_long": Field(168), "flags": Field(176),
    }  # fmt: skip
    assert found["fgraph_ret_regs"] == Struct("fgraph_ret_regs", 16, {"gpr2": Field(0), "fp": Field(8)}, {})
    assert found["ftrace_regs"].fields["regs.gprs"] == Field(24, 8, 16)
    assert found["ftrace_regs"].size == 200
    assert found["lowcore"].fields["current_task"] == Field(832)
    assert found["lowcore"].fields["return_psw.addr"] == Field(664)
    assert found["task_struct"].fields["thread.ksp"] == Field(3344 + 64)
    assert found["stack_frame"].fields == {"gprs": Field(72, 8, 10), "back_chain": Field(152)}
    assert "vdso_data" not in found


@pytest.mark.parametrize("comments", [True, False])
def test_a_31_bit_header(comments: bool, tmp_path: Path) -> None:
    found = structs(tmp_path, text(THIRTY_ONE, comments=comments, tail="\t# "))
    assert found["pt_regs"].fields == {
        "psw.mask": Field(8, 4), "psw.addr": Field(12, 4), "gprs": Field(16, 4, 16), "orig_gpr2": Field(80, 4),
        "ilc": Field(84, 2), "svcnr": Field(86, 2),
    }  # fmt: skip
    assert found["lowcore"].fields["ftrace_func"] == Field(0x2F4, 4)


def test_a_comment_beats_the_table(tmp_path: Path) -> None:
    moved = PT_REGS | {"__PT_FLAGS": (184, "offsetof(struct pt_regs, cr1)")}
    fields = structs(tmp_path, text(moved))["pt_regs"].fields
    assert (fields["cr1"], "flags" in fields) == (Field(184), False)


def without(*names: str, **more: tuple[int, str]) -> str:
    return text({name: value for name, value in (PT_REGS | more).items() if name not in names})


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "blank": (" \n\n", "is empty"),
    "an image": (b"\x7fELF\xff", "--dwarf"),
    "another architecture": ("#define pt_regs_ax 80 /* offsetof(struct pt_regs, ax) */\n", "no __PT_SIZE"),
    "no size": (without("__PT_SIZE"), "no __PT_SIZE"),
    "only a size": ("#define __PT_SIZE 200\n", "no __PT_SIZE"),
    "not a number": ("#define __PT_SIZE sizeof(regs)\n", "line 1: __PT_SIZE is sizeof(regs), which is not a number"),
    "C": ("#include <linux/kbuild.h>\n", "line 1: includes another file"),
    "a function": ("\nint main(void)\n{\n}\n", "line 2: is C"),
    "two values": (text(PT_REGS) + "#define __PT_SIZE 184\n", "__PT_SIZE is 184, but 200 on line"),
    "two places": (without(OTHER=(160, "offsetof(struct pt_regs, orig_gpr2)")), "at a second place"),
    "no registers": (without("__PT_R0", "__PT_R1", "__PT_R15", "__PT_GPRS"), "neither __PT_GPRS"),
    "registers far apart": (without("__PT_R0", "__PT_R1", "__PT_R15", __PT_ORIG_GPR2=(280, "")), "16 bytes apart"),
    "a register elsewhere": (without(__PT_R15=(160, "offsetof(struct pt_regs, gprs[15])")), "puts gprs[15] of struct"),
    "beyond the end": (without(__PT_SIZE=(160, "sizeof(struct pt_regs)")), "outside its 160 bytes"),
    "negative": (without(__PT_FLAGS=(-8, "offsetof(struct pt_regs, flags)")), "outside its 200 bytes"),
    "ftrace_regs without size": (without(__FTRACE_REGS_PT_REGS=LATER["__FTRACE_REGS_PT_REGS"]), "but not its size"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_header_is_one_sentence_and_exit_code_2(name: str, tmp_path: Path) -> None:
    content, words = BAD[name]
    path = header(tmp_path, content)
    done = verify("prove", OBJECT, "--asm-offsets", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"verify: {path}: ")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_a_header_that_is_not_there(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.h", "no such file"), (tmp_path, "directory")):
        done = verify("prove", OBJECT, "--asm-offsets", path)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


def measured(tmp_path: Path, content: str) -> Measured:
    path = header(tmp_path, content)
    return Measured(path, asm_offsets.read(path).get)


def test_the_contract_keeps_what_the_abi_fixes_and_the_protocols_constants(tmp_path: Path) -> None:
    own = load_contract(MODELS, "linux-6.12/ftrace_caller")
    contract = load_contract(MODELS, "linux-6.12/ftrace_caller", measured(tmp_path, text(PT_REGS)))
    assert contract.layout.name == str(tmp_path / "asm-offsets.h")
    assert contract.layout.constants == own.layout.constants
    assert contract.layout.structs["stack_frame"] == own.layout.structs["stack_frame"]
    assert contract.layout.structs["pt_regs"].field("gprs[14]") == own.layout.structs["pt_regs"].field("gprs[14]")


def test_a_field_that_moved_is_where_the_header_says(tmp_path: Path) -> None:
    moved = PT_REGS | {"__PT_FLAGS": (192, "offsetof(struct pt_regs, flags)")}
    contract = load_contract(MODELS, "linux-6.12/ftrace_caller", measured(tmp_path, text(moved)))
    assert contract.offset("pt_regs.flags") == (192, 200)
    done = verify("prove", OBJECT, "--symbol", "ftrace_caller", "--asm-offsets", header(tmp_path, text(moved)))
    assert done.code == 1
    assert "refuted      regs-complete" in done.out


def test_a_header_with_the_kernels_offsets_proves_the_same(tmp_path: Path) -> None:
    plain = verify("prove", OBJECT, "--symbol", "ftrace_caller")
    done = verify("prove", OBJECT, "--symbol", "ftrace_caller", "--asm-offsets", header(tmp_path, text(PT_REGS)))
    told = f"; structs of {tmp_path / 'asm-offsets.h'}"
    assert (plain.code, done.code) == (0, 0)
    assert told in done.out
    assert done.out.replace(told, "") == plain.out


def test_a_stack_frame_with_the_back_chain_first(tmp_path: Path) -> None:
    """A kernel without -mpacked-stack."""
    first = PT_REGS | {
        "__SF_BACKCHAIN": (0, "offsetof(struct stack_frame, back_chain)"),
        "__SF_GPRS": (48, "offsetof(struct stack_frame, gprs)"),
    }
    contract = load_contract(MODELS, "linux-6.12/ftrace_caller", measured(tmp_path, text(first)))
    assert contract.offset("stack_frame.back_chain") == (0, 8)
    assert contract.offset("stack_frame.save_area") == (8, 160)
    assert contract.offset("stack_frame.return_address") == (112, 120)


def test_a_back_chain_in_the_middle_is_refused(tmp_path: Path) -> None:
    middle = PT_REGS | {"__SF_BACKCHAIN": (64, "offsetof(struct stack_frame, back_chain)")}
    with pytest.raises(InputError, match="neither first nor last"):
        load_contract(MODELS, "linux-6.12/ftrace_caller", measured(tmp_path, text(middle)))


def test_a_field_that_the_kernel_lacks_is_named_with_the_contracts_line_and_the_header(tmp_path: Path) -> None:
    kernel = measured(tmp_path, without("__PT_FLAGS"))
    with pytest.raises(ContractError) as caught:
        load_contract(MODELS, "linux-6.12/ftrace_caller", kernel)
    assert "asm-offsets.h has no field 'flags'" in str(caught.value)
    assert caught.value.line is not None
    assert caught.value.path.endswith(".toml")


def test_a_struct_that_the_kernel_lacks_is_not_taken_from_another_kernel(tmp_path: Path) -> None:
    """linux-6.12 has fgraph_ret_regs; a header without it is of a kernel that has none."""
    with pytest.raises(ContractError, match=r"asm-offsets\.h has no struct 'fgraph_ret_regs'"):
        load_contract(MODELS, "linux-6.5/return_to_handler", measured(tmp_path, text(PT_REGS)))
    found = load_contract(MODELS, "linux-6.5/return_to_handler", measured(tmp_path, text(PT_REGS | LATER)))
    assert found.offset("fgraph_ret_regs.fp") == (8, 16)


def test_a_31_bit_kernel_is_none_for_a_64_bit_contract(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="31-bit kernel"):
        load_contract(MODELS, "linux-6.12/ftrace_caller", measured(tmp_path, text(THIRTY_ONE)))


@pytest.mark.parametrize(
    "given", [("--layout", "--asm-offsets"), ("--layout", "--dwarf"), ("--asm-offsets", "--dwarf")]
)
def test_one_layout_at_a_time(given: tuple[str, str], tmp_path: Path) -> None:
    path = header(tmp_path, text(PT_REGS))
    done = verify("prove", OBJECT, given[0], "linux-6.12" if given[0] == "--layout" else path, given[1], path)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"verify: {given[0]} and {given[1]} each give the struct layout: choose one of them\n"


def test_nothing_asked_for_is_the_contracts_own() -> None:
    assert chosen(None, None, None) is None
    assert chosen("linux-3.18", None, None) == "linux-3.18"
    with pytest.raises(UsageError):
        chosen("linux-3.18", Path("x"), Path("y"))
