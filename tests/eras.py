"""Tables of the ftrace trampolines of each era, for the tests that hold every object to a table."""

from __future__ import annotations

# The objects under broken/, the properties that find each fault, and what the same fault breaks besides.
BUGS = {
    "mcount-fixup": {"regs-complete", "handler-arguments"},
    "graph-without-sp": {"handler-arguments"},
    "cc-after-addition": {"regs-complete"},
    "stub-r0": {"psw-redirect"},
}
CONSEQUENCES = {"graph-without-sp": {"no-stale-read"}}

_THUNK_1 = [".text..__s390_indirect_jump_r1+0x0..0x6", ".text..__s390_indirect_jump_r1+0xa..0xc"]
_THUNK_14 = [".text..__s390_indirect_jump_r14+0x0..0x6", ".text..__s390_indirect_jump_r14+0xa..0xc"]
# The bytes that are executed, by object and routine.
EXECUTED = {
    "mcount-2.6.29": {
        "_mcount": [".text+0x0..0x44"],
    },
    "mcount-2.6.31": {
        "ftrace_caller": [".text+0x0..0x6c"],
    },
    "mcount-2.6.31-static": {
        "_mcount": [".text+0x0..0x68"],
    },
    "mcount-2.6.34": {
        "ftrace_caller": [".text+0x0..0x66"],
    },
    "mcount-3.17": {
        "ftrace_caller": [".text+0x0..0x5e"],
    },
    "ftrace-4.0-mcount": {
        "ftrace_regs_caller": [".text+0x0..0x6c"],
    },
    "ftrace-5.4": {
        "ftrace_regs_caller": [".text+0x0..0x70", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
    },
    "ftrace-5.5": {
        "ftrace_regs_caller": [".text+0x0..0x8e", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
    },
    "ftrace-5.7-mcount": {
        "ftrace_regs_caller": [".text+0x0..0xaa", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
    },
    "ftrace-5.14": {
        "ftrace_regs_caller": [".text+0x0..0xa6", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
    },
    "ftrace-5.16": {
        "ftrace_caller": [".text+0x0..0x5e", ".text+0xd6..0x132", *_THUNK_1],
        "ftrace_regs_caller": [".text+0x60..0x132", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
    },
    "ftrace-6.14": {
        "ftrace_caller": [".text+0x0..0x5e", ".text+0xce..0x10e", *_THUNK_1],
        "ftrace_regs_caller": [".text+0x60..0x10e", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
    },
    "return_to_handler-2.6.31": {
        "return_to_handler": [".text+0x0..0x2a"],
    },
    "return_to_handler-4.17": {
        "return_to_handler": [".text+0x0..0x2e", *_THUNK_14],
        "__s390_indirect_jump_r14": _THUNK_14,
    },
    "stubs-2.6.31": {
        "ftrace_stub": [".text+0x0..0x2"],
        "_mcount": [".text+0x8..0xa"],
    },
    "stubs-6.3": {
        "ftrace_stub": [".text+0x0..0x6", *_THUNK_14],
        "ftrace_stub_direct_tramp": [".text+0x8..0x12", *_THUNK_1],
        "__s390_indirect_jump_r1": _THUNK_1,
        "__s390_indirect_jump_r14": _THUNK_14,
    },
}

# The paths by what is patched and what they call, by object and routine.
_HANDLED = {((), ("handler",)): 1}
_NEVER = {((), ()): 1}
_PATCHED = _HANDLED | {(("graph",), ("handler", "graph")): 1}
PATHS = {
    ("mcount-2.6.29", "_mcount"): _HANDLED,
    ("mcount-2.6.31", "ftrace_caller"): _PATCHED | _NEVER | {(("graph",), ()): 1},
    ("mcount-2.6.31-static", "_mcount"): {((), ("handler", "graph")): 1} | _NEVER,
    ("mcount-2.6.34", "ftrace_caller"): _PATCHED | _NEVER | {(("graph",), ()): 1},
    ("mcount-3.17", "ftrace_caller"): _PATCHED,
    ("ftrace-4.0-mcount", "ftrace_regs_caller"): _PATCHED,
    ("ftrace-5.14", "ftrace_regs_caller"): _PATCHED,
    ("ftrace-5.16", "ftrace_regs_caller"): _PATCHED,
    ("ftrace-6.14", "ftrace_caller"): _HANDLED,
    ("ftrace-6.14", "ftrace_regs_caller"): _HANDLED,
    ("return_to_handler-2.6.31", "return_to_handler"): _HANDLED,
    ("stubs-6.3", "ftrace_stub_direct_tramp"): _NEVER,
}
