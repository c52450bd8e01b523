"""Layouts and field lists against tables written by hand from the kernel's headers and protocols.

Nothing here is taken from models/ or from the assembly that the contracts judge: the offsets are those of
arch/s390/include/asm/ptrace.h, ftrace.h and stacktrace.h of each version, the field lists those of the consumers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path

import pytest

from tests import bpf, families, thirty_one
from verify import library
from verify.contracts.expr import Expr
from verify.contracts.layout import Field, load_layout
from verify.contracts.load import contract_names, layout_names, load_contract
from verify.contracts.registers import registers
from verify.contracts.schema import Contract
from verify.errors import ContractError

MODELS = library.library("models")

# struct pt_regs, 64 bit: offset and size of each field, by version.
COMMON = {"args": (0, 8), "psw.mask": (8, 8), "psw.addr": (16, 8), "orig_gpr2": (152, 8)}
GPRS = {f"gprs[{number}]": (24 + 8 * number, 8) for number in range(16)}
SINCE_3_12 = {"int_code": (160, 4), "int_parm": (164, 4), "int_parm_long": (168, 8)}
PT_REGS = {
    "linux-3.0": (168, {"ilc": (160, 2), "svcnr": (162, 2)}),
    "linux-3.12": (176, SINCE_3_12),
    "linux-3.18": (184, {**SINCE_3_12, "flags": (176, 8)}),
    "linux-4.0": (184, {**SINCE_3_12, "flags": (176, 8)}),
    "linux-4.0-mcount": (184, {**SINCE_3_12, "flags": (176, 8)}),
    "linux-5.14": (192, {**SINCE_3_12, "flags": (176, 8), "cr1": (184, 8)}),
    "linux-5.16": (200, {**SINCE_3_12, "flags": (176, 8), "cr1": (184, 8), "last_break": (192, 8)}),
    "linux-6.12": (200, {**SINCE_3_12, "flags": (176, 8), "cr1": (184, 8), "last_break": (192, 8)}),
    # Measured in the DWARF of Debian's 7.2.13-1.
    "linux-7.2": (
        200,
        {**SINCE_3_12, "flags": (176, 8), "last_break": (184, 8), "cpu": (192, 4), "percpu_register": (196, 1)},
    ),
}
LATER = {"ilc", "svcnr", "int_code", "int_parm", "int_parm_long", "flags", "cr1", "last_break",
         "cpu", "percpu_register"}  # fmt: skip
# Save area at the caller's stack pointer. Kernel: r6 72 .. r14 136, r15 144, back chain 152. User: rN at 8 * N.
STACK_FRAME = {
    "s390x-linux-kernel": {"size": 160, "back_chain": 152, "return_address": 136, "save_area": (0, 152), "parent": 8},
    "s390x-elf": {"size": 160, "back_chain": 0, "return_address": 112, "save_area": (8, 160)},
}
CONSTANTS = {
    "linux-3.12": {"MCOUNT_INSN_SIZE": 12},
    "linux-3.18": {"MCOUNT_INSN_SIZE": 18},
    "linux-4.0": {"MCOUNT_INSN_SIZE": 6, "PSW_MASK_IPM_STOSM": 0xFF << 56 | 0x3F << 40},
    "linux-4.0-mcount": {
        "MCOUNT_INSN_SIZE": 24,
        "MCOUNT_RETURN_FIXUP": 18,
        "PSW_MASK_IPM_STOSM": 0xFF << 56 | 0x3F << 40,
    },
    "linux-5.14": {"MCOUNT_INSN_SIZE": 6, "PSW_MASK_IPM_STOSM": 0xFF << 56 | 0x3F << 40},
    "linux-5.16": {
        "MCOUNT_INSN_SIZE": 6,
        "PIF_FTRACE_FULL_REGS": 0x10,
        "PSW_MASK_IPM_STOSM": 0xFF << 56 | 0x3F << 40,
    },
    "linux-6.12": {"MCOUNT_INSN_SIZE": 6, "PIF_FTRACE_FULL_REGS": 0x10},
    "linux-7.2": {"MCOUNT_INSN_SIZE": 6, "PIF_FTRACE_FULL_REGS": 0x10},
}


def at(field: Field) -> tuple[int, int]:
    return field.at, field.size


@pytest.mark.parametrize("version", PT_REGS)
def test_pt_regs_is_that_of_the_version(version: str) -> None:
    size, own = PT_REGS[version]
    struct = load_layout(MODELS, version).structs["pt_regs"]
    assert struct.size == size
    for name, where in {**COMMON, **GPRS, **own}.items():
        assert at(struct.field(name)) == where, name
    assert {name for name in struct.fields if name in LATER} == set(own)
    assert set(struct.fields) == {*COMMON, "gprs", *own}


@pytest.mark.parametrize("version", PT_REGS)
def test_the_fields_of_pt_regs_cover_it_once(version: str) -> None:
    struct = load_layout(MODELS, version).structs["pt_regs"]
    taken: dict[int, str] = {}
    for name, field in struct.fields.items():
        for byte in range(field.at, field.at + field.size * field.count):
            assert taken.setdefault(byte, name) == name
            assert byte < struct.size
    padding = {"linux-3.0": range(164, 168), "linux-7.2": range(197, 200)}.get(version, ())
    assert set(taken) == set(range(struct.size)) - set(padding)


@pytest.mark.parametrize("name", ["gprs[16]", "gprs[-1]", "gprs[x]", "gprs[]", "gpr", "psw", "psw.addr[1]", ""])
def test_what_is_no_field(name: str) -> None:
    struct = load_layout(MODELS, "linux-6.12").structs["pt_regs"]
    with pytest.raises((KeyError, ValueError)):
        struct.field(name)


@pytest.mark.parametrize("name", STACK_FRAME)
def test_the_stack_frame_is_that_of_the_abi(name: str) -> None:
    frame = load_layout(MODELS, name).structs["stack_frame"]
    for field, where in STACK_FRAME[name].items():
        if field == "size":
            assert frame.size == where
        elif isinstance(where, tuple):
            assert frame.ranges[field] == where
        else:
            assert at(frame.field(field)) == (where, 8)
    assert {*frame.fields, *frame.ranges, "size"} == set(STACK_FRAME[name])


@pytest.mark.parametrize("version", PT_REGS)
def test_every_kernel_has_the_packed_stack(version: str) -> None:
    assert (
        load_layout(MODELS, version).structs["stack_frame"]
        == (load_layout(MODELS, "s390x-linux-kernel").structs["stack_frame"])
    )


def test_the_back_chain_is_not_in_the_part_that_a_callee_may_write() -> None:
    for name in STACK_FRAME:
        frame = load_layout(MODELS, name).structs["stack_frame"]
        first, end = frame.ranges["save_area"]
        chain = frame.field("back_chain").at
        assert not first <= chain < end
        assert not first < chain + 8 <= end


@pytest.mark.parametrize("version", CONSTANTS)
def test_constants_are_those_of_the_version(version: str) -> None:
    assert load_layout(MODELS, version).constants == CONSTANTS[version]


def test_fgraph_ret_regs() -> None:
    struct = load_layout(MODELS, "linux-6.12").structs["fgraph_ret_regs"]
    assert (struct.size, at(struct.field("gpr2")), at(struct.field("fp"))) == (16, (0, 8), (8, 8))
    assert set(struct.fields) == {"gpr2", "fp"}


def test_there_is_no_layout_of_a_kernel_that_was_not_measured() -> None:
    assert set(layout_names(MODELS)) == {*PT_REGS, *STACK_FRAME, *families.LAYOUTS, *bpf.LAYOUTS, *thirty_one.LAYOUTS}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[s]\nx = 8\n", "size"),
        ('[s]\nsize = "8"\n', "number"),
        ("[s]\nsize = true\n", "number"),
        ("[s]\nsize = 8\nx = 1.5\n", "number"),
        ("[s]\nsize = 8\nx = { size = 8 }\n", "at"),
        ("[s]\nsize = 8\nx = { at = 0, offset = 8 }\n", "offset"),
        ("[s]\nsize = 8\nx = [0, 8, 16]\n", "x"),
        ("[s]\nsize = 8\nx = 8\n", "x"),
        ("[s]\nsize = 8\nx = { at = 0, count = 2 }\n", "x"),
        ("[s]\nsize = 8\nx = -8\n", "x"),
        ("[s]\nsize = 8\nx = [0, 16]\n", "x"),
        ("[s]\nsize = 8\nx = [8, 0]\n", "x"),
        ('[const]\nN = "6"\n', "number"),
        ("const = 6\n", "const"),
        ("s = 6\n", "table"),
        ("[s\n", ""),
        ('extends = "nothing"\n', "nothing"),
        ('extends = "made"\n', "itself"),
        ("extends = 5\n", "extends"),
    ],
)
def test_a_layout_that_cannot_be_is_refused_with_its_file(text: str, words: str, tmp_path: Path) -> None:
    """A field outside its struct included: its offset is wrong, or the size is."""
    (tmp_path / "layouts").mkdir()
    path = tmp_path / "layouts/made.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_layout(tmp_path, "made")
    assert words in str(caught.value)
    if words != "nothing":
        assert caught.value.path == str(path)


# What contracts list --------------------------------------------------------------------------------------------------


def each(pattern: str, numbers: range, value: str) -> dict[str, str]:
    return {pattern.format(number): value.format(number) for number in numbers}


@dataclass(frozen=True)
class Protocol:
    """One protocol: the struct handed out with the fields that its consumers read, what they may change, the calls."""

    layout: str
    struct: str | None
    complete: dict[str, str]
    mutable: set[str]
    handler: str | None
    arguments: dict[int, str]
    graph: dict[int, str] | None = None
    exit: str = "regs.psw.addr"


PARENT = "old.mem[old.r15 + stack_frame.parent]"
ENTRY_ARGUMENTS = {
    2: "resume - const.MCOUNT_INSN_SIZE",
    3: "old.r14",
    4: "variable.function_trace_op",
    5: "pointer(regs)",
}
FROM_R0 = {"psw.addr": "resume", **each("gprs[{}]", range(2, 16), "old.r{}")}
MAY_CHANGE = {"regs.psw.addr", *each("regs.gprs[{}]", range(2, 15), "")}
PROTOCOLS = {
    # r14 points behind the call, 8(r15) holds the parent's return address; no registers are handed out.
    "linux-mcount/ftrace_caller": Protocol(
        "linux-3.12", None, {}, set(), "variable.ftrace_trace_function",
        {2: "old.r14 - const.MCOUNT_INSN_SIZE", 3: PARENT},
        {2: "mem[old.r15 + stack_frame.parent]", 3: "old.r14"},
        "old.r14",
    ),
    # As proposed in 2014, with psw and gprs[14] kept apart.
    "linux-mcount/ftrace_regs_caller": Protocol(
        "linux-3.12", "pt_regs",
        {"psw.mask": "old.psw.mask", "psw.addr": "old.r14", **each("gprs[{}]", range(2, 14), "old.r{}"),
         "gprs[14]": PARENT, "gprs[15]": "old.r15"},
        MAY_CHANGE, "variable.ftrace_trace_function",
        {2: "old.r14 - const.MCOUNT_INSN_SIZE", 3: PARENT, 4: "variable.function_trace_op", 5: "pointer(regs)"},
        {2: "regs.gprs[14]", 3: "r3 == old.r14 or r3 == regs.psw.addr"},
    ),
    # psw.mask is not written in this era, nor are flags, orig_gpr2, gprs[0] and gprs[1].
    "linux-3.18/ftrace_caller": Protocol(
        "linux-3.18", "pt_regs", FROM_R0, MAY_CHANGE, "variable.ftrace_trace_function", ENTRY_ARGUMENTS,
        {2: "regs.gprs[14]", 3: "regs.psw.addr"},
    ),
    "linux-6.12/ftrace_caller": Protocol(
        "linux-6.12", "pt_regs", {**FROM_R0, "orig_gpr2": "0", "flags": "0"},
        MAY_CHANGE | {"regs.orig_gpr2"}, "variable.ftrace_func", ENTRY_ARGUMENTS,
        {2: "regs.gprs[14]", 3: "regs.gprs[15]", 4: "regs.psw.addr"},
        "(regs.orig_gpr2 if regs.orig_gpr2 != 0 else regs.psw.addr)",
    ),
    "linux-6.12/ftrace_regs_caller": Protocol(
        "linux-6.12", "pt_regs",
        {**FROM_R0, "orig_gpr2": "0", "flags": "const.PIF_FTRACE_FULL_REGS", "psw.mask": "old.psw.mask"},
        MAY_CHANGE | {"regs.orig_gpr2"}, "variable.ftrace_func", ENTRY_ARGUMENTS,
        {2: "regs.gprs[14]", 3: "regs.gprs[15]", 4: "regs.psw.addr"},
        "(regs.orig_gpr2 if regs.orig_gpr2 != 0 else regs.psw.addr)",
    ),
    "linux-6.5/return_to_handler": Protocol(
        "linux-6.12", "fgraph_ret_regs", {"gpr2": "old.r2", "fp": "old.r15"}, set(),
        "symbol.ftrace_return_to_handler", {2: "pointer(ret)"}, None, "handler.result",
    ),
    "linux-6.14/return_to_handler": Protocol(
        "linux-6.12", "pt_regs", {"gprs[2]": "old.r2", "gprs[15]": "old.r15"}, set(),
        "symbol.ftrace_return_to_handler", {2: "pointer(regs)"}, None, "handler.result",
    ),
    "linux/expoline": Protocol("s390x-linux-kernel", None, {}, set(), None, {}, None, "old.r7"),
}  # fmt: skip
OLD_GRAPH = {2: "regs.gprs[14]", 3: "regs.psw.addr"}
GRAPH_WITH_SP = {2: "regs.gprs[14]", 3: "regs.gprs[15]", 4: "regs.psw.addr"}
# What ipm and stosm save: bits 0-7 of the PSW's mask, condition code and program mask.
PARTIAL = {"psw.mask": "(regs.psw.mask & const.PSW_MASK_IPM_STOSM) == (old.psw.mask & const.PSW_MASK_IPM_STOSM)"}


def one_entry(graph: dict[int, str], handler: str, complete: dict[str, str] | None = None) -> Protocol:
    """The r0 protocol with one entry, 3.18 to 5.15; the constants and the size of pt_regs are the layout's."""
    return Protocol("linux-4.0", "pt_regs", FROM_R0 | (complete or {}), MAY_CHANGE, handler, ENTRY_ARGUMENTS, graph)


HOTPATCH = {
    "linux-4.0/ftrace_caller": one_entry(OLD_GRAPH, "variable.ftrace_trace_function"),
    "linux-4.4.215/ftrace_caller": one_entry(OLD_GRAPH, "variable.ftrace_func"),
    "linux-5.4/ftrace_caller": one_entry(GRAPH_WITH_SP, "variable.ftrace_trace_function"),
    "linux-5.5/ftrace_caller": one_entry(GRAPH_WITH_SP, "variable.ftrace_func"),
    "linux-5.7/ftrace_caller": one_entry(GRAPH_WITH_SP, "variable.ftrace_func", PARTIAL),
}
MCOUNT_BUILD = {f"{name}-mcount": replace(protocol, layout="linux-4.0-mcount") for name, protocol in HOTPATCH.items()}
SPLIT, SPLIT_REGS = PROTOCOLS["linux-6.12/ftrace_caller"], PROTOCOLS["linux-6.12/ftrace_regs_caller"]
R14 = PROTOCOLS["linux-mcount/ftrace_caller"]
BEHIND_THE_CALL = replace(R14, layout="s390x-linux-kernel", arguments={2: "old.r14", 3: PARENT})
IP_FIRST = {2: "old.r14", 3: "mem[old.r15 + stack_frame.parent]"}
PLAIN_RETURN = Protocol(
    "s390x-linux-kernel", None, {}, set(), "symbol.ftrace_return_to_handler", {}, None, "handler.result"
)
STUB = Protocol("s390x-linux-kernel", None, {}, set(), None, {}, None, "old.r14")
PROTOCOLS |= {
    **HOTPATCH,
    **MCOUNT_BUILD,
    "linux-5.14/ftrace_caller": replace(HOTPATCH["linux-5.7/ftrace_caller"], layout="linux-5.14"),
    "linux-5.16/ftrace_caller": replace(SPLIT, layout="linux-5.16"),
    "linux-5.16/ftrace_regs_caller": replace(SPLIT_REGS, layout="linux-5.16", complete=SPLIT_REGS.complete | PARTIAL),
    "linux-6.14/ftrace_caller": replace(SPLIT, graph=None),
    "linux-6.14/ftrace_regs_caller": replace(SPLIT_REGS, graph=None),
    "linux-2.6.29/_mcount": replace(BEHIND_THE_CALL, graph=None),
    "linux-2.6.31/_mcount": replace(BEHIND_THE_CALL, graph=None),
    "linux-2.6.31/_mcount-graph": replace(BEHIND_THE_CALL, graph=IP_FIRST),
    "linux-2.6.31/ftrace_caller": replace(BEHIND_THE_CALL, graph=IP_FIRST, handler="variable.ftrace_dyn_func"),
    "linux-2.6.34/ftrace_caller": BEHIND_THE_CALL,
    "linux-3.17/ftrace_caller": R14,
    "linux-2.6.31/return_to_handler": PLAIN_RETURN,
    "linux-4.17/return_to_handler": PLAIN_RETURN,
    "linux-2.6.29/ftrace_stub": STUB,
    "linux-4.17/ftrace_stub": STUB,
    "linux-5.18/ftrace_stub": STUB,
    "linux-6.3/ftrace_stub_direct_tramp": replace(STUB, exit="old.r0"),
}
STUBS = {name for name, protocol in PROTOCOLS.items() if protocol.handler is None}
# How the kernel writes the graph tracer's site; None: there is none.
SITES = {
    **dict.fromkeys(
        ("linux-2.6.34/ftrace_caller", "linux-mcount/ftrace_caller", "linux-mcount/ftrace_regs_caller",
         "linux-3.17/ftrace_caller"), ("bras prepare_ftrace_return", "at once"),
    ),
    "linux-2.6.31/ftrace_caller": ("nop", "at once"),
    "linux-2.6.31/_mcount-graph": None,
}  # fmt: skip
SYMBOLS = {"linux/expoline": "__s390_indirect_jump_r7"}
# Registers that end as at entry where no handler changes them: what the caller of the traced function relies on.
KEPT = {
    **dict.fromkeys(
        ("linux-2.6.31/_mcount", "linux-2.6.31/_mcount-graph", "linux-2.6.31/ftrace_caller",
         "linux-2.6.34/ftrace_caller", "linux-mcount/ftrace_caller", "linux-3.17/ftrace_caller"), range(2, 14),
    ),
    "linux-2.6.29/_mcount": range(14),
    "linux-2.6.31/return_to_handler": range(6, 14),
    "linux-4.17/return_to_handler": range(6, 14),
    **dict.fromkeys(sorted(STUBS - {"linux/expoline", "linux-5.18/ftrace_stub"}), (0, *range(2, 15))),
    "linux-5.18/ftrace_stub": range(16),
    "linux-6.5/return_to_handler": range(6, 14),
    "linux-6.14/return_to_handler": range(6, 14),
    "linux/expoline": range(16),
    "abi/s390x-elf": range(6, 14),
    "abi/s390x-linux-kernel": range(6, 14),
}  # fmt: skip
# Where a handler may change them, they end as it left them.
RESTORED = {
    "linux-mcount/ftrace_regs_caller": range(2, 14),  # r14 is a claim of its own: redirect-entry
    **{
        name: range(2, 15)
        for name, protocol in PROTOCOLS.items()
        if protocol.struct == "pt_regs" and "linux-mcount" not in name and "return" not in name
    },
}


def contract(name: str) -> Contract:
    return load_contract(MODELS, name, None, SYMBOLS.get(name, name.split("/")[1]))


def test_every_contract_is_in_the_tables() -> None:
    names = set(contract_names(MODELS)) - {*families.CONTRACTS, *bpf.CONTRACTS, *thirty_one.CONTRACTS}
    assert names == {*PROTOCOLS, "abi/s390x-elf", "abi/s390x-linux-kernel"}
    assert names == {*KEPT, *RESTORED}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_fields_that_must_be_complete(name: str) -> None:
    protocol, found = PROTOCOLS[name], contract(name)
    assert found.layout.name == protocol.layout
    if protocol.struct is None:
        assert found.handed is None
        return
    assert found.handed is not None
    assert found.handed.type == protocol.struct
    assert {field: value.text for field, value in found.handed.complete} == protocol.complete
    assert len(found.handed.complete) == len(protocol.complete)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_fields_that_a_handler_may_change(name: str) -> None:
    changed = [field for call in contract(name).calls for field in call.mutable]
    assert set(changed) == PROTOCOLS[name].mutable
    assert len(changed) == len(set(changed))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_stack_pointer_of_the_traced_point_is_never_a_handlers_to_change(name: str) -> None:
    assert "regs.gprs[15]" not in PROTOCOLS[name].mutable
    assert not any("gprs[15]" in field for call in contract(name).calls for field in call.mutable)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_handler_and_its_arguments(name: str) -> None:
    protocol = PROTOCOLS[name]
    calls = {call.name: call for call in contract(name).calls}
    wanted = {"handler": protocol.handler, "graph": protocol.graph}
    assert set(calls) == {call for call, what in wanted.items() if what is not None}
    if protocol.handler is not None:
        target = calls["handler"].to
        assert target is not None
        assert target.text == protocol.handler
        assert {number: expr.text for number, expr in calls["handler"].arguments.items()} == protocol.arguments


@pytest.mark.parametrize("name", [name for name, protocol in PROTOCOLS.items() if protocol.graph])
def test_the_graph_call_and_its_arguments(name: str) -> None:
    (graph,) = (call for call in contract(name).calls if call.name == "graph")
    assert graph.to is not None
    assert graph.to.text == "symbol.prepare_ftrace_return"
    assert {number: expr.text for number, expr in graph.arguments.items()} == PROTOCOLS[name].graph
    assert graph.returns
    assert graph.replaces == ("regs.gprs[14]" if PROTOCOLS[name].struct else "parent")
    expected = SITES.get(name, ("nop", "mask byte"))
    if expected is None:
        assert not contract(name).patches
        return
    (site,) = contract(name).patches
    assert graph.patch == site.name
    states, written = [one.text for one in site.states], site.writing.way
    assert (states, written) == (["as assembled", expected[0]], expected[1])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_where_control_goes_at_exit(name: str) -> None:
    (claim,) = contract(name).claims["psw-redirect"]
    assert (claim.that.text, claim.when) == (f"pc == {PROTOCOLS[name].exit}", None)


@pytest.mark.parametrize("name", KEPT)
def test_the_registers_that_are_kept(name: str) -> None:
    found = {number for kind, number in registers(contract(name).preserves) if kind == "r"}
    assert found - {15} == set(KEPT[name]) - {15}
    assert 15 in found or [c.that.text for c in contract(name).claims["stack-balanced"]] == ["r15 == old.r15"]


@pytest.mark.parametrize("name", RESTORED)
def test_the_registers_that_end_as_the_handler_left_them(name: str) -> None:
    wanted = {f"r{number} == regs.gprs[{number}]" for number in RESTORED[name]}
    assert wanted <= {claim.that.text for claim in contract(name).claims["callee-saved"] if claim.when is None}
    assert wanted <= {claim.that.text for claim in contract(name).claims["regs-honoured"] if claim.when is None}
    assert "r15 == old.r15" in {claim.that.text for claim in contract(name).claims["callee-saved"]}
    assert [claim.that.text for claim in contract(name).claims["stack-balanced"]] == ["r15 == old.r15"]


@pytest.mark.parametrize("name", [name for name in RESTORED if "linux-mcount" not in name])
def test_a_redirected_exit_of_the_r0_protocol_has_the_parents_return_address_in_r14(name: str) -> None:
    (claim,) = contract(name).claims["redirect-entry"]
    assert claim.that.text == "r14 == regs.gprs[14]"
    assert claim.when is not None
    assert claim.when.text == "regs.psw.addr != resume"
    fixup = " + const.MCOUNT_RETURN_FIXUP" if name in MCOUNT_BUILD else ""
    assert contract(name).values["resume"].text == f"old.r0{fixup}"


def test_the_r14_protocol_honours_r14_and_the_psw_both() -> None:
    found = contract("linux-mcount/ftrace_regs_caller")
    assert "mem[old.r15 + stack_frame.parent] == regs.gprs[14]" in {c.that.text for c in found.claims["regs-honoured"]}
    (claim,) = found.claims["redirect-entry"]
    assert claim.that.text == "r14 == regs.gprs[14]"
    assert claim.when is not None
    assert claim.when.text == "regs.psw.addr != old.r14"


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if "return_to_handler" in name])
def test_the_result_of_the_traced_function_survives(name: str) -> None:
    found = {claim.that.text for claim in contract(name).claims["return-value"]}
    assert found == {f"r{number} == old.r{number}" for number in range(2, 6)}


@pytest.mark.parametrize("name", [*PROTOCOLS, "abi/s390x-linux-kernel"])
def test_kernel_code_touches_no_floating_point_vector_or_access_register(name: str) -> None:
    found = contract(name)
    assert set(registers(found.vector or ())) == {("v", number) for number in range(32)}
    assert {"fpc", "access-registers", "psw-mask"} <= set(found.mode or ())
    assert set(registers(found.clobbers)) == {("r", number) for number in (*range(6), 14)}


def test_user_code_keeps_what_the_abi_says() -> None:
    found = contract("abi/s390x-elf")
    assert {("f", number) for number in range(8, 16)} <= set(registers(found.preserves))
    clobbered = set(registers(found.clobbers))
    assert {number for kind, number in clobbered if kind == "r"} == {*range(6), 14}
    assert {number for kind, number in clobbered if kind == "a"} == set(range(2, 16))
    assert {number for kind, number in clobbered if kind == "v"} == {*range(8), *range(16, 32)}
    assert {number for kind, number in clobbered if kind == "f"} == set(range(8))
    assert {"fpc-control", "thread-pointer"} <= set(found.mode or ())


@pytest.mark.parametrize("name", [*PROTOCOLS, "abi/s390x-elf", "abi/s390x-linux-kernel"])
def test_the_callers_save_area_is_granted_but_not_its_back_chain(name: str) -> None:
    found = contract(name)
    assert found.keeps == ("stack_frame.back_chain",)
    assert found.grants == (() if name in STUBS else ("stack_frame.save_area",))
    assert found.offset("stack_frame.back_chain") == ((0, 8) if name == "abi/s390x-elf" else (152, 160))


def expressions(value: object) -> Iterator[Expr]:
    """All expressions anywhere in a contract."""
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from expressions(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from expressions(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from expressions(getattr(value, field.name))


def numbers(tree: ast.AST) -> Iterator[int]:
    """Numbers in an expression, but for the index of an array of registers and an alignment."""
    if isinstance(tree, ast.Constant):
        yield tree.value
    elif isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Constant):
        yield from numbers(tree.value)
    elif isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mod):
        yield from numbers(tree.left)
    else:
        for child in ast.iter_child_nodes(tree):
            yield from numbers(child)


@pytest.mark.parametrize("name", [*PROTOCOLS, "abi/s390x-elf", "abi/s390x-linux-kernel"])
def test_no_offset_is_a_number_in_a_contract(name: str) -> None:
    found = list(expressions(contract(name)))
    assert found
    for expr in found:
        assert set(numbers(expr.tree)) <= {0}, expr.text


def test_the_check_sees_a_number() -> None:
    assert list(numbers(ast.parse("mem[old.r15 + 8] == regs.gprs[14]", mode="eval").body)) == [8]


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if PROTOCOLS[name].struct == "pt_regs"])
@pytest.mark.parametrize("version", ["linux-3.18", "linux-6.12"])
def test_another_layout_moves_the_fields_and_keeps_the_constants(name: str, version: str) -> None:
    if PROTOCOLS[name].complete.keys() - {*COMMON, *GPRS} - PT_REGS[version][1].keys():
        with pytest.raises(ContractError):
            load_contract(MODELS, name, version)
        return
    own, other = load_contract(MODELS, name), load_contract(MODELS, name, version)
    assert other.layout.structs == load_layout(MODELS, version).structs
    assert other.layout.constants == own.layout.constants
    assert [call.mutable for call in other.calls] == [call.mutable for call in own.calls]
