"""One moment of one path, as the contract language sees it: at a call, or at an exit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from verify.contracts.expr import Expr, Undefined
from verify.contracts.schema import Contract
from verify.machine import psw
from verify.machine.state import OLD_R15, State, entry_psw_mask, entry_register
from verify.machine.storage import initial
from verify.machine.term import TRUE, Origin, Term, boolean, const, leaf, offset_from, or_, split
from verify.semantics import cc

_WORD = 8


@dataclass(frozen=True)
class History:
    """What happened before a moment: results of the calls made, the struct handed out, values that were replaced."""

    results: Mapping[str, Term | None] = field(default_factory=dict)
    struct: Term | None = None
    fields: Mapping[str, Term] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """Gives the names of a contract their terms. `picks` chooses, for each variable, one of its reads."""

    contract: Contract
    symbol: Callable[[str], Term]
    state: State
    history: History
    picks: Mapping[str, Term] = field(default_factory=dict)

    # Whole expressions

    def holds(self, expr: Expr) -> Term:
        """The Bool of an expression, true if it is so for some read of each variable in it. Raises Undefined."""
        return self.for_some_read(expr, lambda value: value)

    def for_some_read(self, expr: Expr, build: Callable[[Term], Term]) -> Term:
        """`build(expr)` for some read of each variable: another CPU may change it between two reads."""
        names = sorted(self._variables(expr))
        reads = [self._reads(name) for name in names]
        for name, found in zip(names, reads, strict=True):
            if not found:
                raise Undefined(f"{name} is never read on this path")
        choices = [
            build(expr.term(replace(self, picks=dict(zip(names, chosen, strict=True)))))
            for chosen in itertools.product(*reads)
        ]
        return choices[0] if len(choices) == 1 else or_(*choices)

    def first(self, expr: Expr) -> Term:
        """The expression for the first read of each variable: what to print as expected. Raises Undefined."""
        names = sorted(self._variables(expr))
        picks = {name: reads[0] for name in names if (reads := self._reads(name))}
        return expr.term(replace(self, picks=picks))

    def _variables(self, expr: Expr) -> set[str]:
        found = {name for name in expr.names if name.startswith("variable.")}
        for name in expr.names:
            if name in self.contract.values:
                found |= self._variables(self.contract.values[name])
        return found

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
        if path.startswith("is_symbol("):
            place = self.name(path[10:-1]).leaf
            return boolean(place is not None and place.origin is Origin.SYMBOL)
        if path.startswith("pointer("):
            return self._struct()
        head, _, rest = path.partition(".")
        if not rest:
            return self._now(path)
        if head == "variable":
            if path not in self.picks:
                raise Undefined(f"{path} is never read on this path")
            return self.picks[path]
        if head == "symbol":
            return self.symbol(rest)
        if head == "const":
            return const(self.contract.layout.constants[rest], 64)
        return self._field_or_result(path, head, rest)

    def _field_or_result(self, path: str, head: str, rest: str) -> Term:
        handed = self.contract.handed
        if rest == "result":
            result = self.history.results.get(head)
            if result is None:
                raise Undefined(f"{head} is not called on this path")
            return result
        if path == "psw.mask":
            state = self.state
            return psw.compose(state.system_mask, cc.value(state), state.program_mask)
        if handed is not None and head == handed.name:
            return self.field(rest)
        return const(self.contract.offset(path)[0], 64)

    def field(self, name: str) -> Term:
        """What a field of the struct handed out holds in storage now. Raises Undefined."""
        handed = self.contract.handed
        base = offset_from(self._struct(), OLD_R15)
        if handed is None or base is None:
            raise Undefined("the struct handed out is not on the stack")
        where = self.contract.layout.structs[handed.type].field(name)
        return self.state.stack.read(base + where.at, where.size, self.state.sp)

    def _struct(self) -> Term:
        if self.history.struct is None:
            raise Undefined("no struct was handed out on this path")
        return self.history.struct

    def _at_entry(self, name: str) -> Term:
        if name == "cc":
            return leaf("old.cc", 2, Origin.ENTRY)
        if name == "psw.mask":
            return entry_psw_mask()
        if name[0] == "f":
            return leaf(f"old.v{name[1:]}.left", 64, Origin.ENTRY)
        return entry_register(int(name[1:]))

    def _now(self, name: str) -> Term:
        if name == "pc":
            return self.state.pc
        if name == "cc":
            return cc.value(self.state)
        if name[0] == "f":
            return self.state.vector[2 * int(name[1:])]
        return self.state.gpr[int(name[1:])]

    def memory(self, address: Term, *, old: bool) -> Term:
        """Eight bytes of stack storage, now or at entry. Raises Undefined outside the stack."""
        offset = offset_from(address, OLD_R15)
        if offset is None:
            raise Undefined(f"{split(address)[0]} is not an address on the stack")
        if old:
            return initial(offset, _WORD)
        return self.state.stack.read(offset, _WORD, self.state.sp)


__all__ = ["History", "Moment"]
