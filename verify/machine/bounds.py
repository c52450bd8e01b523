"""How large a term can be, from its shape alone."""

from __future__ import annotations

from collections.abc import Callable

from verify.machine.term import Term

_DEEPEST = 24


def highest(term: Term) -> int:
    """A number that the unsigned value of this bit vector never exceeds."""
    return _highest(term, {}, 0)


def _highest(term: Term, memo: dict[Term, int], depth: int) -> int:
    if term.is_const:
        return term.value
    build = _BOUNDS.get(term.op)
    if build is None or depth == _DEEPEST:
        return (1 << term.width) - 1
    if term not in memo:  # parts that are shared are looked at once
        values = term.args[1:] if term.op == "ite" else term.args
        memo[term] = build(term, [_highest(arg, memo, depth + 1) for arg in values])
    return memo[term]


def _joined(term: Term, bounds: list[int]) -> int:
    total = 0
    for arg, bound in zip(term.args, bounds, strict=True):
        total = total << arg.width | bound
    return total


_BOUNDS: dict[str, Callable[[Term, list[int]], int]] = {
    "zero_extend": lambda _, bounds: bounds[0],
    "bvand": lambda _, bounds: min(bounds),
    "ite": lambda _, bounds: max(bounds),
    "concat": _joined,
}
