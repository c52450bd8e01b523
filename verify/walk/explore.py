"""Walk every path of a routine: fork at conditional branches, replace calls by their contracts, stop at bounds.

A routine is its entry and everything reachable inside the image, across symbols and sections. Control leaves it in
two ways: with a return address into this image pending in r14, which is a call (POP "BRANCH AND SAVE" made that
address, and control has not come back to it yet), or without one, which is an exit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from verify.contracts import callee
from verify.contracts.expr import Undefined
from verify.contracts.schema import Call, Contract
from verify.contracts.scope import History, Moment
from verify.errors import Undecided, Unsupported
from verify.machine.mode import Mode
from verify.machine.state import GOT_SLOT, Load, State, Store, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import INDETERMINATE, TRUE, Origin, Term, eq, not_, plus, split
from verify.objfile.image import Place
from verify.semantics import zarch
from verify.semantics.code import Code
from verify.semantics.step import Jump, perform, start
from verify.verdict import Verdict
from verify.walk.path import CallMade, Exit, Patched, Path, Stop

MOST_VISITS = 64
MOST_PATHS = 512
MOST_STEPS = 50_000
MOST_STOPS = 8
_LINK = 14
# The older thunks name a scratch register first: r1use_r14 branches to r14 (arch/s390/include/asm/nospec-insn.h, 4.16).
_THUNK = re.compile(r"^__s390x?_indirect_jump_r(?:(?P<scratch>\d+)use_r)?(?P<target>\d+)$")

Feasible = Callable[[list[Term]], bool]
Watch = Callable[[State, Code, Place], None]
"""Told of every instruction before it is executed."""


@dataclass
class _Walk:
    """A path under way."""

    state: State
    places: list[Place] = field(default_factory=list)
    out_of_line: list[Place] = field(default_factory=list)
    visits: Counter[Place] = field(default_factory=Counter)
    calls: list[CallMade] = field(default_factory=list)
    history: History = field(default_factory=History)
    linked_at: dict[Term, Place] = field(default_factory=dict)
    trusted: list[str] = field(default_factory=list)

    def fork(self) -> _Walk:
        return _Walk(
            self.state.copy(),
            list(self.places),
            list(self.out_of_line),
            self.visits.copy(),
            list(self.calls),
            self.history,
            dict(self.linked_at),
            list(self.trusted),
        )


def explore(
    code: Code, contract: Contract, entry: Place, choice: Patched, feasible: Feasible,
    watch: Watch | None = None,
) -> Iterator[Path]:  # fmt: skip
    """Yield every path from `entry`. Nothing is cut in silence: a path that was given up ends in a Stop."""
    assert zarch  # imported for its registrations
    if contract.bits != code.mode.bits:
        raise Unsupported(f"this is {code.mode.bits}-bit code, and {contract.name} is for {contract.bits}-bit code")
    explorer = _Explorer(code, contract, choice, feasible, watch)
    history = History(entry=code.address(entry))
    begin = entry_state(code.address(entry), _defined(contract), code.mode, code.constant)
    begin.stack.switches = bool(contract.switches)
    waiting = [_Walk(begin, history=history)]
    finished = stopped = 0
    while waiting:
        bound = _bound(finished, len(waiting), stopped)
        if bound is not None:
            # Every fork that was not followed is given up by name: what lies behind it may be taken, whatever
            # becomes of the paths that were.
            yield from (explorer.ended(walk, Stop(Verdict.UNKNOWN, bound, _at(walk, entry))) for walk in waiting)
            return
        walk = waiting.pop()
        end = explorer.run(walk, waiting)
        finished += 1
        stopped += isinstance(end, Stop) and feasible(walk.state.conditions)
        yield explorer.ended(walk, end)


def _bound(finished: int, waiting: int, stopped: int) -> str | None:
    """Why no further path is followed, if that is so."""
    if finished + waiting > MOST_PATHS:
        return f"more than {MOST_PATHS} paths"
    if stopped >= MOST_STOPS:
        return f"not followed, after {MOST_STOPS} paths that were given up"
    return None


def _at(walk: _Walk, entry: Place) -> Place:
    return walk.places[-1] if walk.places else entry


def _defined(contract: Contract) -> Ranges:
    """The stack bytes that hold something at entry: the caller's frame, its back chain, what the protocol stores."""
    frame = contract.layout.structs["stack_frame"]
    slots = [*contract.defines, *contract.keeps]
    return Ranges(((frame.size, None), *[contract.offset(name) for name in slots]))


class _Explorer:
    def __init__(
        self, code: Code, contract: Contract, choice: Patched, feasible: Feasible, watch: Watch | None
    ) -> None:
        self.code, self.contract, self.choice, self.feasible, self.watch = code, contract, choice, feasible, watch
        self.steps = 0
        # Functions that the contract names are called by their contract, also where the image contains them.
        self.named = {
            code.symbol(spec.to.text.removeprefix("symbol."))
            for spec in contract.calls
            if spec.to is not None and spec.to.names == (spec.to.text,) and spec.to.text.startswith("symbol.")
        }

    def ended(self, walk: _Walk, end: Exit | Stop) -> Path:
        if isinstance(end, Exit):
            walk.state.conditions += self.moment(walk).regions_apart()
        return Path(
            self.code,
            self.choice,
            tuple(walk.places),
            tuple(walk.out_of_line),
            walk.state,
            tuple(walk.calls),
            walk.history,
            end,
            tuple(dict.fromkeys(walk.trusted)),
        )

    def run(self, walk: _Walk, waiting: list[_Walk]) -> Exit | Stop:
        """Follow one path to its end; the other sides of its forks go to `waiting`."""
        place = None
        try:
            while True:
                here = self.code.place(walk.state.pc)
                if here is not None and not self.is_named_call(walk.state):
                    place = here
                    if self.step(walk, here, waiting):
                        return Exit(here)
                elif not self.leave(walk, place):
                    return Exit(_known(place))
        except Unsupported as problem:
            return Stop(Verdict.UNSUPPORTED, str(problem), _known(place))
        except Undecided as problem:
            return Stop(Verdict.UNKNOWN, str(problem), _known(place))

    def is_named_call(self, state: State) -> bool:
        return state.pc in self.named and self.code.mode.address(state.gpr[_LINK]) in state.links

    # Inside the image

    def step(self, walk: _Walk, place: Place, waiting: list[_Walk]) -> bool:
        """Execute one instruction; True when it loads a new PSW, which is an exit wherever that leads."""
        state = walk.state
        state.links -= {state.pc}
        walk.visits[place] += 1
        if walk.visits[place] > MOST_VISITS:
            raise Undecided(f"a loop through {self.code.image.label(place)} does not end in {MOST_VISITS} rounds")
        again = walk.visits[place] > 1
        step = start(state, self.code, place)
        if self.watch is not None:
            self.watch(state, self.code, place)
        walk.places.append(place)
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Undecided(f"more than {MOST_STEPS} instructions on all paths together")
        stored, loaded = len(state.stores), len(state.loads)
        try:
            perform(step)
        except Unsupported as problem:
            label = self.code.image.label(place)
            text = str(problem)
            raise Unsupported(text if label in text else f"{text}, at {label}") from problem
        self.check_stack(walk)
        walk.out_of_line += step.targets
        for link in state.links - walk.linked_at.keys():
            walk.linked_at[link] = place
        for store in state.stores[stored:]:
            self.check_separate(state, store, place)
        for load in state.loads[loaded:]:
            self.check_storage(load, place)
        if step.supervisor is not None:
            walk.trusted.append(callee.supervisor_call(self.contract, step.supervisor, state))
        if step.leaves is not None:
            state.pc = step.leaves
            return True
        self.branch(walk, step.jumps, step.next, again, waiting)
        return False

    def branch(self, walk: _Walk, jumps: list[Jump], following: Term, again: bool, waiting: list[_Walk]) -> None:
        """Go on at the next instruction, or fork for a conditional jump."""
        state = walk.state
        if not jumps:
            state.pc = following
            return
        (jump,) = jumps
        taken, fallen = jump.condition, not_(jump.condition)
        sides = [(taken, jump.target), (fallen, following)]
        open_sides = [side for side in sides if self.possible(state, side[0], again)]
        if not open_sides:
            raise Undecided("both sides of a branch are impossible: the assumptions contradict")
        for condition, target in open_sides[1:]:
            other = walk.fork()
            _go(other.state, condition, target)
            waiting.append(other)
        _go(state, *open_sides[0])

    def possible(self, state: State, condition: Term, again: bool) -> bool:
        """Leave out a side only when it certainly cannot be; the solver is asked only inside loops."""
        if condition.is_const:
            return condition is TRUE
        if not_(condition) in state.conditions:
            return False
        return not again or self.feasible([*state.conditions, condition])

    def kind(self, address: Term) -> str:
        """Which separation assumption an address would need: bare code has its data at addresses, not at symbols."""
        if address.is_const and self.code.place(address) is not None:
            return "symbols"
        return _kind(address, self.code.mode)

    def check_stack(self, walk: _Walk) -> None:
        """A stack pointer from storage is another stack's only where the contract says so; else it may be this one."""
        state = walk.state
        base, _ = split(state.gpr[15])
        if not self.contract.switches or state.sp is not None:
            return
        if not any(base is value for expr in self.contract.switches for value in self.moment(walk).readings(expr)):
            state.stack.drop_all()

    def check_separate(self, state: State, store: Store, place: Place) -> None:
        """A store that may hit the protected stack stops the path, unless the contract assumes it cannot."""
        if store.offset is not None:
            return
        kind = self.kind(store.address)
        if kind not in self.contract.separate:
            raise Undecided(
                f"the store to {store.address} at {self.code.image.label(place)} may hit the stack: "
                f"the contract does not assume that {_SEPARATE.get(kind, 'such an address')} lies elsewhere"
            )
        if kind == "pointers":
            state.stack.forget_caller()  # separate from the own frame, but perhaps a local of the caller
        if any(
            unknown.leaf is not None and unknown.leaf.note.startswith(GOT_SLOT) for unknown in store.address.leaves()
        ):
            raise Unsupported(f"the store at {self.code.image.label(place)} changes a GOT entry")
        for byte in (0, store.value.width // 8 - 1):
            target = self.code.place(plus(store.address, byte))
            if target is not None and self.code.image.code(target, 1):
                raise Unsupported(f"the store at {self.code.image.label(place)} changes code")
        if self.code.in_lowcore(store.address, store.value.width // 8):
            raise Unsupported(f"the store at {self.code.image.label(place)} changes code in the lowcore")

    def check_storage(self, load: Load, place: Place) -> None:
        """A load stops the path unless there must be storage where it looks: an access exception would interrupt it."""
        if load.offset is not None or self.kind(load.address) in self.contract.separate:
            return
        garbage = any(u.leaf is not None and u.leaf.origin in INDETERMINATE for u in load.address.leaves())
        if "pointers" in self.contract.separate and not garbage:
            return
        raise Undecided(
            f"the load from {load.address} at {self.code.image.label(place)} may find no storage there: "
            "it is not the stack, nor a symbol, nor the lowcore"
        )

    # Leaving the image

    def leave(self, walk: _Walk, place: Place | None) -> bool:
        """Handle a target outside the image; False when it is an exit."""
        state = walk.state
        self.check_executable(state.pc, place)
        if self.thunk(walk):
            return True
        back = self.code.mode.address(state.gpr[_LINK])
        spec = self.callee(walk, state.pc)
        if spec is not None and spec.is_any and back in state.links:
            self.check_function(walk, state.pc)
        pending = back in state.links
        if not pending and (spec is None or spec.to is None or self.code.place(back) is None):
            return False
        spec = spec or self.next_in_line(walk)
        if spec is None:
            target = self.code.describe(state.pc)
            raise Unsupported(f"calls {target}, which the contract does not name")
        # Through a thunk the call is at the instruction that made the return address.
        self.call(walk, spec, walk.linked_at.get(back, _known(place)), back)
        return True

    def check_executable(self, target: Term, place: Place | None) -> None:
        """Control does not go to what is known to be data."""
        symbol = target.leaf
        if symbol is None or symbol.origin is not Origin.SYMBOL:
            return
        name = symbol.name.removeprefix("&")
        if name in self.code.image.data_symbols or symbol.note.startswith(GOT_SLOT):
            raise Unsupported(f"control goes to {name}, which is data, at {self.code.image.label(_known(place))}")

    def check_function(self, walk: _Walk, target: Term) -> None:
        """Where any callee is allowed, what is called must be something that can be one.

        Bare code has nothing but absolute addresses; that there is a function is then an assumption.
        """
        base, offset = split(target)
        if base is None and self.code.image.fixed and offset >= self.code.mode.lowcore and offset % 2 == 0:
            walk.trusted.append("at each absolute address that is called there is a function of the ABI")
        elif base is None:
            raise Unsupported(f"calls the absolute address {target}, which nothing names")
        elif base.leaf is not None and base.leaf.origin is Origin.SYMBOL and offset:
            raise Unsupported(f"calls {target}, which is not the beginning of a function")

    def thunk(self, walk: _Walk) -> bool:
        """An expoline thunk outside the image is what the contract says it is: a branch to its register."""
        state = walk.state
        name = state.pc.leaf.name.removeprefix("&") if state.pc.leaf else ""
        match = _THUNK.match(name)
        if match is None or not self.contract.thunks:
            return False
        kind = "expoline_scratch" if match["scratch"] else "expoline"
        walk.trusted.append(f"{name}, of another object, obeys linux/{kind}")
        state.pc = self.code.mode.address(state.gpr[int(match["target"])])
        if match["scratch"]:
            scratch = int(match["scratch"])
            state.gpr[scratch] = state.fresh(f"r{scratch} after {name}", 64, Origin.CLOBBERED)
        return True

    def callee(self, walk: _Walk, target: Term) -> Call | None:
        """The declared call that this target is, if any."""
        made = {call.spec.name for call in walk.calls}
        names = self.code.names(target)
        for spec in self.contract.calls:
            if spec.is_any or any(fnmatchcase(name, pattern) for name in names for pattern in spec.named):
                return spec
            if spec.to is not None and spec.name not in made and self.is_target(walk, spec, target):
                return spec
        return None

    def is_target(self, walk: _Walk, spec: Call, target: Term) -> bool:
        assert spec.to is not None
        try:
            return self.moment(walk).for_some_read(spec.to, lambda to: eq(target, self.code.mode.address(to))) is TRUE
        except Undefined:
            return False

    def next_in_line(self, walk: _Walk) -> Call | None:
        """The first declared call not made yet: a wrong target is then that call's own finding."""
        made = {call.spec.name for call in walk.calls}
        if any(spec.named for spec in self.contract.calls) and not self.code.names(walk.state.pc):
            raise Unsupported(f"calls {self.code.describe(walk.state.pc)}, which nothing names: where it is a function "
                              "that the contract knows by name, give that with --let NAME=ADDRESS")  # fmt: skip
        for spec in self.contract.calls:
            if not spec.named and spec.name not in made and not self.choice.excludes(spec.patch):
                return spec
        return None

    def moment(self, walk: _Walk) -> Moment:
        return Moment(self.contract, self.code.symbol, walk.state, walk.history)

    def call(self, walk: _Walk, spec: Call, place: Place, back: Term) -> None:
        state = walk.state
        struct = self.struct(walk, spec)
        walk.calls.append(CallMade(spec, place, state.pc, back, state.copy(), walk.history, struct))
        effect = callee.call(self.contract, spec, state, struct)
        fields = {**walk.history.fields, **effect.fields}
        if spec.replaces and effect.result is not None:
            fields[spec.replaces] = effect.result
        results = {**walk.history.results, spec.name: effect.result}
        left = {**walk.history.left, **effect.left}
        counts = {**walk.history.counts, spec.name: walk.history.counts.get(spec.name, 0) + 1}
        walk.history = replace(walk.history, results=results, struct=struct, fields=fields, left=left, counts=counts)
        state.conditions += [self.moment(walk).holds(promise) for promise in spec.ensures]
        state.pc = back
        if self.code.mode.r15 in back.leaves() or self.code.place(back) is None:
            raise Undecided(f"the call of {spec.name} does not return to this object")

    def struct(self, walk: _Walk, spec: Call) -> Term | None:
        """The address of the struct, bound by the first call that hands it out."""
        if walk.history.struct is not None or self.contract.handed is None:
            return walk.history.struct
        wanted = f"pointer({self.contract.handed.name})"
        for register, expected in spec.arguments.items():
            if expected.names == (wanted,):
                return walk.state.seen(register)
        return None


def _known(place: Place | None) -> Place:
    if place is None:
        raise ValueError("a path ended before its first instruction")
    return place


def _go(state: State, condition: Term, target: Term) -> None:
    if condition is not TRUE:
        state.conditions.append(condition)
    state.pc = target


_SEPARATE = {"symbols": "storage at a symbol", "lowcore": "the lowcore", "pointers": "what a pointer designates"}
_POINTERS = frozenset(Origin) - INDETERMINATE - {Origin.MACHINE}


def _kind(address: Term, mode: Mode) -> str:
    """Which of the contract's separation assumptions an address would need; "" where none would do."""
    if mode.r15 in address.leaves():
        return ""
    base, constant = split(address)
    if base is None:
        return "lowcore" if constant < mode.lowcore else ""
    origins = {unknown.leaf.origin for unknown in address.leaves() if unknown.leaf is not None}
    if base.leaf is not None and origins <= {Origin.SYMBOL, Origin.CODE}:
        return "symbols"
    return "pointers" if origins <= _POINTERS else ""
