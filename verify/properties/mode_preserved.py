"""mode-preserved: condition code, PSW mask, program mask, addressing mode, FPC, access registers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from verify.machine.psw import ibm
from verify.machine.state import State, entry_system_mask
from verify.machine.term import Origin, Term, concat, extract, leaf
from verify.properties.base import Obligation, Property, Run, anchor, claims_at_exits, equation
from verify.semantics import cc

Pairs = list[tuple[str, Term, Term]]


def _without_modes(mask: Term) -> Term:
    """PSW bits 0-17, 24-30 and 33-63: all but condition code, program mask and addressing mode."""
    return concat(ibm(mask, 0, 17), ibm(mask, 24, 30), ibm(mask, 33, 63))


def _psw_mask(state: State) -> Pairs:
    return [("the PSW mask", _without_modes(state.system_mask), _without_modes(entry_system_mask(state.mode)))]


def _addressing_mode(state: State) -> Pairs:
    return [("the addressing mode", ibm(state.system_mask, 31, 32), ibm(entry_system_mask(state.mode), 31, 32))]


def _program_mask(state: State) -> Pairs:
    return [("the program mask", state.program_mask, leaf("old.program_mask", 4, Origin.ENTRY))]


def _condition_code(state: State) -> Pairs:
    return [("the condition code", cc.value(state), leaf("old.cc", 2, Origin.ENTRY))]


def _fpc(state: State) -> Pairs:
    return [("the FPC", state.fpc, leaf("old.fpc", 32, Origin.ENTRY))]


def _fpc_control(state: State) -> Pairs:
    """FPC bits 0-7 (masks) and 24-31 (rounding modes); 8-23 are flags and the data-exception code."""
    old = leaf("old.fpc", 32, Origin.ENTRY)
    return [
        ("the FPC's masks", extract(state.fpc, 31, 24), extract(old, 31, 24)),
        ("the FPC's rounding modes", extract(state.fpc, 7, 0), extract(old, 7, 0)),
    ]


def _thread_pointer(state: State) -> Pairs:
    """a0 and a1; of 31-bit code a0 alone (psABI, "Registers")."""
    return _access(range(1 if state.mode.narrow else 2))(state)


def _access(numbers: range) -> Callable[[State], Pairs]:
    def pairs(state: State) -> Pairs:
        return [(f"a{n}", state.access[n], leaf(f"old.a{n}", 32, Origin.ENTRY)) for n in numbers]

    return pairs


ITEMS: dict[str, Callable[[State], Pairs]] = {
    "psw-mask": _psw_mask,
    "addressing-mode": _addressing_mode,
    "program-mask": _program_mask,
    "condition-code": _condition_code,
    "fpc": _fpc,
    "fpc-control": _fpc_control,
    "access-registers": _access(range(16)),
    "thread-pointer": _thread_pointer,
}


def obligations(run: Run) -> Iterator[Obligation]:
    """Each item of the contract's `mode` list, at each exit; then the contract's own claims."""
    for path in run.exits():
        yield anchor(path, "the modes are kept")
        for item in run.contract.mode or ():
            for what, found, expected in ITEMS[item](path.state):
                yield equation(f"{what} is as at entry", what, found, expected, path, path.end.at)
    yield from claims_at_exits("mode-preserved")(run)


PROPERTY = Property(
    name="mode-preserved",
    statement="condition code, PSW mask, program mask, addressing mode, FPC and access registers are as the contract "
    "says",
    proved="the modes that the contract lists are as at entry",
    refuted="{what} is not as at entry",
    states=lambda contract: contract.mode is not None,
    obligations=obligations,
)
