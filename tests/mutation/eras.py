"""What the ftrace trampolines of each era must do, as concrete checks of one run (see oracles.py)."""

from __future__ import annotations

from dataclasses import replace

from tests.mutation.oracles import (
    FULL_REGS,
    Era,
    Mcount,
    Oracle,
    Trial,
    bras_target,
    mcount,
    no_branch,
    r0_protocol,
    return_to_handler,
)

# `ipm` and `stosm` save bits 0-7 of the PSW's mask, the condition code and the program mask.
_IPM_STOSM = 0xFF00_3F00_0000_0000


def stub(trial: Trial, entry: int, *, to: int, expoline: bool) -> None:
    """Goes on where a register points; only r1 is free."""
    end = trial.run(entry, {})
    trial.finish(writable=0)
    trial.check(not trial.machine.writes, "stack-confined", "a store")
    trial.equal(end, trial.old[to], "psw-redirect", "the exit")
    trial.registers({n: trial.old[n] for n in (0, *range(2, 15))}, "callee-saved")
    if expoline:
        trial.no_indirect_branch()


_4_0 = Era(6, 184, "ftrace_trace_function", expoline=True)
_5_4 = replace(_4_0, graph_sp=True)
_5_5 = replace(_5_4, framed=True)
_5_7 = replace(_5_5, handler="ftrace_func", psw_bits=_IPM_STOSM)
_MCOUNT_BUILD = {"insn_size": 24, "fixup": 18}
_5_16 = replace(_5_5, pt_size=200, handler="ftrace_func", direct=True)
_2_6_31 = Mcount(insn_size=0, ip_first=True)

ERAS = {
    "4.0/mcount": replace(_4_0, expoline=False, **_MCOUNT_BUILD),  # type: ignore[arg-type]
    "5.4/ftrace_caller": _5_4,
    "5.5/ftrace_caller": _5_5,
    "5.7/mcount": replace(_5_7, **_MCOUNT_BUILD),  # type: ignore[arg-type]
    "5.14/ftrace_caller": replace(_5_7, pt_size=192),
    "5.16/ftrace_caller": _5_16,
    "5.16/ftrace_regs_caller": replace(_5_16, psw_bits=_IPM_STOSM, flags=FULL_REGS),
}
# No patched call of the graph tracer.
LATEST = {
    "6.14/ftrace_caller": _5_16,
    "6.14/ftrace_regs_caller": replace(_5_16, psw_bits=(1 << 64) - 1, flags=FULL_REGS),
}
MCOUNTS = {
    "2.6.34/ftrace_caller": (replace(_2_6_31, ip_first=False), bras_target),
    "2.6.31/ftrace_caller": (replace(_2_6_31, handler="ftrace_dyn_func"), no_branch),
    "2.6.31/static": (replace(_2_6_31, always=True), None),
    "2.6.29/static": (replace(_2_6_31, stops=False, first_kept=0), None),
    "3.17/ftrace_caller": (Mcount(stops=False), bras_target),
}
ORACLES = {
    **{name: Oracle(lambda t, e, era=era: r0_protocol(t, e, era), no_branch) for name, era in ERAS.items()},  # type: ignore[misc]
    **{name: Oracle(lambda t, e, era=era: r0_protocol(t, e, era)) for name, era in LATEST.items()},  # type: ignore[misc]
    **{
        name: Oracle(lambda t, e, era=era: mcount(t, e, era), site, stops=era.stops)  # type: ignore[misc]
        for name, (era, site) in MCOUNTS.items()
    },
    "2.6.31/return_to_handler": Oracle(lambda t, e: return_to_handler(t, e, expoline=False)),
    "4.17/return_to_handler": Oracle(lambda t, e: return_to_handler(t, e)),
    "2.6.29/ftrace_stub": Oracle(lambda t, e: stub(t, e, to=14, expoline=False)),
    "5.18/ftrace_stub": Oracle(lambda t, e: stub(t, e, to=14, expoline=True)),
    "6.3/ftrace_stub_direct_tramp": Oracle(lambda t, e: stub(t, e, to=0, expoline=True)),
}
_THUNKS = {1: "__s390_indirect_jump_r1", 14: "__s390_indirect_jump_r14"}

# Object, routine, oracle: every instruction is mutated in all ways.
WHOLE = [
    ("mcount-2.6.29", "_mcount", "2.6.29/static"),
    ("mcount-2.6.31", "ftrace_caller", "2.6.31/ftrace_caller"),
    ("ftrace-4.0-mcount", "ftrace_regs_caller", "4.0/mcount"),
    ("ftrace-5.14", "ftrace_regs_caller", "5.14/ftrace_caller"),
    ("ftrace-5.16", "ftrace_regs_caller", "5.16/ftrace_regs_caller"),
    ("return_to_handler-2.6.31", "return_to_handler", "2.6.31/return_to_handler"),
    ("stubs-6.3", "ftrace_stub_direct_tramp", "6.3/ftrace_stub_direct_tramp"),
    ("stubs-6.3", "ftrace_stub", "5.18/ftrace_stub"),
    ("stubs-2.6.31", "ftrace_stub", "2.6.29/ftrace_stub"),
    ("stubs-2.6.31", "_mcount", "2.6.29/ftrace_stub"),
]
# Mostly the code of another one: fewer ways.
OFFSETS = [
    ("mcount-2.6.31-static", "_mcount", "2.6.31/static"),
    ("mcount-2.6.34", "ftrace_caller", "2.6.34/ftrace_caller"),
    ("mcount-3.17", "ftrace_caller", "3.17/ftrace_caller"),
    ("ftrace-5.4", "ftrace_regs_caller", "5.4/ftrace_caller"),
    ("ftrace-5.5", "ftrace_regs_caller", "5.5/ftrace_caller"),
    ("ftrace-5.7-mcount", "ftrace_regs_caller", "5.7/mcount"),
    ("ftrace-5.16", "ftrace_caller", "5.16/ftrace_caller"),
    ("ftrace-6.14", "ftrace_caller", "6.14/ftrace_caller"),
    ("ftrace-6.14", "ftrace_regs_caller", "6.14/ftrace_regs_caller"),
    ("return_to_handler-4.17", "return_to_handler", "4.17/return_to_handler"),
    *[
        (name, _THUNKS[number], f"thunk/{number}")
        for name, numbers in {
            "ftrace-5.4": (1,), "ftrace-5.5": (1,), "ftrace-5.7-mcount": (1,), "ftrace-5.14": (1,), "ftrace-5.16": (1,),
            "ftrace-6.14": (1,), "return_to_handler-4.17": (14,), "stubs-6.3": (1, 14),
        }.items()
        for number in numbers
    ],
]  # fmt: skip
DELETIONS = [
    ("repaired/mcount-fixup", "ftrace_regs_caller", "4.0/mcount"),
    ("repaired/graph-without-sp", "ftrace_regs_caller", "5.4/ftrace_caller"),
    ("repaired/cc-after-addition", "ftrace_regs_caller", "5.7/mcount"),
    ("repaired/stub-r0", "ftrace_stub_direct_tramp", "6.3/ftrace_stub_direct_tramp"),
    ("repaired/stub-r0", "ftrace_stub", "5.18/ftrace_stub"),
]
# Object under broken/, routine, oracle, and the properties that a run violates.
BROKEN = [
    ("mcount-fixup", "ftrace_regs_caller", "4.0/mcount", {"regs-complete", "handler-arguments"}),
    ("graph-without-sp", "ftrace_regs_caller", "5.4/ftrace_caller", {"handler-arguments"}),
    ("cc-after-addition", "ftrace_regs_caller", "5.7/mcount", {"regs-complete"}),
    ("stub-r0", "ftrace_stub_direct_tramp", "6.3/ftrace_stub_direct_tramp", {"psw-redirect"}),
]
# Mutants that are not proved although the oracle finds nothing wrong: the end of the label, and why.
NOT_PROVED = {
    r"\+0x(42|6a|28): br %r14 -> M1 15 -> (14|11|7)": "the condition code is that of an addition to r15, and this "
    "machine's stack does not lie at 0 or above 2**63",
    r"\+0x3e: j \.\+28 -> M1 15 -> 13": "no run of the handler leaves condition code 2",
    r"\+0x42: j \.\+28 -> M1 15 -> 11": "no run of the handler leaves condition code 1",
}
