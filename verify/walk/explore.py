"""Walk every path of a routine: fork at conditional branches, replace calls by their contracts, stop at bounds.

A routine is its entry and everything reachable inside the image, across symbols and sections. Control leaves it in
two ways: with a return address into this image pending in r14, which is a call (POP "BRANCH AND SAVE" made that
address, and control has not come back to it yet), or without one, which is an exit.
"""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.schema import Contract
from verify.contracts.scope import History
from verify.errors import Undecided, Unsupported
from verify.machine.state import entry_state
from verify.machine.storage import Ranges
from verify.objfile.image import Place
from verify.semantics import zarch
from verify.semantics.code import Code
from verify.verdict import Verdict
from verify.walk.inside import step
from verify.walk.leaving import leave
from verify.walk.path import Exit, Patched, Path, Stop
from verify.walk.under_way import Feasible, Ground, Walk, Watch, known

MOST_PATHS = 512
MOST_STOPS = 8


def explore(
    code: Code, contract: Contract, entry: Place, choice: Patched, feasible: Feasible,
    watch: Watch | None = None,
) -> Iterator[Path]:  # fmt: skip
    """Yield every path from `entry`. Nothing is cut in silence: a path that was given up ends in a Stop."""
    assert zarch  # imported for its registrations
    if contract.bits != code.mode.bits:
        raise Unsupported(f"this is {code.mode.bits}-bit code, and {contract.name} is for {contract.bits}-bit code")
    ground = Ground(code, contract, choice, feasible, watch)
    history = History(entry=code.address(entry))
    begin = entry_state(code.address(entry), _defined(contract), code.mode, code.constant)
    begin.stack.switches = bool(contract.switches)
    waiting = [Walk(begin, history=history)]
    finished = stopped = 0
    while waiting:
        bound = _bound(finished, len(waiting), stopped)
        if bound is not None:
            # Every fork that was not followed is given up by name: what lies behind it may be taken, whatever
            # becomes of the paths that were.
            yield from (_ended(ground, walk, Stop(Verdict.UNKNOWN, bound, _at(walk, entry))) for walk in waiting)
            return
        walk = waiting.pop()
        end = _run(ground, walk, waiting)
        finished += 1
        stopped += isinstance(end, Stop) and feasible(walk.state.conditions)
        yield _ended(ground, walk, end)


def _bound(finished: int, waiting: int, stopped: int) -> str | None:
    """Why no further path is followed, if that is so."""
    if finished + waiting > MOST_PATHS:
        return f"more than {MOST_PATHS} paths"
    if stopped >= MOST_STOPS:
        return f"not followed, after {MOST_STOPS} paths that were given up"
    return None


def _at(walk: Walk, entry: Place) -> Place:
    return walk.places[-1] if walk.places else entry


def _defined(contract: Contract) -> Ranges:
    """The stack bytes that hold something at entry: the caller's frame, its back chain, what the protocol stores."""
    frame = contract.layout.structs["stack_frame"]
    slots = [*contract.defines, *contract.keeps]
    return Ranges(((frame.size, None), *[contract.offset(name) for name in slots]))


def _ended(ground: Ground, walk: Walk, end: Exit | Stop) -> Path:
    if isinstance(end, Exit):
        walk.state.conditions += ground.moment(walk).regions_apart()
    return Path(
        ground.code,
        ground.choice,
        tuple(walk.places),
        tuple(walk.out_of_line),
        walk.state,
        tuple(walk.calls),
        walk.history,
        end,
        tuple(dict.fromkeys(walk.trusted)),
    )


def _run(ground: Ground, walk: Walk, waiting: list[Walk]) -> Exit | Stop:
    """Follow one path to its end; the other sides of its forks go to `waiting`."""
    place = None
    try:
        while True:
            here = ground.code.place(walk.state.pc)
            if here is not None and not ground.is_named_call(walk.state):
                place = here
                if step(ground, walk, here, waiting):
                    return Exit(here)
            elif not leave(ground, walk, place):
                return Exit(known(place))
    except Unsupported as problem:
        return Stop(Verdict.UNSUPPORTED, str(problem), known(place))
    except Undecided as problem:
        return Stop(Verdict.UNKNOWN, str(problem), known(place))
