"""What is an expression of the contract language: its syntax, its names, and whether it is a number or a statement.

Everything that has no meaning is refused here, when a contract is read, so that the mistake is told with its line and
nothing is left for a proof to trip over. A comparison is a statement; numbers and statements are never mixed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum

_WIDTH = 64


class ExprError(Exception):
    """An expression that is not one of this language; the contract's loader adds file and line."""


class Kind(Enum):
    """What an expression denotes."""

    NUMBER = "a number"
    STATEMENT = "a statement"


STORAGE = ("mem", "old.mem", "mem4", "old.mem4")
_STATEMENTS = ("called", "is_symbol")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Mod, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ALLOWED = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Attribute, ast.Name, ast.Subscript,
    ast.Constant, ast.Call, ast.Load, ast.USub, ast.Invert, ast.Not, ast.boolop, *_OPERATORS, *_COMPARISONS,
)  # fmt: skip


def syntax(text: str) -> ast.expr:
    """The tree of an expression. Raises ExprError."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as problem:
        raise ExprError(f"{text!r} is not an expression: {problem}") from problem
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ExprError(f"{text!r}: {type(node).__name__} is not part of the contract language")
    return tree


def dotted(node: ast.expr) -> str | None:
    """`regs.gprs[14]` as text; None for anything that is not a plain dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return None if left is None else f"{left}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        left = dotted(node.value)
        return None if left in (None, *STORAGE) else f"{left}[{node.slice.value}]"
    return None


def names(node: ast.AST) -> Iterator[str]:
    """The dotted names and calls in an expression. Raises ExprError for what is neither."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
            yield f"{node.func.id}({ast.unparse(node.args[0])})"
            return
        raise ExprError(f"{ast.unparse(node)!r} is not a function of the contract language")
    if isinstance(node, ast.Subscript) and dotted(node) is None:
        if dotted(node.value) not in STORAGE:
            raise ExprError(f"{ast.unparse(node)!r}: only mem and old.mem take an address (mem4, old.mem4: of 4 bytes)")
        yield from names(node.slice)
        return
    if isinstance(node, ast.expr):
        name = dotted(node)
        if name is not None:
            yield name
            return
    for child in ast.iter_child_nodes(node):
        yield from names(child)


def kind(node: ast.expr) -> Kind:
    """Whether an expression is a number or a statement. Raises ExprError where it mixes them."""
    if isinstance(node, ast.Constant):
        return _constant(node)
    if isinstance(node, ast.Call):
        return Kind.STATEMENT if isinstance(node.func, ast.Name) and node.func.id in _STATEMENTS else Kind.NUMBER
    if isinstance(node, ast.Subscript) and dotted(node) is None:
        _want(Kind.NUMBER, node.slice)
    elif isinstance(node, ast.BinOp):
        _want(Kind.NUMBER, node.left, node.right)
        if isinstance(node.op, ast.Mod) and not _is_power_of_two(node.right):
            raise ExprError(f"{ast.unparse(node)!r}: % wants a power of two, written as a number")
    elif isinstance(node, ast.UnaryOp):
        return _want(Kind.STATEMENT if isinstance(node.op, ast.Not) else Kind.NUMBER, node.operand)
    elif isinstance(node, ast.BoolOp):
        return _want(Kind.STATEMENT, *node.values)
    elif isinstance(node, ast.Compare):
        _want(Kind.NUMBER, node.left, *node.comparators)
        return Kind.STATEMENT
    elif isinstance(node, ast.IfExp):
        _want(Kind.STATEMENT, node.test)
        return _want(kind(node.body), node.orelse)
    return Kind.NUMBER


def _constant(node: ast.Constant) -> Kind:
    if isinstance(node.value, bool):
        return Kind.STATEMENT
    if not isinstance(node.value, int):
        raise ExprError(f"{ast.unparse(node)!r} is not a whole number")
    if node.value >> _WIDTH:
        raise ExprError(f"{node.value:#x} does not fit {_WIDTH} bits")
    return Kind.NUMBER


def _want(wanted: Kind, *nodes: ast.expr) -> Kind:
    for node in nodes:
        if kind(node) is not wanted:
            raise ExprError(f"{ast.unparse(node)!r} is {kind(node).value}, where {wanted.value} belongs")
    return wanted


def _is_power_of_two(node: ast.expr) -> bool:
    value = node.value if isinstance(node, ast.Constant) else 0
    return isinstance(value, int) and value > 0 and value & (value - 1) == 0
