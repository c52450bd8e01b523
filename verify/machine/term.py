"""Terms: SMT-LIB bit-vector expressions that fold while they are built.

A term is hash-consed, so equal terms are the same object, and becomes a Z3 term only when an obligation needs the
solver. Two normal forms do most of the work of a trampoline proof without any solver: an address is
`base + constant` (`split`), and bytes put together again are the value they were taken from (`concat` of
neighbouring `extract`s). Every folding rule is proved by Z3 itself in tests/machine/test_term.py.

Widths are in bits; width 0 is the sort Bool. Bit positions inside `extract` count from the right, as in SMT-LIB;
IBM bit numbers (0 is the most significant) are converted where the manual is quoted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any

BOOL = 0


class Origin(Enum):
    """Where an unknown value comes from; decides what may be concluded from meeting it again."""

    ENTRY = "a register at entry"
    STORAGE = "storage that the entry protocol defines"
    CODE = "the address of a section of this object"
    SYMBOL = "the address of a symbol"
    LOAD = "storage outside the protected stack, read afresh"
    RESULT = "the result of a call"
    FIELD = "a field that a handler may change"
    STALE = "stack storage that nothing wrote"
    CLOBBERED = "what a call left in a volatile register"
    MACHINE = "machine state that is not followed further"


INDETERMINATE = frozenset({Origin.STALE, Origin.CLOBBERED})


@dataclass(frozen=True, slots=True)
class Leaf:
    """An unknown: its name in reports and SMT-LIB, and where it comes from."""

    name: str
    origin: Origin
    note: str = ""


class Term:
    """An immutable expression; build it only with the functions of this module."""

    __slots__ = ("__weakref__", "_leaves", "args", "op", "param", "width")

    op: str
    args: tuple[Term, ...]
    param: Any
    width: int

    def __init__(self, op: str, args: tuple[Term, ...], param: Any, width: int) -> None:
        self.op, self.args, self.param, self.width = op, args, param, width
        self._leaves: frozenset[Term] | None = None

    def __repr__(self) -> str:
        from verify.machine.show import show  # which is made of terms

        return show(self)

    @property
    def is_const(self) -> bool:
        """Whether this is a literal (bit vector or Bool)."""
        return self.op == "const"

    @property
    def value(self) -> int:
        """The unsigned value of a literal (Bool: 0 or 1)."""
        if self.op != "const":
            raise ValueError(f"{self} is not a literal")
        return int(self.param)

    @property
    def leaf(self) -> Leaf | None:
        """The unknown that this term is, if it is one."""
        return self.param if self.op == "leaf" else None

    def leaves(self) -> frozenset[Term]:
        """All unknowns that occur in this term."""
        if self._leaves is None:
            waiting = [self]
            while waiting:  # no recursion: a loop of a thousand instructions makes a deep term
                node = waiting[-1]
                missing = [arg for arg in node.args if arg._leaves is None]
                if missing:
                    waiting.extend(missing)
                    continue
                waiting.pop()
                own = (node,) if node.op == "leaf" else ()
                node._leaves = frozenset(own).union(*[arg._leaves or () for arg in node.args])
        return self._leaves or frozenset()


class _Held(weakref.ref[Term]):
    """A term in the pool, which leaves it when nothing else holds it."""

    __slots__ = ("key",)
    key: tuple[Any, ...]


# A WeakValueDictionary in fewer steps: every term of every instruction is looked up here.
_pool: dict[tuple[Any, ...], _Held] = {}


def _forget(held: weakref.ref[Term]) -> None:
    assert isinstance(held, _Held)
    if _pool.get(held.key) is held:
        del _pool[held.key]


def _make(op: str, args: tuple[Term, ...], param: Any, width: int) -> Term:
    return _pooled((op, args, param, width), op, args, param, width)


def _pooled(key: tuple[Any, ...], op: str, args: tuple[Term, ...], param: Any, width: int) -> Term:
    held = _pool.get(key)
    term = held() if held is not None else None
    if term is None:
        term = Term(op, args, param, width)
        held = _Held(term, _forget)
        held.key = key
        _pool[key] = held
    return term


# Literals, unknowns ------------------------------------------------------------------------------------------


def const(value: int, width: int) -> Term:
    """Return the literal `value` modulo 2**width."""
    return _make("const", (), value & ((1 << width) - 1), width)


TRUE = _make("const", (), 1, BOOL)
FALSE = _make("const", (), 0, BOOL)


def boolean(value: bool) -> Term:
    """Return the Bool literal."""
    return TRUE if value else FALSE


def leaf(name: str, width: int, origin: Origin, note: str = "") -> Term:
    """Return the unknown of that name; equal name, width, origin and note give the same unknown."""
    key = ("leaf", name, width, origin._name_, note)
    held = _pool.get(key)
    term = held() if held is not None else None
    return term or _pooled(key, "leaf", (), Leaf(name, origin, note), width)


# Base plus constant -------------------------------------------------------------------------------------------


def split(term: Term) -> tuple[Term | None, int]:
    """Return (base, constant) with term == base + constant; base is None for a literal."""
    if term.op == "const":
        return None, term.param
    if term.op == "bvadd" and term.args[1].op == "const":
        return term.args[0], term.args[1].param
    return term, 0


def offset_from(term: Term, base: Term) -> int | None:
    """Return the signed constant d with term == base + d (both split), or None when there is no such constant."""
    root, constant = split(term)
    other, start = split(base)
    if root is not other:
        return None
    return signed((constant - start) & ((1 << term.width) - 1), term.width)


def signed(value: int, width: int) -> int:
    """Read an unsigned value of `width` bits as two's complement."""
    return value - (1 << width) if value >> (width - 1) & 1 else value


def add(a: Term, b: Term) -> Term:
    """Sum modulo 2**width, with constants gathered on the right."""
    x, m = split(a)
    y, n = split(b)
    constant = (m + n) & ((1 << a.width) - 1)
    if x is None or y is None:
        base = x if y is None else y
        if base is None:
            return const(constant, a.width)
    else:
        base = _make("bvadd", (x, y), None, a.width)
    return base if constant == 0 else _make("bvadd", (base, const(constant, a.width)), None, a.width)


def plus(a: Term, constant: int) -> Term:
    """Sum of a term and a Python integer."""
    return add(a, const(constant, a.width))


def sub(a: Term, b: Term) -> Term:
    """Difference modulo 2**width."""
    x, m = split(a)
    y, n = split(b)
    if x is y:
        return const(m - n, a.width)
    if y is None:
        return plus(a, -n)
    return plus(_make("bvsub", (const(0, a.width) if x is None else x, y), None, a.width), m - n)


def neg(a: Term) -> Term:
    """Two's complement."""
    return sub(const(0, a.width), a)


# Other arithmetic and logic ------------------------------------------------------------------------------------


def _mask(width: int) -> int:
    return (1 << width) - 1


def _fold2(op: str, fold: Callable[[int, int, int], int]) -> Callable[[Term, Term], Term]:
    def build(a: Term, b: Term) -> Term:
        if a.op == "const" and b.op == "const":
            return const(fold(a.param, b.param, a.width), a.width)
        return _make(op, (a, b), None, a.width)

    build.__name__ = op
    build.__doc__ = f"SMT-LIB {op}."
    return build


def _shift(fold: Callable[[int, int, int], int]) -> Callable[[int, int, int], int]:
    return lambda a, b, width: fold(a, min(b, width), width)


mul = _fold2("bvmul", lambda a, b, _: a * b)
lshr_ = _fold2("bvlshr", _shift(lambda a, n, _: a >> n))
shl_ = _fold2("bvshl", _shift(lambda a, n, _: a << n))
ashr_ = _fold2("bvashr", _shift(lambda a, n, width: signed(a, width) >> n))


def shl(a: Term, n: Term) -> Term:
    """Shift left; a constant count becomes a concatenation, which folds further."""
    if n.op == "const" and a.op != "const":
        count = min(n.param, a.width)
        return (
            concat(extract(a, a.width - 1 - count, 0), const(0, count))
            if 0 < count < a.width
            else (a if count == 0 else const(0, a.width))
        )
    return shl_(a, n)


def lshr(a: Term, n: Term) -> Term:
    """Logical shift right; a constant count becomes an extension of an extract, which folds further."""
    if n.op == "const" and a.op != "const":
        count = min(n.param, a.width)
        return zero_extend(extract(a, a.width - 1, count), a.width) if count < a.width else const(0, a.width)
    return lshr_(a, n)


def ashr(a: Term, n: Term) -> Term:
    """Arithmetic shift right."""
    return a if n.op == "const" and n.param == 0 else ashr_(a, n)


def bvnot(a: Term) -> Term:
    """Bitwise complement."""
    if a.op == "const":
        return const(~a.param, a.width)
    return a.args[0] if a.op == "bvnot" else _make("bvnot", (a,), None, a.width)


def bvand(a: Term, b: Term) -> Term:
    """Bitwise and; a literal mask splits the other operand into kept and cleared fields."""
    if a is b:
        return a
    if a.op == "const":
        a, b = b, a
    if b.op != "const":
        return _make("bvand", (a, b), None, a.width)
    if a.op == "const":
        return const(a.param & b.param, a.width)
    return _by_runs(b.param, a.width, lambda hi, lo, one: extract(a, hi, lo) if one else const(0, hi - lo + 1))


def bvor(a: Term, b: Term) -> Term:
    """Bitwise or; a literal mask splits the other operand into kept and set fields."""
    if a is b:
        return a
    if a.op == "const":
        a, b = b, a
    if b.op == "const":
        if a.op == "const":
            return const(a.param | b.param, a.width)
        return _by_runs(b.param, a.width, lambda hi, lo, one: const(-1, hi - lo + 1) if one else extract(a, hi, lo))
    return _or_of_fields(a, b) or _make("bvor", (a, b), None, a.width)


def bvxor(a: Term, b: Term) -> Term:
    """Bitwise exclusive or."""
    if a is b:
        return const(0, a.width)
    if a.op == "const":
        a, b = b, a
    if b.op == "const":
        if a.op == "const":
            return const(a.param ^ b.param, a.width)
        if b.param == 0:
            return a
        if b.param == _mask(a.width):
            return bvnot(a)
    return _make("bvxor", (a, b), None, a.width)


def _by_runs(mask: int, width: int, piece: Callable[[int, int, bool], Term]) -> Term:
    """Concatenate one piece for each run of equal bits in a mask, from the left."""
    pieces: list[Term] = []
    hi = width - 1
    while hi >= 0:
        one = bool(mask >> hi & 1)
        lo = hi
        while lo > 0 and bool(mask >> (lo - 1) & 1) == one:
            lo -= 1
        pieces.append(piece(hi, lo, one))
        hi = lo - 1
    return concat(*pieces)


def _or_of_fields(a: Term, b: Term) -> Term | None:
    """Merge two concatenations of which one is literally zero wherever the other is not (sllg + or, risbg)."""
    if "concat" not in (a.op, b.op) and "zero_extend" not in (a.op, b.op):
        return None
    cuts = sorted({*_cuts(a), *_cuts(b)}, reverse=True)
    pieces = []
    for hi, lo in pairwise(cuts):
        x, y = extract(a, hi - 1, lo), extract(b, hi - 1, lo)
        if x.op == "const" and x.param == 0:
            pieces.append(y)
        elif y.op == "const" and y.param == 0:
            pieces.append(x)
        elif x.op == "const" and y.op == "const":
            pieces.append(const(x.param | y.param, x.width))
        else:
            return None
    return concat(*pieces)


def _cuts(term: Term) -> list[int]:
    """Bit positions at which the pieces of a concatenation begin and end."""
    if term.op == "zero_extend":
        return [term.width, *_cuts(term.args[0])]
    if term.op != "concat":
        return [term.width, 0]
    cuts, at = [term.width], term.width
    for piece in term.args:
        at -= piece.width
        cuts.append(at)
    return cuts


# Taking apart and putting together --------------------------------------------------------------------------------


_Memo = dict[tuple[Term, int, int], Term]
_MOST_PUSHED = 100  # parts of one term that an extract is pushed into; a larger term keeps it outside


class _TooLarge(Exception):
    """The extract stays where it is."""


def extract(a: Term, hi: int, lo: int) -> Term:
    """Bits hi..lo, counted from the right, both included."""
    return _extract(a, hi, lo, None)


def _extract(a: Term, hi: int, lo: int, memo: _Memo | None) -> Term:
    width = hi - lo + 1
    if width == a.width:
        return a
    if a.op == "const":
        return const(a.param >> lo, width)
    if a.op == "extract":
        inner = a.param[1]
        return _extract(a.args[0], hi + inner, lo + inner, memo)
    if a.op == "concat":
        return _extract_concat(a, hi, lo, memo)
    if a.op == "zero_extend":
        body = a.args[0]
        if lo >= body.width:
            return const(0, width)
        if hi < body.width:
            return _extract(body, hi, lo, memo)
        return zero_extend(_extract(body, body.width - 1, lo, memo), width)
    if a.op == "sign_extend" and hi < a.args[0].width:
        return _extract(a.args[0], hi, lo, memo)
    build: Any = (_BITWISE if lo else _DISTRIBUTED).get(a.op)
    if build is None:
        return _make("extract", (a,), (hi, lo), width)
    if memo is not None:
        return _pushed(a, hi, lo, build, memo)
    try:
        return _pushed(a, hi, lo, build, {})
    except _TooLarge:
        return _make("extract", (a,), (hi, lo), width)


def _pushed(a: Term, hi: int, lo: int, build: Callable[..., Term], memo: _Memo) -> Term:
    """The operation on the bits of its operands; parts that are shared are taken apart once. Raises _TooLarge."""
    found = memo.get((a, hi, lo))
    if found is None:
        if len(memo) >= _MOST_PUSHED:
            raise _TooLarge
        memo[a, hi, lo] = a  # counts while its parts are looked at, which cannot meet it again
        values = a.args[1:] if a.op == "ite" else a.args
        parts = [_extract(arg, hi, lo, memo) for arg in values]
        found = memo[a, hi, lo] = ite(a.args[0], *parts) if a.op == "ite" else build(*parts)
    return found


def _extract_concat(a: Term, hi: int, lo: int, memo: _Memo | None) -> Term:
    pieces = []
    top = a.width
    for piece in a.args:
        bottom = top - piece.width
        h, low = min(hi, top - 1), max(lo, bottom)
        if h >= low:
            pieces.append(_extract(piece, h - bottom, low - bottom, memo))
        top = bottom
    return concat(*pieces)


def concat(*parts: Term) -> Term:
    """Concatenate, most significant part first; neighbouring extracts and literals are joined again."""
    flat: list[Term] = []
    for part in parts:
        for piece in part.args if part.op == "concat" else (part,):
            if piece.width == 0:
                continue
            joined = _join(flat[-1], piece) if flat else None
            if joined is None:
                flat.append(piece)
            else:
                flat[-1] = joined
    if len(flat) == 1:
        return flat[0]
    width = sum(piece.width for piece in flat)
    if flat[0].op == "const" and flat[0].param == 0:
        return zero_extend(concat(*flat[1:]), width)
    return _make("concat", tuple(flat), None, width)


def _join(a: Term, b: Term) -> Term | None:
    if a.op == "const" and b.op == "const":
        return const(a.param << b.width | b.param, a.width + b.width)
    if a.op == "extract" and b.op == "extract" and a.args[0] is b.args[0] and a.param[1] == b.param[0] + 1:
        return extract(a.args[0], a.param[0], b.param[1])
    return None


def zero_extend(a: Term, width: int) -> Term:
    """Widen with zeros to `width` bits."""
    if width == a.width:
        return a
    if a.op == "const":
        return const(a.param, width)
    body = a.args[0] if a.op == "zero_extend" else a
    return _make("zero_extend", (body,), width - body.width, width)


def sign_extend(a: Term, width: int) -> Term:
    """Widen with the sign bit to `width` bits."""
    if width == a.width:
        return a
    if a.op == "const":
        return const(signed(a.param, a.width), width)
    return _make("sign_extend", (a,), width - a.width, width)


# Bool ----------------------------------------------------------------------------------------------------------------


def eq(a: Term, b: Term) -> Term:
    """Equality of two terms of the same sort."""
    if a is b:
        return TRUE
    if a.op == "const" and b.op == "const":
        return FALSE
    if a.width != BOOL:
        x, m = split(a)
        y, n = split(b)
        if x is y:
            return boolean(m == n)
        if x is not None and y is not None and (m or n):
            return eq(x, plus(y, n - m)) if m else _make("=", (a, b), None, BOOL)
    if a.op == "const":
        a, b = b, a
    if b.op == "const":
        if a.op == "ite" and a.args[1].op == "const" and a.args[2].op == "const":
            return ite(a.args[0], eq(a.args[1], b), eq(a.args[2], b))
        if a.op == "zero_extend":
            body = a.args[0]
            return eq(body, const(b.param, body.width)) if b.param >> body.width == 0 else FALSE
        if a.width == BOOL:
            return a if b is TRUE else not_(a)
    return _make("=", (a, b), None, BOOL)


def _compare(
    op: str, fold: Callable[[int, int, int], bool], reflexive: bool, unsigned: bool = False
) -> Callable[[Term, Term], Term]:
    def build(a: Term, b: Term) -> Term:
        if a is b:
            return boolean(reflexive)
        if a.op == "const" and b.op == "const":
            return boolean(fold(a.param, b.param, a.width))
        if unsigned and a.op == "zero_extend" and b.op == "const" and b.param >> a.args[0].width:
            return TRUE  # the literal is above everything that the narrower value can be
        return _make(op, (a, b), None, BOOL)

    build.__name__ = op
    build.__doc__ = f"SMT-LIB {op}."
    return build


ult = _compare("bvult", lambda a, b, _: a < b, False, unsigned=True)
ule = _compare("bvule", lambda a, b, _: a <= b, True, unsigned=True)
slt = _compare("bvslt", lambda a, b, w: signed(a, w) < signed(b, w), False)
sle = _compare("bvsle", lambda a, b, w: signed(a, w) <= signed(b, w), True)


def not_(a: Term) -> Term:
    """Negation."""
    if a.op == "const":
        return boolean(a is FALSE)
    return a.args[0] if a.op == "not" else _make("not", (a,), None, BOOL)


def and_(*args: Term) -> Term:
    """Conjunction; of nothing: true."""
    return _junction("and", args, unit=TRUE, zero=FALSE)


def or_(*args: Term) -> Term:
    """Disjunction; of nothing: false."""
    return _junction("or", args, unit=FALSE, zero=TRUE)


def _junction(op: str, args: Iterable[Term], unit: Term, zero: Term) -> Term:
    kept: dict[Term, None] = {}
    for arg in args:
        for part in arg.args if arg.op == op else (arg,):
            if part is zero or not_(part) in kept:
                return zero
            if part is not unit:
                kept[part] = None
    if not kept:
        return unit
    return next(iter(kept)) if len(kept) == 1 else _make(op, tuple(kept), None, BOOL)


def ite(condition: Term, then: Term, other: Term) -> Term:
    """If-then-else over any sort."""
    if condition.op == "const":
        return then if condition is TRUE else other
    if then is other:
        return then
    if then.width == BOOL:
        return or_(and_(condition, then), and_(not_(condition), other))
    return _make("ite", (condition, then, other), None, then.width)


def bool_to_bv(a: Term, width: int) -> Term:
    """1 where the Bool is true, else 0."""
    return ite(a, const(1, width), const(0, width))


# Operations that an extract is pushed through: bit by bit, and from the right.
_BITWISE: dict[str, Callable[..., Term]] = {"bvand": bvand, "bvor": bvor, "bvxor": bvxor, "ite": ite}
_DISTRIBUTED = {**_BITWISE, "bvadd": add, "bvsub": sub}
