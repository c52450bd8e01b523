"""Leaving the image: a call that the contract describes, a thunk of another object, or an exit."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase

from verify.contracts import callee
from verify.contracts.expr import Undefined
from verify.contracts.schema import Call
from verify.errors import Undecided, Unsupported
from verify.machine.state import GOT_SLOT
from verify.machine.term import TRUE, Origin, Term, eq, split
from verify.objfile.image import Place
from verify.walk.path import CallMade
from verify.walk.under_way import LINK, Ground, Walk, known

# The older thunks name a scratch register first: r1use_r14 branches to r14 (arch/s390/include/asm/nospec-insn.h, 4.16).
_THUNK = re.compile(r"^__s390x?_indirect_jump_r(?:(?P<scratch>\d+)use_r)?(?P<target>\d+)$")

# Functions of the C library and the kernel behind whose call a compiler puts no code of the same function (noreturn).
_NEVER_RETURN = frozenset({"__stack_chk_fail", "__fortify_fail", "__chk_fail", "__assert_fail", "abort", "panic"})


def leave(ground: Ground, walk: Walk, place: Place | None) -> bool:
    """Handle a target outside the image; False when it is an exit."""
    state = walk.state
    _check_executable(ground, state.pc, place)
    if _thunk(ground, walk):
        return True
    back = ground.code.mode.address(state.gpr[LINK])
    spec = _callee(ground, walk, state.pc)
    if spec is not None and spec.is_any and back in state.links:
        _check_function(ground, walk, state.pc)
    pending = back in state.links
    if not pending and (spec is None or spec.to is None or ground.code.place(back) is None):
        _check_table(ground, walk, known(place))
        return False
    spec = spec or _next_in_line(ground, walk)
    if spec is None:
        target = ground.code.describe(state.pc)
        raise Unsupported(f"calls {target}, which the contract does not name")
    # Through a thunk the call is at the instruction that made the return address.
    _call(ground, walk, spec, walk.linked_at.get(back, known(place)), back)
    return True


def _check_executable(ground: Ground, target: Term, place: Place | None) -> None:
    """Control does not go to what is known to be data."""
    symbol = target.leaf
    if symbol is None or symbol.origin is not Origin.SYMBOL:
        return
    name = symbol.name.removeprefix("&")
    if name in ground.code.image.data_symbols or symbol.note.startswith(GOT_SLOT):
        raise Unsupported(f"control goes to {name}, which is data, at {ground.code.image.label(known(place))}")


def _check_table(ground: Ground, walk: Walk, place: Place) -> None:
    """A target that a table in the image's read-only data chooses (a compiler's jump table, say) is not followed.

    What such data holds is not known here, so neither is it known that control goes astray.
    """
    unknown = set(walk.state.pc.leaves())
    for load in walk.state.loads:
        table = _table(ground, load.address) if unknown.intersection(load.value.leaves()) else None
        if table is not None:
            image = ground.code.image
            where = image.label(table) if image.relocatable else hex(table.offset)
            raise Unsupported(f"control goes where the table at {where} says, at {image.label(place)}: "
                              "what its entries hold is not followed")  # fmt: skip


def _table(ground: Ground, address: Term) -> Place | None:
    """Where the read-only data of this image is in which an address lies, whatever the index; None for another one."""
    base, offset = split(address)
    parts = base.leaves() if base is not None else ()
    places = (first.plus(offset) for part in parts if (first := ground.code.place(part)) is not None)
    return next((place for place in places if ground.code.image.constant_data(place)), None)


def _check_function(ground: Ground, walk: Walk, target: Term) -> None:
    """Where any callee is allowed, what is called must be something that can be one.

    Bare code has nothing but absolute addresses; that there is a function is then an assumption.
    """
    never = _NEVER_RETURN.intersection(ground.code.names(target))
    if never:
        raise Unsupported(f"calls {min(never)}, which does not return: nothing is claimed of a path that ends so")
    base, offset = split(target)
    if base is None and ground.code.image.fixed and offset >= ground.code.mode.lowcore and offset % 2 == 0:
        walk.trusted.append("at each absolute address that is called there is a function of the ABI")
    elif base is None:
        raise Unsupported(f"calls the absolute address {target}, which nothing names")
    elif base.leaf is not None and base.leaf.origin is Origin.SYMBOL and offset:
        raise Unsupported(f"calls {target}, which is not the beginning of a function")


def _thunk(ground: Ground, walk: Walk) -> bool:
    """An expoline thunk outside the image is what the contract says it is: a branch to its register."""
    state = walk.state
    name = state.pc.leaf.name.removeprefix("&") if state.pc.leaf else ""
    match = _THUNK.match(name)
    if match is None or not ground.contract.thunks:
        return False
    kind = "expoline_scratch" if match["scratch"] else "expoline"
    walk.trusted.append(f"{name}, of another object, obeys linux/{kind}")
    state.pc = ground.code.mode.address(state.gpr[int(match["target"])])
    if match["scratch"]:
        scratch = int(match["scratch"])
        state.gpr[scratch] = state.fresh(f"r{scratch} after {name}", 64, Origin.CLOBBERED)
    return True


def _callee(ground: Ground, walk: Walk, target: Term) -> Call | None:
    """The declared call that this target is, if any."""
    made = {call.spec.name for call in walk.calls}
    names = ground.code.names(target)
    _check_names(ground, target, names)
    for spec in ground.contract.calls:
        if spec.is_any or any(fnmatchcase(name, pattern) for name in names for pattern in spec.named):
            return spec
        if spec.to is not None and spec.name not in made and _is_target(ground, walk, spec, target):
            return spec
    return None


def _check_names(ground: Ground, target: Term, names: tuple[str, ...]) -> None:
    """An address with several names is one function, of which the contract does not say two things."""
    known = [
        next((spec.name for spec in ground.contract.calls if any(fnmatchcase(name, one) for one in spec.named)), None)
        for name in names
    ]
    if len(set(known) - {None}) > 1:
        raise Unsupported(f"{target} is {' and '.join(names)} at once, which the contract tells apart")


def _is_target(ground: Ground, walk: Walk, spec: Call, target: Term) -> bool:
    assert spec.to is not None
    try:
        return ground.moment(walk).for_some_read(spec.to, lambda to: eq(target, ground.code.mode.address(to))) is TRUE
    except Undefined:
        return False


def _next_in_line(ground: Ground, walk: Walk) -> Call | None:
    """The first declared call not made yet: a wrong target is then that call's own finding."""
    made = {call.spec.name for call in walk.calls}
    if any(spec.named for spec in ground.contract.calls) and not ground.code.names(walk.state.pc):
        raise Unsupported(f"calls {ground.code.describe(walk.state.pc)}, which nothing names: where it is a function "
                          "that the contract knows by name, give that with --let NAME=ADDRESS")  # fmt: skip
    for spec in ground.contract.calls:
        if not spec.named and spec.name not in made and not ground.choice.excludes(spec.patch):
            return spec
    return None


def _call(ground: Ground, walk: Walk, spec: Call, place: Place, back: Term) -> None:
    state = walk.state
    struct = _struct(ground, walk, spec)
    walk.calls.append(CallMade(spec, place, state.pc, back, state.copy(), walk.history, struct))
    effect = callee.call(ground.contract, spec, state, struct)
    fields = {**walk.history.fields, **effect.fields}
    if spec.replaces and effect.result is not None:
        fields[spec.replaces] = effect.result
    results = {**walk.history.results, spec.name: effect.result}
    left = {**walk.history.left, **effect.left}
    counts = {**walk.history.counts, spec.name: walk.history.counts.get(spec.name, 0) + 1}
    walk.history = replace(walk.history, results=results, struct=struct, fields=fields, left=left, counts=counts)
    state.conditions += _promised(ground, walk, spec)
    made = walk.calls[-1]
    walk.calls[-1] = replace(made, promised=tuple(state.conditions[len(made.state.conditions) :]))
    state.pc = back
    if ground.code.mode.r15 in back.leaves() or ground.code.place(back) is None:
        raise Undecided(f"the call of {spec.name} does not return to this object")


def _promised(ground: Ground, walk: Walk, spec: Call) -> list[Term]:
    """What the contract lets one assume of a callee that has returned. What was read before it tells nothing of it."""
    state = walk.state.copy()
    state.loads, state.stores = [], []
    moment = replace(ground.moment(walk), state=state)
    try:
        return [moment.may_hold(promise) for promise in spec.ensures]
    except Undefined as problem:
        raise Undecided(f"what is assumed of {spec.name} when it returns has no meaning here: {problem}") from problem


def _struct(ground: Ground, walk: Walk, spec: Call) -> Term | None:
    """The address of the struct, bound by the first call that hands it out."""
    if walk.history.struct is not None or ground.contract.handed is None:
        return walk.history.struct
    wanted = f"pointer({ground.contract.handed.name})"
    for register, expected in spec.arguments.items():
        if expected.names == (wanted,):
            return walk.state.seen(register)
    return None
