"""The value of terms under numbers for their unknowns.

SMT-LIB's definition of each operation, on Python numbers: no folding rule of `term` is used, and nothing of Z3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from verify.machine.term import Term


class Evaluation:
    """Terms to numbers. A value is kept for each term, so that none is worked out twice."""

    def __init__(self, values: Mapping[Term, int]) -> None:
        self.values = values
        self._known: dict[Term, int] = {}

    def __call__(self, term: Term) -> int:
        """The unsigned value of a term; a Bool is 0 or 1. Raises KeyError for an unknown without a number."""
        known, waiting = self._known, [term]
        while waiting:  # no recursion: terms can be deep
            node = waiting[-1]
            if node in known:
                waiting.pop()
            elif node.op == "leaf":
                known[node] = self.values[node]
            else:
                missing = [arg for arg in node.args if arg not in known]
                if missing:
                    waiting.extend(missing)
                else:
                    known[node] = _OPERATIONS[node.op](node, [known[arg] for arg in node.args])
        return known[term]


def unknowns(terms: Iterable[Term]) -> set[Term]:
    """All unknowns that occur in these terms."""
    found: set[Term] = set()
    return found.union(*(term.leaves() for term in terms))


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


def _mask(term: Term) -> int:
    return (1 << term.width) - 1


def _concat(term: Term, v: list[int]) -> int:
    total = 0
    for arg, value in zip(term.args, v, strict=True):
        total = total << arg.width | value
    return total


def _arithmetic_right(term: Term, v: list[int]) -> int:
    return _signed(v[0], term.width) >> min(v[1], term.width) & _mask(term)


def _less(strict: bool) -> Callable[[Term, list[int]], int]:
    def compare(term: Term, v: list[int]) -> int:
        a, b = (_signed(value, term.args[0].width) for value in v)
        return int(a < b if strict else a <= b)

    return compare


_OPERATIONS: dict[str, Callable[[Term, list[int]], int]] = {
    "const": lambda t, v: int(t.param),
    "bvadd": lambda t, v: v[0] + v[1] & _mask(t),
    "bvsub": lambda t, v: v[0] - v[1] & _mask(t),
    "bvmul": lambda t, v: v[0] * v[1] & _mask(t),
    "bvand": lambda t, v: v[0] & v[1],
    "bvor": lambda t, v: v[0] | v[1],
    "bvxor": lambda t, v: v[0] ^ v[1],
    "bvnot": lambda t, v: ~v[0] & _mask(t),
    "bvshl": lambda t, v: v[0] << v[1] & _mask(t) if v[1] < t.width else 0,
    "bvlshr": lambda t, v: v[0] >> v[1] if v[1] < t.width else 0,
    "bvashr": _arithmetic_right,
    "concat": _concat,
    "extract": lambda t, v: v[0] >> t.param[1] & _mask(t),
    "zero_extend": lambda t, v: v[0],
    "sign_extend": lambda t, v: _signed(v[0], t.args[0].width) & _mask(t),
    "=": lambda t, v: int(v[0] == v[1]),
    "bvult": lambda t, v: int(v[0] < v[1]),
    "bvule": lambda t, v: int(v[0] <= v[1]),
    "bvslt": _less(strict=True),
    "bvsle": _less(strict=False),
    "not": lambda t, v: 1 - v[0],
    "and": lambda t, v: int(all(v)),
    "or": lambda t, v: int(any(v)),
    "ite": lambda t, v: v[1] if v[0] else v[2],
}
