"""VEX's primitive operations as terms: one row each, no operation guessed from its name.

VEX types in a name: 8, 16, 32, 64, V128; `U` unsigned, `S` signed, `HI` the upper half, `HL` high and low joined.
An operation without a row ends the path as `unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.machine.term import (
    Term,
    add,
    ashr,
    bool_to_bv,
    bvand,
    bvnot,
    bvor,
    bvxor,
    concat,
    const,
    eq,
    extract,
    lshr,
    mul,
    not_,
    shl,
    sign_extend,
    sle,
    slt,
    sub,
    ule,
    ult,
    zero_extend,
)

Operation = Callable[..., Term]


def _bit(compare: Callable[[Term, Term], Term]) -> Operation:
    """A comparison gives VEX's Ity_I1, kept as a Bool."""
    return compare


def _shift(build: Callable[[Term, Term], Term]) -> Operation:
    """VEX shifts take an 8-bit count, which the lifter has already reduced below the width."""
    return lambda a, n: build(a, zero_extend(n, a.width) if n.width < a.width else extract(n, a.width - 1, 0))


def _widen(width: int, is_signed: bool) -> Operation:
    extend = sign_extend if is_signed else zero_extend
    return lambda a: extend(bool_to_bv(a, 1) if a.width == 0 else a, width)


def _low(width: int) -> Operation:
    return lambda a: extract(a, width - 1, 0)


def _high(width: int) -> Operation:
    return lambda a: extract(a, a.width - 1, a.width - width)


def _product(width: int, is_signed: bool) -> Operation:
    extend = sign_extend if is_signed else zero_extend
    return lambda a, b: mul(extend(a, width), extend(b, width))


def _sign_bit(set_it: bool | None) -> Operation:
    """Clear, set or (None) invert the sign of a floating-point number: bit operations, no arithmetic."""

    def change(a: Term) -> Term:
        sign = const(1 << (a.width - 1), a.width)
        if set_it is None:
            return bvxor(a, sign)
        return bvor(a, sign) if set_it else bvand(a, bvnot(sign))

    return change


def _repeat(count: int) -> Operation:
    return lambda a: concat(*[a] * count)


def _rows() -> dict[str, Operation]:
    rows: dict[str, Operation] = {}
    for w in (8, 16, 32, 64):
        rows |= {
            f"Iop_Add{w}": add, f"Iop_Sub{w}": sub, f"Iop_Mul{w}": mul, f"Iop_And{w}": bvand,
            f"Iop_Or{w}": bvor, f"Iop_Xor{w}": bvxor, f"Iop_Not{w}": bvnot,
            f"Iop_Shl{w}": _shift(shl), f"Iop_Shr{w}": _shift(lshr), f"Iop_Sar{w}": _shift(ashr),
            f"Iop_CmpEQ{w}": eq, f"Iop_CmpNE{w}": lambda a, b: not_(eq(a, b)),
            f"Iop_CmpLT{w}S": slt, f"Iop_CmpLT{w}U": ult, f"Iop_CmpLE{w}S": sle, f"Iop_CmpLE{w}U": ule,
            f"Iop_1Uto{w}": _widen(w, False), f"Iop_1Sto{w}": _widen(w, True),
            f"Iop_{w}to1": lambda a: eq(extract(a, 0, 0), const(1, 1)),
        }  # fmt: skip
    for narrow, wide in ((8, 16), (8, 32), (8, 64), (16, 32), (16, 64), (32, 64)):
        rows |= {
            f"Iop_{narrow}Uto{wide}": _widen(wide, False), f"Iop_{narrow}Sto{wide}": _widen(wide, True),
            f"Iop_{wide}to{narrow}": _low(narrow), f"Iop_{wide}HIto{narrow}": _high(narrow),
        }  # fmt: skip
    for half, whole in ((8, 16), (16, 32), (32, 64), (64, 128)):
        rows |= {f"Iop_{half}HLto{whole}": concat, f"Iop_{whole}HIto{half}": _high(half),
                 f"Iop_{whole}to{half}": _low(half)}  # fmt: skip
    for narrow, wide in ((8, 16), (16, 32), (32, 64), (64, 128)):
        rows |= {f"Iop_MullU{narrow}": _product(wide, False), f"Iop_MullS{narrow}": _product(wide, True)}
    rows |= {
        "Iop_ReinterpF64asI64": lambda a: a, "Iop_ReinterpI64asF64": lambda a: a,
        "Iop_ReinterpF32asI32": lambda a: a, "Iop_ReinterpI32asF32": lambda a: a,
        "Iop_AbsF64": _sign_bit(False), "Iop_NegF64": _sign_bit(None),
        "Iop_AbsF32": _sign_bit(False), "Iop_NegF32": _sign_bit(None),
        "Iop_F64HLtoF128": concat, "Iop_F128HItoF64": _high(64), "Iop_F128LOtoF64": _low(64),
        "Iop_64HLtoV128": concat, "Iop_V128to64": _low(64), "Iop_V128HIto64": _high(64),
        "Iop_AndV128": bvand, "Iop_OrV128": bvor, "Iop_XorV128": bvxor, "Iop_NotV128": bvnot,
        "Iop_Dup8x16": _repeat(16), "Iop_Dup16x8": _repeat(8), "Iop_Dup32x4": _repeat(4),
        "Iop_Not1": not_,
    }  # fmt: skip
    return rows


OPERATIONS = _rows()
