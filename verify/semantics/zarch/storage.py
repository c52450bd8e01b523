"""Storage-to-storage instructions (POP, chapter 7), which VEX lifts as loops that depend on hidden state.

"The result is obtained as if the operands were processed left to right, one byte at a time": for MVC that spreads
bytes when the destination begins inside the source. The L field holds the length less one; as the target of an
execute instruction it may come from a register (`Step.length`), and then each byte has its own condition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from verify.machine.term import (
    FALSE,
    TRUE,
    Term,
    and_,
    bvand,
    bvor,
    bvxor,
    concat,
    const,
    eq,
    extract,
    ite,
    not_,
    offset_from,
    or_,
    plus,
    ule,
    ult,
)
from verify.semantics import cc
from verify.semantics.step import Handler, Step, family, insn

_PIECE = 8


class Piece(NamedTuple):
    """Bytes of both operands that are processed together, and the condition under which they belong to them."""

    at: int
    size: int
    guard: Term


def _pieces(step: Step, size: int = _PIECE) -> list[Piece]:
    """The operands from left to right; byte by byte where their length is not known."""
    total = step.field("L") + 1
    if step.length is not None:
        return [Piece(at, 1, ule(const(at, step.length.width), step.length)) for at in range(total)]
    return [Piece(at, min(size, total - at), TRUE) for at in range(0, total, size)]


def _overlap(step: Step) -> bool:
    """Whether the first operand is known to begin inside the second.

    An unknown distance needs no case of its own: then one operand lies outside the protected stack, and what is read
    there is unknown, or what is written there is only recorded.
    """
    distance = offset_from(step.address("1"), step.address("2"))
    return distance is not None and 0 < distance <= step.field("L")


@insn("MVC")
def move_character(step: Step) -> None:
    """Move L+1 bytes."""
    to, source = step.address("1"), step.address("2")
    if step.length is not None or _overlap(step):
        for at, size, guard in _pieces(step, 1):
            step.state.store(plus(to, at), step.state.load(plus(source, at), size, guard), guard)
        return
    values = [step.state.load(plus(source, at), size) for at, size, _ in _pieces(step)]
    for (at, _, _), value in zip(_pieces(step), values, strict=True):
        step.state.store(plus(to, at), value)


@insn("MVCIN")
def move_inverse(step: Step) -> None:
    """ "The first operand is processed left to right, the second operand right to left." """
    to, source = step.address("1"), step.address("2")
    for at in range(step.field("L") + 1):
        step.state.store(plus(to, at), step.state.load(plus(source, -at), 1))


def _half_bytes(first: int, last: int) -> Handler:
    """MVN, MVZ: bits first..last of each byte (from the right) are moved, the others stay."""

    def handler(step: Step) -> None:
        to, source = step.address("1"), step.address("2")
        mask = const((2 << first) - (1 << last), 8)
        for at in range(step.field("L") + 1):
            moved = bvand(step.state.load(plus(source, at), 1), mask)
            kept = bvand(step.state.load(plus(to, at), 1), bvxor(mask, const(0xFF, 8)))
            step.state.store(plus(to, at), bvor(moved, kept))

    return handler


def _logical(combine: Callable[[Term, Term], Term]) -> Handler:
    """NC, OC, XC: CC 0 for a zero result, else 1."""

    def handler(step: Step) -> None:
        to, source = step.address("1"), step.address("2")
        clears = combine is bvxor and offset_from(to, source) == 0  # what was there does not matter
        zero = []
        for at, size, guard in _pieces(step, 1 if _overlap(step) else _PIECE):
            if clears:
                result = const(0, 8 * size)
            else:
                first = step.state.load(plus(to, at), size, guard)
                result = combine(first, step.state.load(plus(source, at), size, guard))
            step.state.store(plus(to, at), result, guard)
            zero.append(or_(not_(guard), eq(result, const(0, result.width))))
        nonzero = not_(and_(*zero))
        step.state.set_cc(cc.number((not_(nonzero), nonzero, FALSE, FALSE)))

    return handler


@insn("CLC")
def compare_logical_character(step: Step) -> None:
    """CC 0 equal, 1 first operand low, 2 first operand high, as unsigned numbers of L+1 bytes.

    Bytes that do not belong to the operands count as zeros in both, to the right of all others.
    """
    a, b = (
        concat(*[
            ite(guard, step.state.load(plus(step.address(number), at), size, guard), const(0, 8 * size))
            for at, size, guard in _pieces(step)
        ])
        for number in ("1", "2")
    )  # fmt: skip
    step.state.set_cc(cc.number(cc.three_way(eq(a, b), ult(a, b))))


family({
    "NC": _logical(bvand), "OC": _logical(bvor), "XC": _logical(bvxor),
    "MVN": _half_bytes(3, 0), "MVZ": _half_bytes(7, 4),
})  # fmt: skip


# Under a mask, and by registers -----------------------------------------------------------------------------------


def _insert(high: bool) -> Handler:
    """ICM: bytes from consecutive storage replace the bytes that M3 selects, in bits 0-31 (ICMH) or 32-63.

    CC 0: all inserted bits zero, or mask zero; 1: leftmost inserted bit one; 2: leftmost zero, not all zero.
    """

    def handler(step: Step) -> None:
        mask = step.field("M3")
        chosen = [n for n in range(4) if mask & (8 >> n)]
        if not chosen:
            step.state.set_cc(const(0, 2))
            return
        inserted = step.state.load(step.address(), len(chosen))
        old = step.word("R1", high=high)
        parts, taken = [], 0
        for n in range(4):
            if n in chosen:
                right = inserted.width - 8 * (taken + 1)
                parts.append(extract(inserted, right + 7, right))
                taken += 1
            else:
                parts.append(extract(old, 31 - 8 * n, 24 - 8 * n))
        step.set_word("R1", concat(*parts), high=high)
        top = eq(extract(inserted, inserted.width - 1, inserted.width - 1), const(1, 1))
        step.state.set_cc(cc.number(cc.three_way(eq(inserted, const(0, inserted.width)), top)))

    return handler


family({"ICM": _insert(high=False), "ICMY": _insert(high=False), "ICMH": _insert(high=True)})


@insn("STMH")
def store_multiple_high(step: Step) -> None:
    """Bits 0-31 of the registers from R1 to R3 in consecutive words."""
    for n, number in enumerate(step.several()):
        step.state.store(plus(step.address(), 4 * n), extract(step.state.gpr[number], 63, 32))


@insn("STOCFH")
def store_high_on_condition(step: Step) -> None:
    """Bits 0-31 of R1, where M3 selects the condition code; else nothing is accessed for store."""
    chosen = cc.selected(step.state.cc, step.field("M3"))
    step.state.store(step.address(), step.word("R1", high=True), chosen)
