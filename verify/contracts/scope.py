"""One moment of one path, as the contract language sees it: at a call, or at an exit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from verify.contracts.expr import Expr, Undefined
from verify.contracts.schema import Contract
from verify.errors import Undecided
from verify.machine import psw
from verify.machine.state import Load, State, Store, entry_psw_mask, entry_register
from verify.machine.storage import initial
from verify.machine.term import (
    TRUE,
    Origin,
    Term,
    and_,
    boolean,
    const,
    leaf,
    neg,
    not_,
    offset_from,
    or_,
    plus,
    split,
    sub,
    ule,
)
from verify.semantics import cc

MOST_CHOICES = 2_000  # of reads, for one expression of a contract: each variable and address in it multiplies them


@dataclass(frozen=True)
class History:
    """What happened before a moment: results of the calls made, the struct handed out, values that were replaced.

    `entry` is the address of the routine's first instruction; `left` is what callees left in their caller's save area,
    `counts` how often each call was made.
    """

    results: Mapping[str, Term | None] = field(default_factory=dict)
    struct: Term | None = None
    fields: Mapping[str, Term] = field(default_factory=dict)
    entry: Term | None = None
    left: Mapping[str, Term] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """Gives the names of a contract their terms. `picks` chooses one of its reads for each variable and address.

    `fresh` collects what must be so that those reads of storage are not of what the routine itself has stored there;
    without `stored`, what it is known to have stored means nothing either.
    """

    contract: Contract
    symbol: Callable[[str], Term]
    state: State
    history: History
    picks: Mapping[Hashable, Term] = field(default_factory=dict)
    fresh: list[Term] = field(default_factory=list)
    stored: bool = True
    _found: dict[tuple[int, int, int], list[tuple[str, Term, int]]] = field(default_factory=dict, compare=False)

    # Whole expressions

    def holds(self, expr: Expr) -> Term:
        """The Bool of an expression, true if it is so for some read of each variable in it. Raises Undefined."""
        return self.for_some_read(expr, lambda value: value)

    def may_hold(self, expr: Expr) -> Term:
        """As `holds`, but true also where a read may be of what the routine itself stored: for what is assumed."""
        return or_(*[or_(value, not_(and_(*fresh))) for value, fresh in self._for_each_read(expr, every=True)])

    def for_some_read(self, expr: Expr, build: Callable[[Term], Term]) -> Term:
        """`build(expr)` for some read of each variable: another CPU may change it between two reads."""
        choices = [and_(build(value), *fresh) for value, fresh in self._for_each_read(expr)]
        return choices[0] if len(choices) == 1 else or_(*choices)

    def first(self, expr: Expr) -> Term:
        """The expression for the first read of each variable: what to print as expected. Raises Undefined."""
        return next(self._for_each_read(expr))[0]

    def readings(self, expr: Expr) -> list[Term]:
        """The expression for every choice of reads; none where something in it was never read."""
        try:
            return [value for value, _ in self._for_each_read(expr)]
        except Undefined:
            return []

    def _for_each_read(self, expr: Expr, *, every: bool = False) -> Iterator[tuple[Term, list[Term]]]:
        """The expression for every choice of reads, and what makes them fresh. Raises Undefined and Undecided.

        A choice for which it means nothing is left out where another means something, unless `every` one must.
        """
        waiting, tried = [dict(self.picks)], 0
        given, problem = 0, None
        while waiting:
            tried += 1
            if tried > MOST_CHOICES:
                raise Undecided(f"{expr.text!r} is read in more than {MOST_CHOICES} ways on one path")
            picks = waiting.pop()
            moment = replace(self, picks=picks, fresh=[])
            try:
                value = expr.term(moment)
            except _Choice as choice:
                waiting += [{**picks, choice.key: read} for read in reversed(choice.reads)]
                continue
            except Undefined as nothing:
                if every:
                    raise
                problem = problem or nothing
                continue
            given += 1
            yield value, moment.fresh
        if problem is not None and not given:
            raise problem

    def _reads(self, name: str) -> list[Term]:
        variable = name.removeprefix("variable.")
        address, bits = self.symbol(variable), 8 * self.contract.variables[variable]
        return [
            load.value
            for load in self.state.loads
            if load.address is address and load.value.width == bits and load.guard is TRUE
        ]

    # Names

    def name(self, path: str) -> Term:
        """The term of a dotted name. Raises Undefined where it has none here."""
        if path in self.history.fields:
            return self.history.fields[path]
        if path in self.contract.values:
            return self.contract.values[path].term(self)
        if path.startswith("old."):
            return self._at_entry(path.removeprefix("old."))
        if path.startswith("called("):
            return boolean(path[7:-1] in self.history.results)
        if path.startswith("count("):
            return const(self.history.counts.get(path[6:-1], 0), 64)
        if path.startswith("is_symbol("):
            place = self.name(path[10:-1]).leaf
            return boolean(place is not None and place.origin is Origin.SYMBOL)
        if path.startswith("pointer("):
            return self._struct()
        head, _, rest = path.partition(".")
        if not rest:
            return self._now(path)
        if head == "variable":
            return self._picked(path, self._reads(path), path)
        if head == "symbol":
            return self.symbol(rest)
        if head == "given":
            return self._given(rest)
        if head == "const":
            return const(self.contract.layout.constants[rest], 64)
        return self._field_or_result(path, head, rest)

    def _given(self, name: str) -> Term:
        """A number that the object's absolute symbols tell, or the contract where they do not."""
        told, default = self.symbol(name), self.contract.given[name]
        return told if told.is_const or default is None else const(default, 64)

    def _field_or_result(self, path: str, head: str, rest: str) -> Term:
        handed = self.contract.handed
        if path in self.history.left:
            return self.history.left[path]
        if any(call.name == head and rest in call.leaves for call in self.contract.calls):
            raise Undefined(f"{head} is not called on this path")
        if rest == "result":
            result = self.history.results.get(head)
            if result is None:
                raise Undefined(f"{head} is not called on this path")
            return result
        if path == "psw.mask":
            state = self.state
            return state.mode.psw_mask(psw.compose(state.system_mask, cc.value(state), state.program_mask))
        if handed is not None and head == handed.name:
            return self.field(rest)
        if rest == "size":
            return const(self.contract.layout.structs[head].size, 64)
        return const(self.contract.offset(path)[0], 64)

    def field(self, name: str) -> Term:
        """What a field of the struct handed out holds in storage now. Raises Undefined."""
        handed = self.contract.handed
        base = self.state.mode.offset(self._struct())
        if handed is None or base is None:
            raise Undefined("the struct handed out is not on the stack")
        where = self.contract.layout.structs[handed.type].field(name)
        return self.state.stack.read(base + where.at, where.size, self.state.sp)

    def _struct(self) -> Term:
        if self.history.struct is None:
            raise Undefined("no struct was handed out on this path")
        return self.history.struct

    def _picked(self, key: Hashable, reads: list[Term], what: str) -> Term:
        if key in self.picks:
            return self.picks[key]
        if not reads:
            raise Undefined(f"{what} is never read on this path")
        raise _Choice(key, reads)

    def _at_entry(self, name: str) -> Term:
        if name == "cc":
            return leaf("old.cc", 2, Origin.ENTRY)
        if name == "psw.mask":
            return entry_psw_mask(self.state.mode)
        if name == "pc":
            if self.history.entry is None:
                raise Undefined("the routine has no address here")
            return self.history.entry
        if name[0] == "f":
            return leaf(f"old.v{name[1:]}.left", 64, Origin.ENTRY)
        return entry_register(int(name[1:]), self.state.mode)

    def _now(self, name: str) -> Term:
        if name == "pc":
            return self.state.pc
        if name == "cc":
            return cc.value(self.state)
        if name[0] == "f":
            return self.state.vector[2 * int(name[1:])]
        return self.state.seen(int(name[1:]))

    def memory(self, address: Term, *, old: bool, size: int | None = None) -> Term:
        """A word (eight bytes, four in 31-bit code; or `size` bytes) of stack storage, now or at entry.

        Elsewhere it is what this path stored there or, if it did not, read. Raises Undefined where it did neither, and
        for `old.mem` outside the stack: another CPU may have written.
        """
        mode = self.state.mode
        address, word = mode.address(address), size or mode.word // 8
        offset = mode.offset(address)
        if offset is None and (old or mode.r15 in address.leaves()):
            raise Undefined(f"{split(address)[0]} is not an address on the stack")
        if offset is None:
            return self._elsewhere(address, word)
        if old:
            return initial(offset, word, self.state.stack.cell)
        return self.state.stack.read(offset, word, self.state.sp)

    def _elsewhere(self, address: Term, word: int) -> Term:
        """What this path stored last at an address outside the stack, or else one of its reads there."""
        stores = self.state.stores
        for number in reversed(range(len(stores))):
            store = stores[number]
            if store.address is address and store.value.width == 8 * word and store.guard is TRUE:
                if not self.stored:
                    raise Undefined(f"storage at {address} is what the routine itself stored")
                self.fresh.extend(self._apart(address, later, word) for later in stores[number + 1 :])
                return store.value
        loads = {load.value: load for load in self.state.loads if _reads_whole(load, address, word)}
        picked = self._picked((address, word), list(loads), f"storage at {address}")
        before = loads[picked].stores
        self.fresh.extend(self._apart(address, store, word) for store in stores[:before])
        if self.stored:  # what was written over in part after the read is not there any more
            self.fresh.extend(not_(store.guard) for store in stores[before:] if _overlaps(address, store, word))
        return picked

    def _apart(self, address: Term, store: Store, word: int) -> Term:
        if store.offset is not None:
            return TRUE  # an address outside the protected stack: the contract says that it is elsewhere
        here, there = self._region(address, word), self._region(store.address, store.value.width // 8)
        return TRUE if here is not None and there is not None and here != there else _apart(address, store, word)

    # Regions

    def regions_apart(self) -> Iterator[Term]:
        """That the contract's regions do not overlap and do not wrap, as far as this path knows where they lie."""
        known = self._regions()
        for _, base, size in known:
            yield or_(ule(base, const(-size - 1, base.width)))
        for number, (name, base, size) in enumerate(known):
            for other, second, length in known[number + 1 :]:
                if name != other:
                    yield or_(ule(plus(base, size), second), ule(plus(second, length), base))

    def _regions(self) -> list[tuple[str, Term, int]]:
        """Name, base and size of each region. A base is read where only regions before it are known to be apart.

        Each store asks for them, and each base that is read asks for those before it: they are worked out once.
        """
        key = len(self.contract.regions), len(self.state.loads), len(self.state.stores)
        if key not in self._found:
            self._found[key] = list(self._read_regions())
        return self._found[key]

    def _read_regions(self) -> Iterator[tuple[str, Term, int]]:
        for number, region in enumerate(self.contract.regions):
            earlier = replace(self.contract, regions=self.contract.regions[:number])
            moment = replace(self, contract=earlier, picks={}, stored=False)
            try:
                found = [value for value, fresh in moment._for_each_read(region.base) if and_(*fresh) is TRUE]
            except Undefined:
                continue
            yield from ((region.name, base, region.size) for base in found)

    def _region(self, address: Term, size: int) -> str | None:
        """The region in which these bytes lie, if they lie in one."""
        for name, base, length in self._regions():
            distance = offset_from(address, base)
            if distance is not None and 0 <= distance <= length - size:
                return name
        return None


class _Choice(Exception):
    """A variable or an address was read more than once, or for the first time: which read is meant?"""

    def __init__(self, key: Hashable, reads: list[Term]) -> None:
        super().__init__(str(key))
        self.key, self.reads = key, reads


def _reads_whole(load: Load, address: Term, word: int) -> bool:
    return load.address is address and load.value.width == 8 * word and load.guard is TRUE


def _overlaps(address: Term, store: Store, word: int) -> bool:
    """Whether a store certainly touches the word at an address."""
    distance = offset_from(address, store.address)
    return distance is not None and -word < distance < store.value.width // 8


def _apart(address: Term, store: Store, word: int) -> Term:
    """That a store does not touch the word at an address: neither begins inside the other, modulo the wrap."""
    size, bits = store.value.width // 8, address.width
    distance = sub(address, store.address)
    apart = and_(ule(const(size, bits), distance), ule(const(word, bits), neg(distance)))
    return or_(not_(store.guard), apart)


__all__ = ["History", "Moment"]
