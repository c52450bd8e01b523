"""Layouts and contracts of 31-bit code against tables written by hand from the kernel's headers and protocols."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.command import ROOT, verify
from tests.thirty_one import CONTRACTS, LAYOUTS
from verify import library
from verify.contracts.layout import load_layout
from verify.contracts.load import load_contract
from verify.contracts.registers import registers
from verify.contracts.schema import Contract
from verify.errors import ContractError

MODELS = library.library("models")

# struct pt_regs: args 0, psw 8 (mask, address), gprs from 16, orig_gpr2 80, then by version.
GPRS = {f"gprs[{number}]": (16 + 4 * number, 4) for number in range(16)}
COMMON = {"args": (0, 4), "psw.mask": (8, 4), "psw.addr": (12, 4), "orig_gpr2": (80, 4), **GPRS}
PT_REGS = {
    "linux-3.0-31": (88, {"ilc": (84, 2), "svcnr": (86, 2)}),
    "linux-3.12-31": (96, {"int_code": (84, 4), "int_parm": (88, 4), "int_parm_long": (92, 4)}),
}
# Save area of 96 bytes. Kernel: r6 52 .. r14 84, back chain 92. User: back chain 0, rN at 4 * N.
FRAMES = {
    "s390-linux-kernel": {"back_chain": 92, "return_address": 84, "save_area": (0, 92), "parent": 4},
    "s390-elf": {"back_chain": 0, "return_address": 56, "save_area": (4, 96)},
}
WITHOUT_MODE = "old.r14 & 0x7fffffff"
PARENT = "old.mem[old.r15 + stack_frame.parent]"
ARGUMENTS = {
    "linux-2.6.34-31/ftrace_caller": {2: WITHOUT_MODE, 3: f"{PARENT} & 0x7fffffff"},
    "linux-mcount-31/ftrace_caller": {
        2: f"({WITHOUT_MODE}) - const.MCOUNT_INSN_SIZE", 3: f"{PARENT} & 0x7fffffff",
    },
}  # fmt: skip
ARGUMENTS["linux-3.17-31/ftrace_caller"] = ARGUMENTS["linux-mcount-31/ftrace_caller"]
ARGUMENTS["linux-mcount-31/ftrace_regs_caller"] = {
    **ARGUMENTS["linux-mcount-31/ftrace_caller"], 4: "variable.function_trace_op", 5: "pointer(regs)",
}  # fmt: skip
EXITS = {
    **dict.fromkeys(ARGUMENTS, WITHOUT_MODE),
    "linux-mcount-31/ftrace_regs_caller": "regs.psw.addr & 0x7fffffff",
    "linux-2.6.31-31/return_to_handler": "handler.result & 0x7fffffff",
    "linux-2.6.29-31/ftrace_stub": WITHOUT_MODE,
}


def contract(name: str) -> Contract:
    return load_contract(MODELS, name, None, name.split("/")[1])


@pytest.mark.parametrize("version", PT_REGS)
def test_pt_regs_is_that_of_the_version(version: str) -> None:
    size, own = PT_REGS[version]
    layout = load_layout(MODELS, version)
    struct = layout.structs["pt_regs"]
    assert (layout.word, struct.size) == (4, size)
    found = {name: struct.field(name) for name in {**COMMON, **own}}
    assert {name: (field.at, field.size) for name, field in found.items()} == {**COMMON, **own}
    assert set(struct.fields) == {*(set(COMMON) - set(GPRS)), "gprs", *own}
    assert layout.structs["stack_frame"] == load_layout(MODELS, "s390-linux-kernel").structs["stack_frame"]


@pytest.mark.parametrize("name", FRAMES)
def test_the_stack_frame_is_that_of_the_abi(name: str) -> None:
    frame = load_layout(MODELS, name).structs["stack_frame"]
    assert frame.size == 96
    where = {field: (one.at, one.size) for field, one in frame.fields.items()} | dict(frame.ranges)
    assert where == {field: at if isinstance(at, tuple) else (at, 4) for field, at in FRAMES[name].items()}


def test_every_layout_is_in_a_table_and_has_words_of_four_bytes() -> None:
    assert set(LAYOUTS) == {*PT_REGS, *FRAMES}
    assert {load_layout(MODELS, name).word for name in LAYOUTS} == {4}
    assert load_layout(MODELS, "linux-3.12-31").constants == {"MCOUNT_INSN_SIZE": 22}


def test_a_word_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layouts").mkdir()
    (tmp_path / "layouts/made.toml").write_text("word = 2\n[s]\nsize = 8\n", encoding="utf-8")
    with pytest.raises(ContractError, match="a word has 4 or 8 bytes, not 2"):
        load_layout(tmp_path, "made")


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_contract_is_for_31_bit_code_on_a_stack_below_2_gib(name: str) -> None:
    found = contract(name)
    assert found.bits == 31
    assert [one.text for one in found.assume] == ["old.r15 % 8 == 0", "old.r15 < 0x80000000"]
    assert set(found.variables.values()) <= {4}
    assert found.keeps == ("stack_frame.back_chain",)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_handler_gets_addresses_without_the_mode(name: str) -> None:
    (handler,) = (call for call in contract(name).calls if call.name == "handler")
    assert {number: one.text for number, one in handler.arguments.items()} == ARGUMENTS[name]


@pytest.mark.parametrize("name", EXITS)
def test_where_control_goes_at_exit(name: str) -> None:
    (claim,) = contract(name).claims["psw-redirect"]
    assert claim.that.text == f"pc == {EXITS[name]}"


def test_what_the_struct_must_hold() -> None:
    handed = contract("linux-mcount-31/ftrace_regs_caller").handed
    assert handed is not None
    wanted = {"psw.mask": "old.psw.mask", "psw.addr": "old.r14", "gprs[14]": PARENT, "gprs[15]": "old.r15"}
    wanted |= {f"gprs[{number}]": f"old.r{number}" for number in range(2, 14)}
    assert {field: value.text for field, value in handed.complete} == wanted


def test_user_code_keeps_what_the_abi_says() -> None:
    """f4 and f6 alone of the floating-point registers; a0 is the thread pointer."""
    found = contract("abi/s390-elf")
    assert set(registers(found.preserves)) == {*[("r", n) for n in range(6, 14)], ("f", 4), ("f", 6)}
    clobbered = set(registers(found.clobbers))
    assert {n for kind, n in clobbered if kind == "r"} == {*range(6), 14}
    assert {n for kind, n in clobbered if kind == "v"} == set(range(32)) - {4, 6}
    assert {n for kind, n in clobbered if kind == "a"} == set(range(1, 16))


def numbers(tree: ast.AST) -> set[int]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_offset_is_a_number_in_a_contract(name: str) -> None:
    """Numbers are the mask that takes the mode off an address, register numbers, the alignment and the bound of r15."""
    found = contract(name)
    texts = [claim.that for claims in found.claims.values() for claim in claims]
    texts += [one for call in found.calls for one in call.arguments.values()]
    for expr in texts:
        assert numbers(expr.tree) <= {0x7FFFFFFF, *range(2, 16)}, expr.text


# The addressing modes do not mix --------------------------------------------------------------------------------------

NARROW, WIDE = ROOT / "trampolines/mcount-31-ftrace_caller.o", ROOT / "trampolines/mcount-ftrace_caller.o"


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        (
            NARROW,
            ("--contract", "linux-mcount/ftrace_caller"),
            "is 31-bit code, and contract linux-mcount/ftrace_caller",
        ),
        (WIDE, ("--contract", "linux-mcount-31/ftrace_caller"), "is 64-bit code, and contract linux-mcount-31/ftrace_"),
        (WIDE, ("--layout", "linux-3.12-31"), "with layout linux-3.12-31 is for 31-bit code"),
        (NARROW, ("--layout", "linux-3.12"), "with layout linux-3.12 is for 64-bit code"),
    ],
)
def test_a_contract_for_the_other_mode_is_one_sentence(path: Path, options: tuple[str, ...], words: str) -> None:
    done = verify("prove", *options, path)
    assert (done.code, done.err) == (2, "")
    (line,) = (line for line in done.out.splitlines() if "error: " in line)
    assert line.startswith(f"error: {path}: ")
    assert words in line


def test_a_routine_without_a_claim_gets_the_31_bit_abi(tmp_path: Path) -> None:
    path = tmp_path / "unclaimed.o"
    path.write_bytes(NARROW.read_bytes())
    assert "ftrace_caller under abi/s390-elf (no claim; user code" in verify("prove", path).out
    assert (
        "ftrace_caller under linux-mcount-31/ftrace_caller (Linux 3.12" in verify("prove", "--kernel", "3.12", path).out
    )


def test_the_report_names_what_is_assumed_of_the_mode() -> None:
    out = verify("prove", NARROW).out
    assert "the machine is and stays in the 31-bit addressing mode, and every symbol lies below 2 GiB" in out
    assert "the lowcore (0 to 4095) does not lie on the stack" in out
    assert "old.r15 < 0x80000000" in out


def test_a_routine_that_forgets_the_mode_bit_is_refuted_on_the_machine() -> None:
    done = verify("prove", ROOT / "trampolines/broken/mcount-31-mode-bit.o")
    assert done.code == 1
    assert "r2 at the call of handler is wrong" in done.out
    assert "replayed on unicorn" in done.out
    assert "unconfirmed" not in done.out


def test_the_harness_says_that_no_user_mode_emulator_takes_31_bit_code() -> None:
    done = verify("replay", ROOT / "trampolines/broken/mcount-31-mode-bit.o")
    assert done.code == 3
    assert "not replayed: 31-bit code: no emulator of user programs takes it" in done.out
