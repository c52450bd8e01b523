"""How large a term can be, from its shape alone."""

from __future__ import annotations

from verify.machine.term import Term


def highest(term: Term) -> int:
    """A number that the unsigned value of this bit vector never exceeds."""
    if term.is_const:
        return term.value
    if term.op == "zero_extend":
        return highest(term.args[0])
    if term.op == "bvand":
        return min(map(highest, term.args))
    if term.op == "ite":
        return max(map(highest, term.args[1:]))
    if term.op == "concat":
        total = 0
        for arg in term.args:
            total = total << arg.width | highest(arg)
        return total
    return (1 << term.width) - 1
