"""Terms over other unknowns: substitution, folding again on the way."""

from __future__ import annotations

from collections.abc import Callable

from verify.machine import term as t
from verify.machine.term import Term


def substitute(term: Term, mapping: dict[Term, Term]) -> Term:
    """Replace unknowns and fold again."""
    if mapping.keys().isdisjoint(term.leaves()):
        return term
    done: dict[Term, Term] = dict(mapping)
    waiting = [term]
    while waiting:  # no recursion: a loop of a thousand instructions makes a deep term
        node = waiting[-1]
        if node in done:
            waiting.pop()
            continue
        missing = [arg for arg in node.args if arg not in done]
        if missing:
            waiting.extend(missing)
            continue
        args = tuple(done[arg] for arg in node.args)
        same = all(new is old for new, old in zip(args, node.args, strict=True))
        done[node] = node if same else rebuild(node, args)
    return done[term]


def rebuild(node: Term, args: tuple[Term, ...]) -> Term:
    """Build `node` again over other arguments, through the folding constructors."""
    if node.op == "extract":
        return t.extract(args[0], *node.param)
    if node.op in _EXTEND:
        return _EXTEND[node.op](args[0], node.width)
    return _BUILD[node.op](*args)


_EXTEND = {"zero_extend": t.zero_extend, "sign_extend": t.sign_extend}
_BUILD: dict[str, Callable[..., Term]] = {
    "bvadd": t.add, "bvsub": t.sub, "bvmul": t.mul, "bvand": t.bvand, "bvor": t.bvor, "bvxor": t.bvxor,
    "bvnot": t.bvnot, "bvshl": t.shl, "bvlshr": t.lshr, "bvashr": t.ashr, "concat": t.concat, "=": t.eq,
    "bvult": t.ult, "bvule": t.ule, "bvslt": t.slt, "bvsle": t.sle, "not": t.not_, "and": t.and_, "or": t.or_,
    "ite": t.ite,
}  # fmt: skip
