"""Hexadecimal floating point (POP, chapter 18): the few instructions that old code and jump tables contain.

A number is a sign, a characteristic of seven bits (exponent plus 64) and a fraction of six (short, 32 bits) or
fourteen (long, 64 bits) hexadecimal digits. An exponent overflow, and under the program mask an underflow or a loss
of significance, is a program interruption; like every other one it is outside the model (SOUNDNESS.md).
"""

from __future__ import annotations

from typing import NamedTuple

from verify.machine.term import (
    Origin,
    Term,
    add,
    and_,
    concat,
    const,
    eq,
    extract,
    ite,
    lshr,
    not_,
    plus,
    shl,
    sub,
    ult,
    zero_extend,
)
from verify.semantics import cc
from verify.semantics.step import Handler, Step, family, insn

_DIGIT = 4


class Number(NamedTuple):
    """Sign (1 bit), characteristic (7 bits), fraction (24 or 56 bits)."""

    sign: Term
    characteristic: Term
    fraction: Term

    @property
    def term(self) -> Term:
        """The number as it stands in a register."""
        return concat(self.sign, self.characteristic, self.fraction)


def _number(term: Term) -> Number:
    top = term.width - 1
    return Number(extract(term, top, top), extract(term, top - 1, top - 7), extract(term, top - 8, 0))


def _get(step: Step, name: str, bits: int) -> Term:
    """A floating-point register: the left half of the vector register of the same number, a short one left in that."""
    return extract(step.state.vector[2 * step.field(name)], 63, 64 - bits)


def _set(step: Step, value: Term) -> None:
    """Bits 64-127 of the vector register become unpredictable; the right half of a short operand stays."""
    state, number = step.state, step.field("R1")
    old = state.vector[2 * number]
    state.vector[2 * number] = value if value.width == 64 else concat(value, extract(old, 31, 0))
    state.vector[2 * number + 1] = state.fresh(
        f"unpredictable.v{number}.right", 64, Origin.MACHINE, "right half of a floating-point register"
    )


def _set_code(step: Step, number: Number) -> None:
    """CC 0: the fraction is zero, 1: less than zero, 2: greater than zero."""
    zero = eq(number.fraction, const(0, number.fraction.width))
    step.state.set_cc(cc.number(cc.three_way(zero, eq(number.sign, const(1, 1)))))


# Signs --------------------------------------------------------------------------------------------------------------


def _with_sign(bits: int, change: str) -> Handler:
    """LOAD AND TEST keeps the sign, POSITIVE clears, NEGATIVE sets, COMPLEMENT inverts it; nothing is normalised."""

    def handler(step: Step) -> None:
        number = _number(_get(step, "R2", bits))
        flipped = ite(eq(number.sign, const(0, 1)), const(1, 1), const(0, 1))
        signs = {"T": number.sign, "P": const(0, 1), "N": const(1, 1), "C": flipped}
        number = number._replace(sign=signs[change])
        _set(step, number.term)
        _set_code(step, number)

    return handler


family({f"L{change}{size}R": _with_sign(bits, change) for change in "TPNC" for size, bits in (("D", 64), ("E", 32))})


@insn("LDER")
def lengthen(step: Step) -> None:
    """Short to long: eight zero digits are appended to the fraction."""
    _set(step, concat(_get(step, "R2", 32), const(0, 32)))


# Arithmetic ---------------------------------------------------------------------------------------------------------


def _normalised(number: Number, digits: int) -> Number:
    """Shift the fraction left until its leftmost digit is not zero; a characteristic below zero gives a true zero."""
    fraction, characteristic, few = number.fraction, number.characteristic, const(0, 7)
    top = fraction.width - 1
    for _ in range(digits):
        clear = eq(extract(fraction, top, top - _DIGIT + 1), const(0, _DIGIT))
        fraction = ite(clear, shl(fraction, const(_DIGIT, fraction.width)), fraction)
        few = ite(clear, plus(few, 1), few)
    lost = not_(and_(not_(ult(characteristic, few)), not_(eq(fraction, const(0, fraction.width)))))
    zero = Number(const(0, 1), const(0, 7), const(0, fraction.width))
    found = Number(number.sign, sub(characteristic, few), fraction)
    return Number(*[ite(lost, a, b) for a, b in zip(zero, found, strict=True)])


def _halve(bits: int) -> Handler:
    """ "The fraction is shifted right one bit position", into a guard digit, and the result is normalised."""

    def handler(step: Step) -> None:
        number = _number(_get(step, "R2", bits))
        wide = concat(number.fraction, const(0, _DIGIT))
        halved = lshr(wide, const(1, wide.width))
        result = _normalised(number._replace(fraction=halved), halved.width // _DIGIT)
        _set(step, result._replace(fraction=extract(result.fraction, halved.width - 1, _DIGIT)).term)

    return handler


def _unnormalised(bits: int, subtract: bool, storage: bool) -> Handler:
    """ADD and SUBTRACT UNNORMALIZED.

    The operand of the smaller characteristic is shifted right by the difference, its last digit out being the guard
    digit; a carry shifts the sum right again. The guard digit is dropped, and a zero fraction makes a true zero.
    """

    def handler(step: Step) -> None:
        a = _number(_get(step, "R1", bits))
        b = _number(step.state.load(step.address(), bits // 8) if storage else _get(step, "R2", bits))
        if subtract:
            b = b._replace(sign=ite(eq(b.sign, const(0, 1)), const(1, 1), const(0, 1)))
        result = _sum(a, b)
        _set(step, result.term)
        _set_code(step, result)

    return handler


def _sum(a: Number, b: Number) -> Number:
    less = ult(a.characteristic, b.characteristic)
    large, small = (Number(*[ite(less, x, y) for x, y in zip(*pair, strict=True)]) for pair in ((b, a), (a, b)))
    width = a.fraction.width + 2 * _DIGIT  # a digit for the carry, and the guard digit
    first, second = (concat(const(0, _DIGIT), n.fraction, const(0, _DIGIT)) for n in (large, small))
    gap = zero_extend(sub(large.characteristic, small.characteristic), width)
    second = lshr(second, shl(gap, const(2, width)))
    same = eq(large.sign, small.sign)
    below = ult(first, second)
    magnitude = ite(same, add(first, second), ite(below, sub(second, first), sub(first, second)))
    sign = ite(and_(not_(same), below), small.sign, large.sign)
    carry = not_(eq(extract(magnitude, width - 1, width - _DIGIT), const(0, _DIGIT)))
    size = a.fraction.width
    fraction = ite(carry, extract(magnitude, width - 1, width - size), extract(magnitude, size + _DIGIT - 1, _DIGIT))
    characteristic = ite(carry, plus(large.characteristic, 1), large.characteristic)
    zero = eq(fraction, const(0, size))
    return Number(ite(zero, const(0, 1), sign), ite(zero, const(0, 7), characteristic), fraction)


family({
    "HER": _halve(32), "HDR": _halve(64),
    "AUR": _unnormalised(32, False, False), "SUR": _unnormalised(32, True, False),
    "AWR": _unnormalised(64, False, False), "SWR": _unnormalised(64, True, False),
    "AU": _unnormalised(32, False, True), "SU": _unnormalised(32, True, True),
    "AW": _unnormalised(64, False, True), "SW": _unnormalised(64, True, True),
})  # fmt: skip
