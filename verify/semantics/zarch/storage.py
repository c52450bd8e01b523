"""Storage-to-storage instructions of a constant length, and INSERT CHARACTERS UNDER MASK (POP, chapter 7).

VEX lifts the former as loops that depend on hidden state. The L field holds the length less one. "The result is
obtained as if the operands were processed left to right, one byte at a time": for MVC that spreads bytes when the
destination begins inside the source.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.errors import Unsupported
from verify.machine.term import (
    FALSE,
    Term,
    and_,
    bvand,
    bvor,
    bvxor,
    concat,
    const,
    eq,
    extract,
    not_,
    offset_from,
    plus,
    ult,
)
from verify.semantics import cc
from verify.semantics.step import Handler, Step, family, insn

_PIECE = 8


def _pieces(total: int) -> list[tuple[int, int]]:
    """Cut a length into (offset, size) pieces of up to eight bytes."""
    return [(at, min(_PIECE, total - at)) for at in range(0, total, _PIECE)]


@insn("MVC")
def move_character(step: Step) -> None:
    """Move L+1 bytes; destructive overlap is done byte by byte, left to right."""
    total = step.field("L") + 1
    to, source = step.address("1"), step.address("2")
    distance = offset_from(to, source)
    if distance is not None and 0 < distance < total:
        for at in range(total):
            step.state.store(plus(to, at), step.state.load(plus(source, at), 1))
        return
    # An unknown distance needs no case of its own: then one operand lies outside the protected stack, and what
    # is read there is unknown, or what is written there is only recorded.
    values = [step.state.load(plus(source, at), size) for at, size in _pieces(total)]
    for (at, _), value in zip(_pieces(total), values, strict=True):
        step.state.store(plus(to, at), value)


def _logical(combine: Callable[[Term, Term], Term]) -> Handler:
    """NC, OC, XC: CC 0 for a zero result, else 1."""

    def handler(step: Step) -> None:
        total = step.field("L") + 1
        to, source = step.address("1"), step.address("2")
        distance = offset_from(to, source)
        if distance is None or 0 < distance < total:
            raise Unsupported(f"{step.insn.mnemonic.lower()} whose operands may overlap")
        zero = []
        for at, size in _pieces(total):
            if distance == 0 and combine is bvxor:
                result = const(0, 8 * size)  # clearing: what was there does not matter
            else:
                result = combine(step.state.load(plus(to, at), size), step.state.load(plus(source, at), size))
            step.state.store(plus(to, at), result)
            zero.append(eq(result, const(0, result.width)))
        nonzero = not_(and_(*zero))
        step.state.set_cc(cc.number((not_(nonzero), nonzero, FALSE, FALSE)))

    return handler


@insn("CLC")
def compare_logical_character(step: Step) -> None:
    """CC 0 equal, 1 first operand low, 2 first operand high, as unsigned numbers of L+1 bytes."""
    total = step.field("L") + 1
    a, b = (
        concat(*[step.state.load(plus(step.address(number), at), size) for at, size in _pieces(total)])
        for number in ("1", "2")
    )
    step.state.set_cc(cc.number(cc.three_way(eq(a, b), ult(a, b))))


family({"NC": _logical(bvand), "OC": _logical(bvor), "XC": _logical(bvxor)})


# INSERT CHARACTERS UNDER MASK ----------------------------------------------------


def _insert(high: bool) -> Handler:
    """Bytes from consecutive storage replace the bytes that M3 selects, in bits 0-31 (ICMH) or 32-63.

    CC 0: all inserted bits zero, or mask zero; 1: leftmost inserted bit one; 2: leftmost zero, not all zero.
    """

    def handler(step: Step) -> None:
        mask = step.field("M3")
        chosen = [n for n in range(4) if mask & (8 >> n)]
        if not chosen:
            step.state.set_cc(const(0, 2))
            return
        inserted = step.state.load(step.address(), len(chosen))
        old = step.reg("R1")
        first = 63 if high else 31
        parts, taken = [], 0
        for n in range(4):
            if n in chosen:
                right = inserted.width - 8 * (taken + 1)
                parts.append(extract(inserted, right + 7, right))
                taken += 1
            else:
                parts.append(extract(old, first - 8 * n, first - 8 * n - 7))
        word = concat(*parts)
        step.set_reg("R1", concat(word, extract(old, 31, 0)) if high else concat(extract(old, 63, 32), word))
        top = eq(extract(inserted, inserted.width - 1, inserted.width - 1), const(1, 1))
        step.state.set_cc(cc.number(cc.three_way(eq(inserted, const(0, inserted.width)), top)))

    return handler


family({"ICM": _insert(high=False), "ICMY": _insert(high=False), "ICMH": _insert(high=True)})
