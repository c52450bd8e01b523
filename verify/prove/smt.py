"""Terms to Z3, and one solver with a deterministic budget.

Z3 terms begin here and end here. The budget is Z3's `rlimit`, which does not depend on the machine's speed; a query
that exceeds it is `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import z3

from verify.machine.term import BOOL, FALSE, TRUE, Term

RLIMIT = 4_000_000
QUICK_RLIMIT = 100_000


def to_z3(term: Term) -> Any:
    """The Z3 expression of a term, kept on the term."""
    if term._z3 is None:
        waiting = [term]
        while waiting:  # no recursion: a loop of a thousand instructions makes a deep term
            node = waiting[-1]
            missing = [arg for arg in node.args if arg._z3 is None]
            if missing:
                waiting.extend(missing)
            else:
                waiting.pop()
                if node._z3 is None:
                    node._z3 = _build(node)
    return term._z3


def _build(term: Term) -> Any:
    args = [arg._z3 for arg in term.args]
    if term.op == "const":
        return z3.BoolVal(bool(term.param)) if term.width == BOOL else z3.BitVecVal(term.param, term.width)
    if term.op == "leaf":
        return z3.Bool(term.param.name) if term.width == BOOL else z3.BitVec(_symbol(term), term.width)
    if term.op == "extract":
        return z3.Extract(term.param[0], term.param[1], args[0])
    if term.op == "zero_extend":
        return z3.ZeroExt(term.width - term.args[0].width, args[0])
    if term.op == "sign_extend":
        return z3.SignExt(term.width - term.args[0].width, args[0])
    return _OPERATORS[term.op](*args)


def _symbol(term: Term) -> str:
    """Names of different origin or width never meet."""
    return f"{term.param.name}:{term.param.origin.name}:{term.width}"


_OPERATORS: dict[str, Callable[..., Any]] = {
    "bvadd": lambda a, b: a + b, "bvsub": lambda a, b: a - b, "bvmul": lambda a, b: a * b,
    "bvand": lambda a, b: a & b, "bvor": lambda a, b: a | b, "bvxor": lambda a, b: a ^ b, "bvnot": lambda a: ~a,
    "bvshl": lambda a, n: a << n, "bvlshr": z3.LShR, "bvashr": lambda a, n: a >> n, "concat": z3.Concat,
    "=": lambda a, b: a == b, "bvult": z3.ULT, "bvule": z3.ULE, "bvslt": lambda a, b: a < b,
    "bvsle": lambda a, b: a <= b, "not": z3.Not, "and": z3.And, "or": z3.Or, "ite": z3.If,
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A start state (and handler effect) that satisfies a query."""

    model: Any

    def value(self, term: Term) -> int:
        """The value of a term under this model; what the model leaves open is zero."""
        result = self.model.eval(to_z3(term), model_completion=True)
        return int(z3.is_true(result)) if term.width == BOOL else int(result.as_long())


class SolverLimit(Exception):
    """The budget ran out before the solver decided."""


class Solver:
    """Satisfiability of conjunctions, with results kept for equal conjunctions."""

    def __init__(self, rlimit: int = RLIMIT) -> None:
        self.rlimit = rlimit
        self.queries = 0
        self._known: dict[frozenset[Term], Model | None] = {}

    def satisfy(self, terms: Iterable[Term], rlimit: int | None = None) -> Model | None:
        """A model of the conjunction, or None when there is none. Raises SolverLimit."""
        wanted = list(dict.fromkeys(term for term in terms if term is not TRUE))
        if FALSE in wanted:
            return None
        key = frozenset(wanted)
        if key not in self._known:
            self._known[key] = self._ask(wanted, rlimit or self.rlimit)
        return self._known[key]

    def _ask(self, wanted: list[Term], rlimit: int) -> Model | None:
        self.queries += 1
        solver = z3.SolverFor("QF_BV")
        solver.set("rlimit", rlimit)
        for term in wanted:
            solver.add(to_z3(term))
        answer = solver.check()
        if answer == z3.unknown:
            raise SolverLimit(solver.reason_unknown())
        return Model(solver.model()) if answer == z3.sat else None
