"""Stepping inside the image: execute one instruction, and fork at a conditional branch."""

from __future__ import annotations

from verify.contracts import callee
from verify.errors import Undecided, Unsupported
from verify.machine.state import State
from verify.machine.term import TRUE, Term, not_
from verify.objfile.image import Place
from verify.semantics.step import Jump, perform, start
from verify.walk.apart import check_separate, check_stack, check_storage
from verify.walk.under_way import Ground, Walk

MOST_VISITS = 64
MOST_STEPS = 50_000


def step(ground: Ground, walk: Walk, place: Place, waiting: list[Walk]) -> bool:
    """Execute one instruction; True when it loads a new PSW, which is an exit wherever that leads."""
    state = walk.state
    state.links -= {state.pc}
    walk.visits[place] += 1
    if walk.visits[place] > MOST_VISITS:
        raise Undecided(f"a loop through {ground.code.image.label(place)} does not end in {MOST_VISITS} rounds")
    again = walk.visits[place] > 1
    doing = start(state, ground.code, place)
    if ground.watch is not None:
        ground.watch(state, ground.code, place)
    walk.places.append(place)
    ground.steps += 1
    if ground.steps > MOST_STEPS:
        raise Undecided(f"more than {MOST_STEPS} instructions on all paths together")
    stored, loaded = len(state.stores), len(state.loads)
    try:
        perform(doing)
    except Unsupported as problem:
        label = ground.code.image.label(place)
        text = str(problem)
        raise Unsupported(text if label in text else f"{text}, at {label}") from problem
    check_stack(ground, walk)
    walk.out_of_line += doing.targets
    walk.trusted += (_of_lowcore(ground, address) for address in doing.lowcore)
    for link in state.links - walk.linked_at.keys():
        walk.linked_at[link] = place
    for store in state.stores[stored:]:
        check_separate(ground, state, store, place)
    for load in state.loads[loaded:]:
        check_storage(ground, load, place)
    if doing.supervisor is not None:
        walk.trusted.append(callee.supervisor_call(ground.contract, doing.supervisor, state))
    if doing.leaves is not None:
        state.pc = doing.leaves
        return True
    _branch(ground, walk, doing.jumps, doing.next, again, waiting)
    return False


def _of_lowcore(ground: Ground, address: int) -> str:
    """What the contract says of code in the lowcore that was executed: an assumption."""
    names = {ground.contract.offset(f"lowcore.{name}")[0]: name for name in ground.contract.lowcore}
    return f"the lowcore holds the code {ground.code.lowcore[address].hex()} at {names[address]}"


def _branch(ground: Ground, walk: Walk, jumps: list[Jump], following: Term, again: bool, waiting: list[Walk]) -> None:
    """Go on at the next instruction, or fork for a conditional jump."""
    state = walk.state
    if not jumps:
        state.pc = following
        return
    (jump,) = jumps
    taken, fallen = jump.condition, not_(jump.condition)
    sides = [(taken, jump.target), (fallen, following)]
    open_sides = [side for side in sides if _possible(ground, state, side[0], again)]
    if not open_sides:
        raise Undecided("both sides of a branch are impossible: the assumptions contradict")
    for condition, target in open_sides[1:]:
        other = walk.fork()
        _go(other.state, condition, target)
        waiting.append(other)
    _go(state, *open_sides[0])


def _possible(ground: Ground, state: State, condition: Term, again: bool) -> bool:
    """Leave out a side only when it certainly cannot be; the solver is asked only inside loops."""
    if condition.is_const:
        return condition is TRUE
    if not_(condition) in state.conditions:
        return False
    return not again or ground.feasible([*state.conditions, condition])


def _go(state: State, condition: Term, target: Term) -> None:
    if condition is not TRUE:
        state.conditions.append(condition)
    state.pc = target
