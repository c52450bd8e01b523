"""What others see of a routine: at each call what the callee and the unwinder find, at the exit what is left.

A view is a list of items with names; two routines behave alike where the items of equal name are equal. The contract
says what is in it: registers and arguments that it does not mention are nobody's business.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from verify.contracts.expr import Expr, Undefined
from verify.contracts.grammar import dotted
from verify.contracts.grammar import names as names_in
from verify.contracts.registers import registers
from verify.contracts.schema import Call, Contract
from verify.contracts.scope import Moment
from verify.machine.state import State
from verify.machine.storage import stack_name
from verify.machine.term import Origin, Term, const, leaf, offset_from, plus, sub
from verify.objfile.image import Place
from verify.properties.base import Run
from verify.properties.mode_preserved import ITEMS
from verify.properties.stack_confined import granted
from verify.semantics import cc
from verify.walk.path import CallMade, Path

_ARGUMENTS = (*(f"r{n}" for n in range(2, 7)), *(f"f{n}" for n in (0, 2, 4, 6)), *(f"v{n}" for n in range(24, 32)))
_RESULTS = ("r2", "f0", "v24")
_MOST_FRAMES = 16
_SIZES = {"mem": None, "mem4": 4}
_STRUCT = leaf("the struct in the own frame", 64, Origin.ENTRY)


@dataclass(frozen=True)
class Item:
    """Something that others see: its name, its value (None: it cannot be had), and where on the path.

    `perhaps`: whether anybody looks at it is not known, so that a difference decides nothing.
    """

    what: str
    value: Term | None
    at: Place
    reason: str = ""
    perhaps: bool = False


class Viewer:
    """What is seen of the paths of one routine."""

    def __init__(self, run: Run, *, strict: bool) -> None:
        self.run, self.contract, self.strict = run, run.contract, strict
        self.grants = granted(run.contract)
        self.open = any(spec.is_any for spec in run.contract.calls)
        self.kept = tuple(_registers(run.contract, strict=strict))
        self.slots = tuple(_slots(run.contract))

    # Calls

    def at_call(self, path: Path, made: CallMade, written: Iterable[int]) -> Iterator[Item]:
        """What the callee of one call sees; `written` are stack offsets to look at besides."""
        number = f" (call {path.calls.index(made) + 1})" if self.open else ""
        for item in self._call(path, made, made.spec, written):
            yield replace(item, what=f"{item.what} at the call of {made.spec.name}{number}")

    def _call(self, path: Path, made: CallMade, spec: Call, written: Iterable[int]) -> Iterator[Item]:
        moment = self.run.at_call(path, made)
        yield Item("the target", made.target, made.at)
        if spec.is_any:
            for name in _ARGUMENTS:
                yield from (replace(item, perhaps=True) for item in _register(name, made.state, made.at))
            yield from self._frame(made)
        yield from self._listed(moment, made, spec)
        yield from self._struct(moment, spec, made.at)
        if self.contract.unwind is not None:
            yield from self._frames(moment, made)
        for mode in self.contract.mode or ():
            if mode != "condition-code":
                yield from (Item(what, found, made.at) for what, found, _ in ITEMS[mode](made.state))
        yield from (Item(f"c{number}", value, made.at) for number, value in enumerate(made.state.control))
        yield from self._stack(made.state, written, made.at)

    def _listed(self, moment: Moment, made: CallMade, spec: Call) -> Iterator[Item]:
        """The arguments that the contract lists. Where a struct lies in the frame is the routine's own business."""
        state, struct, points = made.state, moment.history.struct, False
        for number, wanted in spec.arguments.items():
            found, what = state.seen(number), f"r{number}"
            private = _private(found, state)
            own = struct is not None and _private(struct, state) is not struct
            if own and struct is not None and any(name.startswith("pointer(") for name in wanted.names):
                found, what = sub(found, struct), f"r{number}, counted from the struct,"
            elif private is not found:
                found = _STRUCT if number in spec.into else private
                points |= number not in spec.into
            yield Item(what, found, made.at, perhaps=found is private and private is not state.seen(number))
        if points and not spec.is_any:
            yield from self._frame(made)

    def _struct(self, moment: Moment, spec: Call, at: Place) -> Iterator[Item]:
        handed = self.contract.handed
        if handed is None or moment.history.struct is None:
            return
        listed = [name for name, _ in handed.complete]
        listed += [name.removeprefix(f"{handed.name}.") for name in (*spec.mutable, *spec.kept)]
        for name in dict.fromkeys(listed):
            what = f"{handed.name}.{name}"
            try:
                yield Item(what, moment.field(name), at)
            except Undefined as problem:
                yield Item(what, None, at, str(problem))

    def _frames(self, moment: Moment, made: CallMade) -> Iterator[Item]:
        """The way of the unwinder from r15 to the caller's frame, with the return addresses that it finds."""
        chain_at = self.contract.offset("stack_frame.back_chain")[0]
        return_at = self.contract.offset("stack_frame.return_address")[0]
        mode, wanted = made.state.mode, len(self.contract.unwind or ())
        frame = made.state.seen(15)
        for hop in range(1, _MOST_FRAMES):
            what = f"frame {hop} of the back chain"
            try:
                if mode.offset(frame) is None:
                    raise Undefined(f"{frame} is not on the stack")
                above = moment.memory(plus(frame, chain_at), old=False)
                up = offset_from(above, frame)
                if up is None or up <= 0:
                    yield Item(f"whether {what} is the caller's", None, made.at, f"{above} is no frame above {frame}")
                    yield Item(f"the word that should lead to {what}", above, made.at)
                    return
                if hop <= wanted:
                    yield Item(
                        f"the return address in {what}", moment.memory(plus(above, return_at), old=False), made.at
                    )
            except Undefined as problem:
                yield Item(f"whether {what} is the caller's", None, made.at, str(problem))
                return
            last = above is mode.r15
            yield Item(f"whether {what} is the caller's", const(last, 1), made.at)
            if last:
                return
            frame = above

    def _frame(self, made: CallMade) -> Iterator[Item]:
        """The own frame above the callee's save area: there may be arguments, or what an argument points to."""
        state, sp = made.state, made.state.sp
        if sp is None:
            return
        first, size = sp + self.contract.layout.structs["stack_frame"].size, state.stack.cell
        for cell in sorted({at - (at - first) % size for at in state.stack.bytes if first <= at < 0}):
            value = _private(state.stack.copy().read(cell, size, sp), state)
            yield Item(f"the {size} bytes at {cell - sp}(r15)", value, made.at, perhaps=True)

    # The exit

    def calls_on(self, path: Path) -> bool:
        """Whether a path may leave for another function, which takes arguments, instead of returning."""
        state = path.state
        return self.open and state.pc is not state.mode.address(state.mode.entry(14))

    def at_exit(self, path: Path, written: Iterable[int], *, tail: bool) -> Iterator[Item]:
        """What is there when control has left; `written` as for a call, `tail`: there may be arguments in it."""
        state, at = path.state, path.end.at
        items = [Item("pc", state.pc, at)]
        if state.mode.narrow and "r3" not in self.kept:  # the right half of a long long (psABI, "Return Values")
            items += [replace(item, perhaps=True) for item in _register("r3", state, at)]
        for name in self.kept:
            # By the ABI r14 is volatile: contracts for any function speak of it only where control goes on elsewhere.
            if name != "r14" or tail or self.strict or not self.open:
                items += _register(name, state, at)
        if tail:
            for name in dict.fromkeys(("r14", *_ARGUMENTS)):
                if name not in self.kept:
                    items += [replace(item, perhaps=name != "r14") for item in _register(name, state, at)]
        for mode in self.contract.mode or ():
            items += [Item(what, found, at) for what, found, _ in ITEMS[mode](state)]
        items += [Item(f"c{number}", value, at) for number, value in enumerate(state.control)]
        for slot in self.slots:
            items += self._claimed(slot, path, written)
        items += self._stack(state, written, at)
        for item in items:
            yield replace(item, what=f"{item.what} at the exit")

    def _claimed(self, slot: _Slot, path: Path, written: Iterable[int]) -> Iterator[Item]:
        """The bytes that either side wrote of a word of the stack that the contract's claims name.

        Nobody says when a word elsewhere is read.
        """
        state, end, what = path.state, path.end.at, slot.text
        size = slot.size or state.mode.word // 8
        try:
            offset = state.mode.offset(self.run.at_exit(path).first(slot.address))
        except Undefined as problem:
            yield Item(what, None, end, str(problem))
            return
        if offset is not None:
            stack, looked = state.stack.copy(), {*state.stack.bytes, *written}
            for first, run in _runs(one for one in range(offset, offset + size) if one in looked):
                part = what if run == size else f"bytes {first - offset} to {first - offset + run - 1} of {what}"
                yield Item(part, stack.read(first, run, state.sp), end)

    def _stack(self, state: State, written: Iterable[int], at: Place) -> Iterator[Item]:
        """The caller's part of the stack, but for what is the routine's to scribble in."""
        stack, sp = state.stack.copy(), state.sp
        lowest = 0 if sp is None else max(0, sp)
        looked = [one for one in {*stack.bytes, *written} if one >= lowest and one not in self.grants]
        for cell in sorted({one - one % stack.cell for one in looked}):
            mine = [one for one in range(cell, cell + stack.cell) if one >= lowest and one not in self.grants]
            for first, size in _runs(mine):
                yield Item(f"the {size} bytes at {stack_name(first)}", stack.read(first, size, sp), at)


def _register(name: str, state: State, at: Place) -> Iterator[Item]:
    number = 0 if name == "cc" else int(name[1:])
    if name == "cc":
        yield Item("the condition code", cc.value(state), at)
    elif name[0] == "r":
        value = state.seen(number)
        yield Item(name, value if number == 15 else _private(value, state), at)
    elif name[0] == "a":
        yield Item(name, state.access[number], at)
    else:
        yield Item(name, state.vector[2 * number], at)
        if name[0] == "v":
            yield Item(f"{name}, right half,", state.vector[2 * number + 1], at)


def _private(value: Term, state: State) -> Term:
    """An address in the own frame is counted from r15: how large the frame is, is the routine's own business."""
    sp, mode = state.sp, state.mode
    offset = mode.offset(value) if value.width == mode.word else None
    if sp is None or offset is None or not sp <= offset < 0:
        return value
    return plus(leaf("r15 now", value.width, Origin.ENTRY), offset - sp)


def _runs(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Offsets in a row as (first, number)."""
    run: list[int] = []
    for one in offsets:
        if run and one != run[-1] + 1:
            yield run[0], len(run)
            run = []
        run.append(one)
    if run:
        yield run[0], len(run)


# What the contract speaks of ------------------------------------------------------------------------------------------


def speaks_of_its_place(contract: Contract) -> bool:
    """Whether the contract claims something about storage at a distance from the routine's first instruction."""
    return any("old.pc" in expr.names for expr in (*_expressions(contract), *contract.values.values()))


def _expressions(contract: Contract) -> Iterator[Expr]:
    for table in (contract.claims, contract.early_claims):
        for claims in table.values():
            for claim in claims:
                yield claim.that
                if claim.when is not None:
                    yield claim.when


def _registers(contract: Contract, *, strict: bool) -> Iterator[str]:
    """The registers that the contract mentions at an exit, the ABI's results, and r15; in order, each once."""
    listed = [*contract.preserves, *(contract.stale or ()), *(contract.vector or ()), "r15", *_RESULTS]
    found = {f"{kind}{number}" for kind, number in registers(listed)}
    for expr in _expressions(contract):
        found |= {name for name in expr.names if name == "cc" or (name[:1] in "rf" and name[1:].isdigit())}
    if strict:
        found |= {f"r{number}" for number in range(16)} | {"cc"}
    order = {"r": 0, "c": 1, "a": 2, "f": 3, "v": 4}
    yield from sorted(found, key=lambda name: (order[name[0]], int(name[1:]) if name != "cc" else 0))


class _Slot(NamedTuple):
    """Storage that a claim speaks of: as written, the address, and the size in bytes (None: a word)."""

    text: str
    address: Expr
    size: int | None


def _slots(contract: Contract) -> Iterator[_Slot]:
    """The words of storage that the contract's claims speak of at an exit."""
    found: dict[str, _Slot] = {}
    for expr in _expressions(contract):
        for node in ast.walk(expr.tree):
            if isinstance(node, ast.Subscript) and dotted(node) is None and dotted(node.value) in _SIZES:
                text, size = ast.unparse(node), _SIZES[str(dotted(node.value))]
                address = Expr(ast.unparse(node.slice), node.slice, tuple(names_in(node.slice)))
                found[text] = _Slot(text, address, size)
    yield from found.values()
