"""The condition code, from the operands that VEX's thunk keeps until somebody asks.

Each function returns the four conditions "the code is 0, 1, 2, 3"; at most one of them is true. The numbers are
VEX's (`guest_s390_defs.h` names them); the meanings are those of POP, appendix C, "Condition-Code Settings", and of
the instructions' own descriptions. Every row is compared with an emulator in tests/semantics.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from verify.errors import Unsupported
from verify.machine.state import CC_GIVEN, State
from verify.machine.term import (
    FALSE,
    TRUE,
    Term,
    add,
    and_,
    ashr,
    bvand,
    bvnot,
    bvxor,
    const,
    eq,
    extract,
    ite,
    mul,
    not_,
    or_,
    shl,
    sign_extend,
    slt,
    sub,
    ult,
    zero_extend,
)

Codes = tuple[Term, Term, Term, Term]


class Kept(IntEnum):
    """What the thunk keeps the operands of, in VEX's numbers (`guest_s390_defs.h`), and one number more."""

    BITWISE = 0
    SIGNED_COMPARE = 1
    UNSIGNED_COMPARE = 2
    ADD_32 = 3
    ADD_64 = 4
    ADD_LOGICAL_32 = 5
    ADD_LOGICAL_64 = 6
    ADD_WITH_CARRY_32 = 7
    ADD_WITH_CARRY_64 = 8
    SUBTRACT_32 = 9
    SUBTRACT_64 = 10
    SUBTRACT_LOGICAL_32 = 11
    SUBTRACT_LOGICAL_64 = 12
    SUBTRACT_WITH_BORROW_32 = 13
    SUBTRACT_WITH_BORROW_64 = 14
    LOAD_AND_TEST = 15
    LOAD_POSITIVE_32 = 16
    LOAD_POSITIVE_64 = 17
    TEST_UNDER_MASK_8 = 18
    TEST_UNDER_MASK_16 = 19
    SHIFT_LEFT_32 = 20
    SHIFT_LEFT_64 = 21
    MULTIPLY_SINGLE_32 = 61
    MULTIPLY_SINGLE_64 = 62
    GIVEN = CC_GIVEN


def _is_zero(value: Term) -> Term:
    return eq(value, const(0, value.width))


def _negative(value: Term) -> Term:
    return eq(extract(value, value.width - 1, value.width - 1), const(1, 1))


def given(code: Term, _b: Term, _n: Term) -> Codes:
    """A code that is known as a number."""
    two = extract(code, 1, 0)
    return (eq(two, const(0, 2)), eq(two, const(1, 2)), eq(two, const(2, 2)), eq(two, const(3, 2)))


def bitwise(result: Term, _b: Term, _n: Term) -> Codes:
    """0 for a zero result, else 1."""
    zero = _is_zero(result)
    return (zero, not_(zero), FALSE, FALSE)


def three_way(zero: Term, low: Term) -> Codes:
    """0 where `zero`, else 1 where `low`, else 2."""
    return (zero, and_(not_(zero), low), and_(not_(zero), not_(low)), FALSE)


def signed_compare(a: Term, b: Term, _n: Term) -> Codes:
    """0 equal, 1 first operand low, 2 first operand high."""
    return three_way(eq(a, b), slt(a, b))


def unsigned_compare(a: Term, b: Term, _n: Term) -> Codes:
    """0 equal, 1 first operand low, 2 first operand high, unsigned."""
    return three_way(eq(a, b), ult(a, b))


def load_and_test(a: Term, _b: Term, _n: Term) -> Codes:
    """0 zero, 1 less than zero, 2 greater than zero."""
    return three_way(_is_zero(a), _negative(a))


def _with_overflow(result: Term, overflow: Term) -> Codes:
    zero, negative = _is_zero(result), _negative(result)
    fits = not_(overflow)
    return (
        and_(fits, zero),
        and_(fits, not_(zero), negative),
        and_(fits, not_(zero), not_(negative)),
        overflow,
    )


def _signed_add(width: int) -> Callable[[Term, Term, Term], Codes]:
    def codes(a: Term, b: Term, _n: Term) -> Codes:
        x, y = extract(a, width - 1, 0), extract(b, width - 1, 0)
        result = add(x, y)
        return _with_overflow(result, _negative(bvand(bvxor(x, result), bvxor(y, result))))

    return codes


def _signed_sub(width: int) -> Callable[[Term, Term, Term], Codes]:
    def codes(a: Term, b: Term, _n: Term) -> Codes:
        x, y = extract(a, width - 1, 0), extract(b, width - 1, 0)
        result = sub(x, y)
        return _with_overflow(result, _negative(bvand(bvxor(x, y), bvxor(x, result))))

    return codes


def _carry(zero: Term, carry: Term) -> Codes:
    return (
        and_(zero, not_(carry)),
        and_(not_(zero), not_(carry)),
        and_(zero, carry),
        and_(not_(zero), carry),
    )


def _unsigned_add(width: int, carry_in: bool) -> Callable[[Term, Term, Term], Codes]:
    def codes(a: Term, b: Term, n: Term) -> Codes:
        x, y = extract(a, width - 1, 0), extract(b, width - 1, 0)
        if not carry_in:
            result = add(x, y)
            return _carry(_is_zero(result), ult(result, x))
        extra = extract(n, width - 1, 0)
        y = bvxor(y, extra)  # VEX keeps the second operand xor the carry
        partial = add(x, y)
        result = add(partial, extra)
        return _carry(_is_zero(result), or_(ult(partial, x), ult(result, partial)))

    return codes


def _unsigned_sub(width: int, borrow_in: bool) -> Callable[[Term, Term, Term], Codes]:
    def codes(a: Term, b: Term, n: Term) -> Codes:
        x, y = extract(a, width - 1, 0), extract(b, width - 1, 0)
        if not borrow_in:
            return _carry(_is_zero(sub(x, y)), not_(ult(x, y)))
        extra = extract(n, width - 1, 0)
        y = bvxor(y, extra)
        partial = sub(x, y)
        borrow = or_(ult(x, y), ult(partial, extra))
        return _carry(_is_zero(sub(partial, extra)), not_(borrow))

    return codes


def _signed_product(width: int) -> Callable[[Term, Term, Term], Codes]:
    """MSC, MSGC and their like: 3 where the low half is not the whole product."""

    def codes(a: Term, b: Term, _n: Term) -> Codes:
        exact = mul(*[sign_extend(extract(term, width - 1, 0), 2 * width) for term in (a, b)])
        result = extract(exact, width - 1, 0)
        return _with_overflow(result, not_(eq(sign_extend(result, 2 * width), exact)))

    return codes


def _load_positive(width: int) -> Callable[[Term, Term, Term], Codes]:
    def codes(a: Term, _b: Term, _n: Term) -> Codes:
        x = extract(a, width - 1, 0)
        zero, smallest = _is_zero(x), eq(x, const(1 << (width - 1), width))
        return (zero, FALSE, and_(not_(zero), not_(smallest)), smallest)

    return codes


def _under_mask(width: int) -> Callable[[Term, Term, Term], Codes]:
    """0 selected bits all zero (or none selected), 3 all one; mixed: TM 1, TMxx 1 or 2 by the leftmost bit."""

    def codes(a: Term, b: Term, _n: Term) -> Codes:
        value, mask = extract(a, width - 1, 0), extract(b, width - 1, 0)
        selected = bvand(value, mask)
        zero = _is_zero(selected)
        ones = and_(not_(zero), eq(selected, mask))
        mixed = and_(not_(zero), not_(ones))
        if width == 8:
            return (zero, mixed, FALSE, ones)
        leftmost = _leftmost_selected(value, mask)
        return (zero, and_(mixed, not_(leftmost)), and_(mixed, leftmost), ones)

    return codes


def _leftmost_selected(value: Term, mask: Term) -> Term:
    """Whether the value has a one in the leftmost bit that the mask selects."""
    result = FALSE
    for bit in range(mask.width):
        chosen = eq(extract(mask, bit, bit), const(1, 1))
        one = eq(extract(value, bit, bit), const(1, 1))
        result = or_(and_(chosen, one), and_(not_(chosen), result))
    return result


def _shift_left(width: int) -> Callable[[Term, Term, Term], Codes]:
    """SLA, SLAG: 3 when a bit unlike the sign was shifted out.

    Zeros follow the numeric part out: a shift by more than its 31 bits loses nothing only where all bits are zero.
    """

    def codes(a: Term, b: Term, _n: Term) -> Codes:
        wide = a if width == 64 else extract(a, 31, 0)
        count = extract(b, width - 1, 0)
        sign = const(1 << (width - 1), width)
        result = (shl(wide, count), sign)
        shifted = _replace_sign(result[0], wide)
        back = ashr(shifted, count)
        lost = not_(eq(back, wide))
        too_far = not_(ult(count, const(width, width)))
        overflow = ite(too_far, not_(_is_zero(wide)), lost)
        final = ite(too_far, bvand(wide, sign), shifted)
        return _with_overflow(final, overflow)

    return codes


def _replace_sign(value: Term, source: Term) -> Term:
    sign = const(1 << (value.width - 1), value.width)
    return bvxor(bvand(value, bvnot(sign)), bvand(source, sign))


OPERATIONS: dict[int, Callable[[Term, Term, Term], Codes]] = {
    Kept.BITWISE: bitwise,
    Kept.SIGNED_COMPARE: signed_compare,
    Kept.UNSIGNED_COMPARE: unsigned_compare,
    Kept.ADD_32: _signed_add(32),
    Kept.ADD_64: _signed_add(64),
    Kept.ADD_LOGICAL_32: _unsigned_add(32, carry_in=False),
    Kept.ADD_LOGICAL_64: _unsigned_add(64, carry_in=False),
    Kept.ADD_WITH_CARRY_32: _unsigned_add(32, carry_in=True),
    Kept.ADD_WITH_CARRY_64: _unsigned_add(64, carry_in=True),
    Kept.SUBTRACT_32: _signed_sub(32),
    Kept.SUBTRACT_64: _signed_sub(64),
    Kept.SUBTRACT_LOGICAL_32: _unsigned_sub(32, borrow_in=False),
    Kept.SUBTRACT_LOGICAL_64: _unsigned_sub(64, borrow_in=False),
    Kept.SUBTRACT_WITH_BORROW_32: _unsigned_sub(32, borrow_in=True),
    Kept.SUBTRACT_WITH_BORROW_64: _unsigned_sub(64, borrow_in=True),
    Kept.LOAD_AND_TEST: load_and_test,
    Kept.LOAD_POSITIVE_32: _load_positive(32),
    Kept.LOAD_POSITIVE_64: _load_positive(64),
    Kept.TEST_UNDER_MASK_8: _under_mask(8),
    Kept.TEST_UNDER_MASK_16: _under_mask(16),
    Kept.SHIFT_LEFT_32: _shift_left(32),
    Kept.SHIFT_LEFT_64: _shift_left(64),
    Kept.MULTIPLY_SINGLE_32: _signed_product(32),
    Kept.MULTIPLY_SINGLE_64: _signed_product(64),
    Kept.GIVEN: given,
}


_COMPARED = "0 equal, 1 first operand low, 2 first operand high"
_SUM = "0 zero, 1 less than zero, 2 greater than zero, 3 overflow"
_CARRY = "0 zero, no carry; 1 not zero, no carry; 2 zero, carry; 3 not zero, carry"
_BORROW = "1 not zero, borrow; 2 zero, no borrow; 3 not zero, no borrow"
WORDS: dict[int, str] = {
    Kept.BITWISE: "0 zero, 1 not zero",
    Kept.SIGNED_COMPARE: _COMPARED,
    Kept.UNSIGNED_COMPARE: _COMPARED,
    **dict.fromkeys((Kept.ADD_32, Kept.ADD_64, Kept.SUBTRACT_32, Kept.SUBTRACT_64), _SUM),
    **dict.fromkeys((Kept.SHIFT_LEFT_32, Kept.SHIFT_LEFT_64), _SUM),
    **dict.fromkeys((Kept.MULTIPLY_SINGLE_32, Kept.MULTIPLY_SINGLE_64), _SUM),
    **dict.fromkeys((Kept.ADD_LOGICAL_32, Kept.ADD_LOGICAL_64), _CARRY),
    **dict.fromkeys((Kept.ADD_WITH_CARRY_32, Kept.ADD_WITH_CARRY_64), _CARRY),
    **dict.fromkeys((Kept.SUBTRACT_LOGICAL_32, Kept.SUBTRACT_LOGICAL_64), _BORROW),
    **dict.fromkeys((Kept.SUBTRACT_WITH_BORROW_32, Kept.SUBTRACT_WITH_BORROW_64), "0 zero, borrow; " + _BORROW),
    Kept.LOAD_AND_TEST: "0 zero, 1 less than zero, 2 greater than zero",
    **dict.fromkeys((Kept.LOAD_POSITIVE_32, Kept.LOAD_POSITIVE_64), "0 zero, 2 greater than zero, 3 overflow"),
    Kept.TEST_UNDER_MASK_8: "0 all selected bits zero, 1 mixed, 3 all one",
    Kept.TEST_UNDER_MASK_16: "0 all selected bits zero, 1 mixed, leftmost zero, 2 mixed, leftmost one, 3 all one",
}
"""The settings in words, as POP lists them under "Resulting Condition Code"."""


def thunk(operation: Kept, a: Term, b: Term) -> tuple[Term, Term, Term, Term]:
    """The thunk of an operation on two operands of up to 64 bits."""
    return const(operation, 64), zero_extend(a, 64), zero_extend(b, 64), const(0, 64)


def conditions(thunk: tuple[Term, Term, Term, Term]) -> Codes:
    """The four conditions "the code is n". Raises Unsupported for an operation that has no row."""
    operation, dep1, dep2, ndep = thunk
    if operation.op == "ite":  # a conditional instruction kept or replaced the code
        then = conditions((operation.args[1], *_choose(thunk[1:], operation.args[0], True)))
        other = conditions((operation.args[2], *_choose(thunk[1:], operation.args[0], False)))
        return tuple(ite(operation.args[0], a, b) for a, b in zip(then, other, strict=True))  # type: ignore[return-value]
    if not operation.is_const or operation.value not in OPERATIONS:
        raise Unsupported(f"condition code of VEX operation {operation} has no semantics here")
    return OPERATIONS[operation.value](dep1, dep2, ndep)


def _choose(terms: tuple[Term, ...], condition: Term, then: bool) -> tuple[Term, Term, Term]:
    picked = [t.args[1 if then else 2] if t.op == "ite" and t.args[0] is condition else t for t in terms]
    return picked[0], picked[1], picked[2]


def value(state: State) -> Term:
    """The condition code as a 2-bit term."""
    operation, dep1, _, _ = state.cc
    if operation.is_const and operation.value == CC_GIVEN:
        return extract(dep1, 1, 0)
    return number(conditions(state.cc))


def number(codes: Codes) -> Term:
    """Four conditions as a 2-bit number."""
    zero, one, two, _ = codes
    return ite(zero, const(0, 2), ite(one, const(1, 2), ite(two, const(2, 2), const(3, 2))))


def selected(thunk: tuple[Term, Term, Term, Term], mask: int) -> Term:
    """Whether a branch with this 4-bit mask is taken: mask bit 8 selects code 0, 4 code 1, 2 code 2, 1 code 3."""
    if mask in (0, 15):
        return TRUE if mask else FALSE
    codes = conditions(thunk)
    chosen = [codes[n] for n in range(4) if mask & (8 >> n)]
    if len(chosen) <= 2:
        return or_(*chosen)
    return not_(or_(*[codes[n] for n in range(4) if not mask & (8 >> n)]))


__all__ = ["OPERATIONS", "WORDS", "Codes", "Kept", "conditions", "number", "selected", "three_way", "thunk", "value"]
