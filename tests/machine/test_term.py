"""Every folding rule is proved by Z3: a term built by folding equals the same term built by Z3 alone."""

from __future__ import annotations

from typing import Any

import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify.machine import rewrite
from verify.machine import term as t
from verify.machine.term import Origin, Term
from verify.prove.smt import to_z3

LEAVES = {width: [t.leaf(f"{n}{width}", width, Origin.ENTRY) for n in "ab"] for width in (8, 16, 32, 64)}
BINARY = {
    t.add: lambda a, b: a + b, t.sub: lambda a, b: a - b, t.mul: lambda a, b: a * b,
    t.bvand: lambda a, b: a & b, t.bvor: lambda a, b: a | b, t.bvxor: lambda a, b: a ^ b,
    t.shl: lambda a, b: a << b, t.lshr: z3.LShR, t.ashr: lambda a, b: a >> b,
}  # fmt: skip
COMPARE = {t.eq: lambda a, b: a == b, t.ult: z3.ULT, t.ule: z3.ULE, t.slt: lambda a, b: a < b,
           t.sle: lambda a, b: a <= b}  # fmt: skip
CORNERS = [0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFF00, 0xFFFFFFFF, 0xFFFFFFFF00000000, -1, -8, 1 << 31, 1 << 63]

Pair = tuple[Term, Any]


def raw(term: Term) -> Any:
    """A leaf or literal as Z3 sees it."""
    return to_z3(term)


@st.composite
def bitvectors(draw: Any, width: int, depth: int = 4) -> Pair:
    """A term built with folding, and its twin built by Z3 without."""
    kinds = ["leaf", "const", "binary", "not", "extract", "concat", "extend", "ite"]
    kind = draw(st.sampled_from(kinds if depth else kinds[:2]))
    if kind == "leaf":
        leaf = draw(st.sampled_from(LEAVES[width]))
        return leaf, raw(leaf)
    if kind == "const":
        value = draw(st.one_of(st.sampled_from(CORNERS), st.integers(0, 2**width - 1)))
        return t.const(value, width), z3.BitVecVal(value, width)
    if kind == "binary":
        build, twin = draw(st.sampled_from(list(BINARY.items())))
        (a, x), (b, y) = draw(bitvectors(width, depth - 1)), draw(bitvectors(width, depth - 1))
        return build(a, b), twin(x, y)
    if kind == "not":
        a, x = draw(bitvectors(width, depth - 1))
        return t.bvnot(a), ~x
    if kind == "ite":
        c, z = draw(bools(depth - 1))
        (a, x), (b, y) = draw(bitvectors(width, depth - 1)), draw(bitvectors(width, depth - 1))
        return t.ite(c, a, b), z3.If(z, x, y)
    if kind == "extract" and width < 64:
        a, x = draw(bitvectors(width * 2, depth - 1))
        lo = draw(st.integers(0, width))
        return t.extract(a, lo + width - 1, lo), z3.Extract(lo + width - 1, lo, x)
    if kind == "concat" and width > 8:
        (a, x), (b, y) = draw(bitvectors(width // 2, depth - 1)), draw(bitvectors(width // 2, depth - 1))
        return t.concat(a, b), z3.Concat(x, y)
    if kind == "extend" and width > 8:
        a, x = draw(bitvectors(width // 2, depth - 1))
        if draw(st.booleans()):
            return t.zero_extend(a, width), z3.ZeroExt(width // 2, x)
        return t.sign_extend(a, width), z3.SignExt(width // 2, x)
    return draw(bitvectors(width, 0))


@st.composite
def bools(draw: Any, depth: int = 3) -> Pair:
    """A Bool built with folding, and its twin."""
    kind = draw(st.sampled_from(["compare", "not", "and", "or"])) if depth else "compare"
    if kind == "not":
        a, x = draw(bools(depth - 1))
        return t.not_(a), z3.Not(x)
    if kind in ("and", "or"):
        (a, x), (b, y) = draw(bools(depth - 1)), draw(bools(depth - 1))
        return (t.and_(a, b), z3.And(x, y)) if kind == "and" else (t.or_(a, b), z3.Or(x, y))
    build, twin = draw(st.sampled_from(list(COMPARE.items())))
    width = draw(st.sampled_from([8, 32, 64]))
    (a, x), (b, y) = draw(bitvectors(width, max(depth, 1))), draw(bitvectors(width, max(depth, 1)))
    return build(a, b), twin(x, y)


def assert_equal(folded: Any, twin: Any) -> None:
    solver = z3.Solver()
    solver.set("timeout", 5000)
    solver.add(folded != twin)
    answer = solver.check()
    if answer == z3.unknown:  # multiplications may take Z3 too long: then the two are compared on random points
        for seed in range(50):
            names = {v.decl().name(): v for v in z3.z3util.get_vars(z3.simplify(folded != twin))}
            point = [(v, z3.BitVecVal(hash((seed, name)), v.size())) for name, v in names.items()]
            assert z3.is_false(z3.simplify(z3.substitute(folded != twin, *point)))
        return
    assert answer == z3.unsat, solver.model()


COMMON = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@COMMON
@given(st.data())
def test_folding_of_bitvectors_is_sound(data: st.DataObject) -> None:
    folded, twin = data.draw(bitvectors(data.draw(st.sampled_from([8, 16, 32, 64]))))
    assert_equal(to_z3(folded), twin)


@COMMON
@given(bools())
def test_folding_of_bools_is_sound(pair: Pair) -> None:
    assert_equal(to_z3(pair[0]), pair[1])


@COMMON
@given(st.data())
def test_substitution_agrees_with_z3(data: st.DataObject) -> None:
    folded, twin = data.draw(bitvectors(32))
    value = data.draw(st.sampled_from(CORNERS))
    leaf = LEAVES[32][0]
    ours = rewrite.substitute(folded, {leaf: t.const(value, 32)})
    assert_equal(to_z3(ours), z3.substitute(twin, (raw(leaf), z3.BitVecVal(value, 32))))


def test_address_normal_form() -> None:
    base = LEAVES[64][0]
    address = t.plus(t.plus(base, -160), 152)
    assert t.split(address) == (base, (1 << 64) - 8)
    assert t.offset_from(address, base) == -8
    assert t.offset_from(LEAVES[64][1], base) is None
    assert t.plus(address, 8) is base


def test_bytes_put_together_are_the_value() -> None:
    value = LEAVES[64][0]
    assert t.concat(*[t.extract(value, hi, hi - 7) for hi in range(63, 0, -8)]) is value


def test_show_reads_like_the_contract_language() -> None:
    assert str(t.plus(LEAVES[64][0], -8)) == "a64 - 8"
