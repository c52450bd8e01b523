"""The contract language: small expressions that read like the psABI, checked when loaded, then turned into terms.

old.r14, old.cc, old.psw.mask      registers and PSW at entry
r14, pc, cc                        the same where the claim is made (a call, or the exit); old.pc is where it begins
mem[ADDRESS], old.mem[ADDRESS]     eight bytes of stack storage there, and at entry; outside the stack mem is what the
                                   path stored there, or else read; mem4, old.mem4 are of four bytes
regs.psw.addr, regs.gprs[14]       a field of the struct handed out, as the handler left it
pointer(regs)                      the address of that struct
variable.NAME                      the contents of a global variable, as this path read it
symbol.NAME                        the address of a symbol
is_symbol(pc)                      whether that is the address of a symbol of another object
CALL.result, called(CALL)          what a call returned (the last time); whether it was made
count(CALL), CALL.NAME             how often it was made; what it left in its caller's save area, an entry of [.leaves]
given.NAME                         a number that the object or the command line gives, an entry of [given]
stack_frame.back_chain, const.N    offsets and constants from the layout; task_struct.size is that of a struct
NAME                               an entry of [values]
+ - * % & | ^ << >>, == != < <= > >=, and or not, A if C else B   (comparisons are unsigned)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from verify.contracts import grammar
from verify.contracts.grammar import ExprError, Kind, dotted
from verify.machine import term as t
from verify.machine.term import Term

_WIDTH = 64
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Scope(Protocol):
    """What gives names their terms at one moment of one path."""

    def name(self, path: str) -> Term:
        """The term of a dotted name. Raises Undefined where it has none here."""

    def memory(self, address: Term, *, old: bool, size: int | None = None) -> Term:
        """A word of storage, or `size` bytes, now or at entry."""


class Undefined(Exception):
    """A name that means nothing at this moment: a call not made, a struct not handed out, a variable not read."""


@dataclass(frozen=True)
class Expr:
    """A checked expression: its text for reports, its tree for terms, the names it uses."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]
    kind: Kind = Kind.NUMBER

    def term(self, scope: Scope) -> Term:
        """The expression's term; a comparison is a Bool. Raises Undefined."""
        return _Evaluator(scope).visit(self.tree)

    def sides(self) -> tuple[Expr, Expr] | None:
        """Left and right of a single equality: what was found, and what was expected."""
        tree = self.tree
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], ast.Eq):
            return _sub(tree.left), _sub(tree.comparators[0])
        return None


def _sub(tree: ast.expr) -> Expr:
    return Expr(ast.unparse(tree), tree, tuple(grammar.names(tree)))


def parse(text: str, known: Callable[[str], str | None]) -> Expr:
    """Parse and check an expression. `known` returns a complaint about a dotted name, or None."""
    tree = grammar.syntax(text)
    names = tuple(grammar.names(tree))
    for name in names:
        complaint = known(name)
        if complaint:
            raise ExprError(f"{text!r}: {complaint}")
    return Expr(text.strip(), tree, names, grammar.kind(tree))


def expand(*texts: str) -> Iterator[tuple[str, ...]]:
    """Expand `{2..13}` in all texts at once: ("gprs[{2..3}]", "old.r{2..3}") gives two pairs."""
    spans = [(int(a), int(b)) for text in texts for a, b in _BRACES.findall(text)]
    if any(b < a for a, b in spans):
        raise ExprError(f"a range in {', '.join(texts)} runs backwards")
    if not spans:
        yield texts
        return
    if len({b - a for a, b in spans}) != 1:
        raise ExprError(f"the ranges in {', '.join(texts)} differ in length")
    for step in range(spans[0][1] - spans[0][0] + 1):
        yield tuple(_BRACES.sub(lambda m, n=step: str(int(m.group(1)) + n), text) for text in texts)  # type: ignore[misc]


_BINARY: dict[type[ast.operator], Callable[[Term, Term], Term]] = {
    ast.Add: t.add, ast.Sub: t.sub, ast.Mult: t.mul, ast.BitAnd: t.bvand, ast.BitOr: t.bvor,
    ast.BitXor: t.bvxor, ast.LShift: t.shl, ast.RShift: t.lshr,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Term, Term], Term]] = {
    ast.Eq: t.eq, ast.NotEq: lambda a, b: t.not_(t.eq(a, b)), ast.Lt: t.ult, ast.LtE: t.ule,
    ast.Gt: lambda a, b: t.ult(b, a), ast.GtE: lambda a, b: t.ule(b, a),
}  # fmt: skip


class _Evaluator:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def visit(self, node: ast.expr) -> Term:
        name = dotted(node)
        if name is not None:
            return self.scope.name(name)
        method: Callable[[ast.expr], Term] = getattr(self, f"visit_{type(node).__name__.lower()}")
        return method(node)

    def visit_constant(self, node: ast.Constant) -> Term:
        return t.boolean(node.value) if isinstance(node.value, bool) else t.const(int(str(node.value)), _WIDTH)

    def visit_call(self, node: ast.Call) -> Term:
        return self.scope.name(next(grammar.names(node)))

    def visit_subscript(self, node: ast.Subscript) -> Term:
        name = str(dotted(node.value))
        size = {"size": 4} if name.endswith("4") else {}
        return self.scope.memory(self.visit(node.slice), old=name.startswith("old."), **size)

    def visit_binop(self, node: ast.BinOp) -> Term:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Mod):  # by a power of two
            return t.bvand(left, t.plus(right, -1))
        return _BINARY[type(node.op)](*self.same_width(left, right))

    def same_width(self, a: Term, b: Term) -> tuple[Term, Term]:
        """Literals take the width of the other side, if they fit; a narrower value is widened with zeros."""
        width = max((x.width for x in (a, b) if not x.is_const), default=_WIDTH)
        if any(x.is_const and x.value >> width for x in (a, b)):
            width = _WIDTH
        fit = [t.const(x.value, width) if x.is_const else t.zero_extend(x, width) for x in (a, b)]
        return fit[0], fit[1]

    def visit_unaryop(self, node: ast.UnaryOp) -> Term:
        value = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return t.not_(value)
        return t.neg(value) if isinstance(node.op, ast.USub) else t.bvnot(value)

    def visit_boolop(self, node: ast.BoolOp) -> Term:
        join, stop = (t.and_, t.FALSE) if isinstance(node.op, ast.And) else (t.or_, t.TRUE)
        parts: list[Term] = []
        for value in node.values:
            parts.append(self.visit(value))
            if parts[-1] is stop:  # the rest need not mean anything here: `called(graph) and graph.result == ..`
                break
        return join(*parts)

    def visit_compare(self, node: ast.Compare) -> Term:
        items = [self.visit(item) for item in (node.left, *node.comparators)]
        pairs = zip(node.ops, items, items[1:], strict=False)
        return t.and_(*[_COMPARE[type(op)](*self.same_width(a, b)) for op, a, b in pairs])

    def visit_ifexp(self, node: ast.IfExp) -> Term:
        condition = self.visit(node.test)
        if condition.is_const:
            return self.visit(node.body if condition is t.TRUE else node.orelse)
        return t.ite(condition, *self.same_width(self.visit(node.body), self.visit(node.orelse)))


__all__ = ["Expr", "ExprError", "Kind", "Scope", "Undefined", "dotted", "expand", "parse"]
