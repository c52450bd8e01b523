"""Terms for people, in the manner of the contract language."""

from __future__ import annotations

from verify.machine.term import BOOL, Term, signed, split

MOST_NODES = 120  # more nobody reads, and shared parts would be written out again and again
_CUT = ".."
_INFIX = {"bvadd": "+", "bvsub": "-", "bvand": "&", "bvor": "|", "bvxor": "^", "=": "==", "bvult": "<u",
          "bvule": "<=u", "bvslt": "<s", "bvsle": "<=s", "bvshl": "<<", "bvlshr": ">>u", "bvashr": ">>s",
          "bvmul": "*"}  # fmt: skip


def show(term: Term) -> str:
    """Write a term; a large one only in part, with ".." for the rest."""
    return _Writer().text(term)


class _Writer:
    def __init__(self) -> None:
        self.left = MOST_NODES

    def text(self, term: Term) -> str:
        self.left -= 1
        if term.op == "const":
            return _number(term)
        if term.leaf is not None:
            return term.leaf.name
        if self.left <= 0:
            return _CUT
        base, constant = split(term)
        if base is not None and constant:
            value = signed(constant, term.width)
            return f"{self.text(base)} {'-' if value < 0 else '+'} {abs(value)}"
        args = [self.text(arg) for arg in term.args]
        if term.op in _INFIX:
            return f"({args[0]} {_INFIX[term.op]} {args[1]})"
        if term.op == "extract":
            return f"{args[0]}[{term.param[0]}:{term.param[1]}]"
        if term.op == "ite":
            return f"({args[1]} if {args[0]} else {args[2]})"
        return f"{term.op}({', '.join(args)})"


def _number(term: Term) -> str:
    if term.width == BOOL:
        return "true" if term.param else "false"
    return str(term.param) if term.param < 10 else hex(term.param)
