"""Terms to Z3, and one solver with a deterministic budget.

Z3 terms begin here and end here. The budget is Z3's `rlimit`, which does not depend on the machine's speed; a query
that exceeds it is `unknown`. A solver has a Z3 context of its own: Z3 orders terms by their age, so that in a shared
context a counterexample would depend on what this process proved before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from verify.machine.evaluate import Evaluation, unknowns
from verify.machine.term import BOOL, FALSE, TRUE, Term

RLIMIT = 4_000_000
QUICK_RLIMIT = 100_000
PATIENCE = 8  # queries that may exceed their budget, after which all others of this solver get the small one


@cache
def z3() -> Any:
    """The solver's module, imported when a question needs it: many routines are decided without one."""
    import z3 as module

    return module


def to_z3(term: Term, built: dict[Term, Any] | None = None, context: Any = None) -> Any:
    """The Z3 expression of a term in a context (None: Z3's own); `built` keeps what was built in that context."""
    built = {} if built is None else built
    waiting = [term]
    while waiting:  # no recursion: a loop of a thousand instructions makes a deep term
        node = waiting[-1]
        missing = [arg for arg in node.args if arg not in built]
        if missing:
            waiting.extend(missing)
        else:
            waiting.pop()
            if node not in built:
                built[node] = _build(node, [built[arg] for arg in node.args], context)
    return built[term]


def _build(term: Term, args: list[Any], context: Any) -> Any:
    if term.op == "const" and term.width == BOOL:
        return z3().BoolVal(bool(term.param), context)
    if term.op == "const":
        return z3().BitVecVal(term.param, term.width, context)
    if term.op == "leaf" and term.width == BOOL:
        return z3().Bool(term.param.name, context)
    if term.op == "leaf":
        return z3().BitVec(_symbol(term), term.width, context)
    if term.op == "extract":
        return z3().Extract(term.param[0], term.param[1], args[0])
    if term.op == "zero_extend":
        return z3().ZeroExt(term.width - term.args[0].width, args[0])
    if term.op == "sign_extend":
        return z3().SignExt(term.width - term.args[0].width, args[0])
    return _OPERATORS[term.op](*args)


def _symbol(term: Term) -> str:
    """Names of different origin or width never meet."""
    return f"{term.param.name}:{term.param.origin.name}:{term.width}"


def _named(name: str) -> Callable[..., Any]:
    return lambda *args: getattr(z3(), name)(*args)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "bvadd": lambda a, b: a + b, "bvsub": lambda a, b: a - b, "bvmul": lambda a, b: a * b,
    "bvand": lambda a, b: a & b, "bvor": lambda a, b: a | b, "bvxor": lambda a, b: a ^ b, "bvnot": lambda a: ~a,
    "bvshl": lambda a, n: a << n, "bvlshr": _named("LShR"), "bvashr": lambda a, n: a >> n, "concat": _named("Concat"),
    "=": lambda a, b: a == b, "bvult": _named("ULT"), "bvule": _named("ULE"), "bvslt": lambda a, b: a < b,
    "bvsle": lambda a, b: a <= b, "not": _named("Not"), "and": _named("And"), "or": _named("Or"), "ite": _named("If"),
}  # fmt: skip


class Model(dict[Term, int]):
    """A start state (and handler effect) that satisfies a query: numbers for unknowns, zero for all others."""

    def __missing__(self, _unknown: Term) -> int:
        return 0

    def value(self, term: Term) -> int:
        """The value of a term under this model."""
        return Evaluation(self)(term)


def _guessed(wanted: list[Term]) -> Model | None:
    """A model that needs no solver: all zeros, or small numbers that differ; most satisfiable queries have one."""
    names = sorted(unknowns(wanted), key=str)
    for guess in (Model(), Model({name: (n + 1) << 12 & _ones(name) for n, name in enumerate(names)})):
        evaluate = Evaluation(guess)
        if all(evaluate(term) for term in wanted):
            return Model({name: guess[name] for name in names})
    return None


def _ones(unknown: Term) -> int:
    return (1 << max(1, unknown.width)) - 1


class SolverLimit(Exception):
    """The budget ran out before the solver decided."""


class Solver:
    """Satisfiability of conjunctions, with results kept for equal conjunctions."""

    def __init__(self, rlimit: int = RLIMIT) -> None:
        self.rlimit = rlimit
        self.queries = 0
        self._known: dict[frozenset[Term], Model | None] = {}
        self._exhausted = 0
        self._gave_up: dict[frozenset[Term], tuple[int, str]] = {}
        self._context: Any = None
        self._built: dict[Term, Any] = {}

    def _translate(self, term: Term) -> Any:
        return to_z3(term, self._built, self._context)

    def satisfy(self, terms: Iterable[Term], rlimit: int | None = None) -> Model | None:
        """A model of the conjunction, or None when there is none. Raises SolverLimit."""
        wanted = list(dict.fromkeys(term for term in terms if term is not TRUE))
        if FALSE in wanted:
            return None
        key, budget = frozenset(wanted), rlimit or self.rlimit
        if key not in self._known:
            spent, reason = self._gave_up.get(key, (0, ""))
            if budget <= spent:
                raise SolverLimit(reason)
            guess = _guessed(wanted)
            try:
                self._known[key] = self._ask(wanted, budget) if guess is None else guess
            except SolverLimit as limit:
                self._gave_up[key] = budget, str(limit)
                raise
        return self._known[key]

    def _ask(self, wanted: list[Term], rlimit: int) -> Model | None:
        self.queries += 1
        if self._context is None:  # several milliseconds, which many routines never need
            self._context = z3().Context()
        solver = z3().SolverFor("QF_BV", ctx=self._context)
        solver.set("rlimit", rlimit if self._exhausted < PATIENCE else min(rlimit, QUICK_RLIMIT))
        for term in wanted:
            solver.add(self._translate(term))
        answer = solver.check()
        if answer == z3().unknown:
            self._exhausted += 1
            raise SolverLimit(solver.reason_unknown())
        return self._model(solver.model(), wanted) if answer == z3().sat else None

    def _model(self, found: Any, wanted: list[Term]) -> Model:
        model = Model()
        for unknown in sorted(unknowns(wanted), key=str):
            value = found.eval(self._translate(unknown), model_completion=True)
            model[unknown] = int(z3().is_true(value)) if unknown.width == BOOL else int(value.as_long())
        return model
