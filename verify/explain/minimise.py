"""The smallest start state that still breaks the claim: zeros first, else small numbers that differ.

From the solver's model, one unknown after the other is given the simplest number under which all conditions still
hold, in the manner of Hypothesis's shrinking. No solver is asked: conditions are evaluated.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from verify.explain.values import Values, domain
from verify.machine.evaluate import Evaluation, unknowns
from verify.machine.term import Term

POINTERS = 0x20_0000_0000  # where storage behind pointers lies, a page each
_POINTERS_31 = 0x3000_0000  # the same for 31-bit code
_PAGE = 0x1000


def smallest(
    conditions: Sequence[Term],
    model: Mapping[Term, int],
    fixed: Mapping[Term, int],
    pointers: Iterable[Term],
    shown: Iterable[Term] = (),
) -> dict[Term, int] | None:
    """Numbers for the unknowns of the conditions; None where they do not hold with the addresses as they are fixed.

    Terms that are `shown` get numbers for their unknowns too, small ones that differ.
    """
    free = sorted(unknowns(conditions) - fixed.keys(), key=str)
    values = {**{one: _fit(one, model.get(one, 0)) for one in free}, **fixed}
    if not _hold(conditions, values) and not _bent(conditions, values, model):
        return None
    pointed = {
        one: (POINTERS if one.width == 64 else _POINTERS_31) + n * _PAGE
        for n, one in enumerate(sorted(pointers, key=str))
        if one not in fixed
    }
    users = {one: [term for term in conditions if one in term.leaves()] for one in free}
    for number, one in enumerate(free):
        for candidate in _candidates(one, number, pointed.get(one)):
            if candidate == values[one]:
                break
            if _hold(users[one], {**values, one: candidate}):
                values[one] = candidate
                break
    idle = sorted(unknowns(shown) - values.keys() - pointed.keys(), key=str)
    others = {one: _fit(one, (len(free) + n + 1) * 0x10) for n, one in enumerate(idle)}
    return {**others, **pointed, **{one: values[one] for one in free}}


def _bent(conditions: Sequence[Term], values: dict[Term, int], model: Mapping[Term, int]) -> bool:
    """Whether the conditions hold with another number in place of one that the solver chose outside its domain."""
    for one in [one for one in values if model.get(one, 0) != values[one]]:
        free, ones = domain(one)
        for number in (free | ones, *[1 << bit | ones for bit in range(one.width) if free >> bit & 1]):
            if _hold(conditions, {**values, one: number}):
                values[one] = number
                return True
    return False


def _candidates(unknown: Term, number: int, pointer: int | None) -> Iterator[int]:
    """The simplest first; small numbers differ from one unknown to the next, and are even."""
    if pointer is not None:
        yield _fit(unknown, pointer)
    yield _fit(unknown, 0)
    if unknown.width >= 16:
        yield _fit(unknown, (number + 1) * 0x10)
        yield _fit(unknown, (number + 1) * 0x1000)
    yield _fit(unknown, 1)


def _fit(unknown: Term, number: int) -> int:
    free, ones = domain(unknown)
    return number & free | ones


def _hold(conditions: Iterable[Term], values: Mapping[Term, int]) -> bool:
    evaluate = Evaluation(Values(values, random.Random(0)))
    return all(evaluate(condition) for condition in conditions)
