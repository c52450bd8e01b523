"""Folding against plain Python: a tree is built once by the folding constructors and once as a function of numbers.

tests/machine/test_term.py proves the rules at the widths of registers through Z3. Here the widths are those that fields
of instructions make, the reference is a few lines of Python on integers, and literals are put in before, while and
after a tree is built.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise, product
from typing import NamedTuple

import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.semantics.concrete import _operate
from verify.machine import rewrite
from verify.machine import term as t
from verify.machine.evaluate import Evaluation
from verify.machine.term import Origin, Term
from verify.prove.smt import to_z3

LAWS = settings(max_examples=120, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
FEW = settings(LAWS, max_examples=60)

Point = dict[Term, int]


class Tree(NamedTuple):
    """A term, and its value as a function of the values of the unknowns, which knows no folding."""

    term: Term
    value: Callable[[Point], int]


WIDTHS = (1, 2, 4, 7, 8, 12, 20, 31, 32, 33, 64)
WIDEST = 128
LEAVES = {width: [t.leaf(f"{name}{width}", width, Origin.ENTRY) for name in "xy"] for width in range(1, WIDEST + 1)}
CONDITION = t.leaf("holds", t.BOOL, Origin.ENTRY)


def signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


def _corners(width: int) -> st.SearchStrategy[int]:
    top = 1 << (width - 1)
    near = {number % (1 << width) for number in (0, 1, 2, width - 1, width, width + 1, top - 1, top, top + 1, -1, -2)}
    return st.sampled_from(sorted(near)) | st.integers(0, (1 << width) - 1)


# SMT-LIB's definitions ("FixedSizeBitVectors" and the logic QF_BV), as functions of two unsigned numbers and the width.
ARITHMETIC: dict[Callable[[Term, Term], Term], Callable[[int, int, int], int]] = {
    t.add: lambda a, b, _: a + b,
    t.sub: lambda a, b, _: a - b,
    t.mul: lambda a, b, _: a * b,
    t.bvand: lambda a, b, _: a & b,
    t.bvor: lambda a, b, _: a | b,
    t.bvxor: lambda a, b, _: a ^ b,
    t.shl: lambda a, n, width: a << n if n < width else 0,
    t.lshr: lambda a, n, width: a >> n if n < width else 0,
    t.ashr: lambda a, n, width: signed(a, width) >> min(n, width),
}
COMPARISONS: dict[Callable[[Term, Term], Term], Callable[[int, int, int], bool]] = {
    t.eq: lambda a, b, _: a == b,
    t.ult: lambda a, b, _: a < b,
    t.ule: lambda a, b, _: a <= b,
    t.slt: lambda a, b, width: signed(a, width) < signed(b, width),
    t.sle: lambda a, b, width: signed(a, width) <= signed(b, width),
}


@st.composite
def trees(draw: st.DrawFn, width: int, depth: int = 4) -> Tree:
    makers = [_unknown, _literal, _unknown]
    if depth:
        makers = [_arithmetic, _arithmetic, _constant_operand, _unary, _choice, _part, _pieces, _extension, _unknown]
    return draw(draw(st.sampled_from(makers))(width, max(depth - 1, 0)))


@st.composite
def _unknown(draw: st.DrawFn, width: int, _depth: int) -> Tree:
    unknown = draw(st.sampled_from(LEAVES[width]))
    return Tree(unknown, lambda point: point[unknown])


@st.composite
def _literal(draw: st.DrawFn, width: int, _depth: int) -> Tree:
    number = draw(_corners(width))
    return Tree(t.const(number, width), lambda _: number)


def _apply(operation: Callable[[Term, Term], Term], a: Tree, b: Tree) -> Tree:
    exact, width = ARITHMETIC[operation], a.term.width
    return Tree(operation(a.term, b.term), lambda p: exact(a.value(p), b.value(p), width) % (1 << width))


@st.composite
def _arithmetic(draw: st.DrawFn, width: int, depth: int) -> Tree:
    operation = draw(st.sampled_from(list(ARITHMETIC)))
    return _apply(operation, draw(trees(width, depth)), draw(trees(width, depth)))


@st.composite
def _constant_operand(draw: st.DrawFn, width: int, depth: int) -> Tree:
    """A literal on either side, where most folding rules look."""
    operation = draw(st.sampled_from(list(ARITHMETIC)))
    pair = [draw(trees(width, depth)), draw(_literal(width, depth))]
    return _apply(operation, *(reversed(pair) if draw(st.booleans()) else pair))


@st.composite
def _unary(draw: st.DrawFn, width: int, depth: int) -> Tree:
    a = draw(trees(width, depth))
    if draw(st.booleans()):
        return Tree(t.bvnot(a.term), lambda p: ~a.value(p) % (1 << width))
    return Tree(t.neg(a.term), lambda p: -a.value(p) % (1 << width))


@st.composite
def _choice(draw: st.DrawFn, width: int, depth: int) -> Tree:
    c, a, b = draw(conditions(depth)), draw(trees(width, depth)), draw(trees(width, depth))
    return Tree(t.ite(c.term, a.term, b.term), lambda p: a.value(p) if c.value(p) else b.value(p))


@st.composite
def _part(draw: st.DrawFn, width: int, depth: int) -> Tree:
    low = draw(st.integers(0, min(20, WIDEST - width)))
    above = draw(st.integers(0, min(20, WIDEST - width - low)))
    a = draw(trees(width + low + above, depth))
    return Tree(t.extract(a.term, low + width - 1, low), lambda p: a.value(p) >> low & (1 << width) - 1)


@st.composite
def _pieces(draw: st.DrawFn, width: int, depth: int) -> Tree:
    if width == 1:
        return draw(trees(width, depth))
    right = draw(st.integers(1, width - 1))
    a, b = draw(trees(width - right, depth)), draw(trees(right, depth))
    return Tree(t.concat(a.term, b.term), lambda p: a.value(p) << right | b.value(p))


@st.composite
def _extension(draw: st.DrawFn, width: int, depth: int) -> Tree:
    inner = draw(st.integers(1, width))
    a = draw(trees(inner, depth))
    if draw(st.booleans()):
        return Tree(t.zero_extend(a.term, width), a.value)
    return Tree(t.sign_extend(a.term, width), lambda p: signed(a.value(p), inner) % (1 << width))


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> Tree:
    kind = draw(st.sampled_from(["compare", "unknown", "literal", "not", "and", "or", "equal", "choice"]))
    if kind == "unknown":
        return Tree(CONDITION, lambda p: p[CONDITION])
    if kind == "literal":
        holds = draw(st.booleans())
        return Tree(t.boolean(holds), lambda _: int(holds))
    if kind == "compare" or not depth:
        operation = draw(st.sampled_from(list(COMPARISONS)))
        exact, width = COMPARISONS[operation], draw(st.sampled_from(WIDTHS))
        a, b = draw(trees(width, depth)), draw(trees(width, depth))
        return Tree(operation(a.term, b.term), lambda p: int(exact(a.value(p), b.value(p), width)))
    x, y, z = (draw(conditions(depth - 1)) for _ in range(3))
    return {
        "not": Tree(t.not_(x.term), lambda p: 1 - x.value(p)),
        "and": Tree(t.and_(x.term, y.term, z.term), lambda p: x.value(p) & y.value(p) & z.value(p)),
        "or": Tree(t.or_(x.term, y.term, z.term), lambda p: x.value(p) | y.value(p) | z.value(p)),
        "equal": Tree(t.eq(x.term, y.term), lambda p: int(x.value(p) == y.value(p))),
        "choice": Tree(t.ite(x.term, y.term, z.term), lambda p: y.value(p) if x.value(p) else z.value(p)),
    }[kind]


anything = st.one_of(st.sampled_from(WIDTHS).flatmap(trees), conditions())


@st.composite
def points(draw: st.DrawFn) -> Point:
    """A value for each unknown: the bits of three random words, over and over, or a corner of its width."""
    words = [draw(_corners(WIDEST)) for _ in range(3)]
    values = {CONDITION: draw(st.integers(0, 1))}
    for number, unknown in enumerate(leaf for pair in LEAVES.values() for leaf in pair):
        values[unknown] = (words[number % 3] >> number % 7) % (1 << unknown.width)
    return values


def evaluate(term: Term, point: Point) -> int:
    known = dict(point)

    def go(node: Term) -> int:
        if node not in known:
            known[node] = _operate(node, [go(arg) for arg in node.args])
        return known[node]

    return go(term)


def literal(unknown: Term, value: int) -> Term:
    return t.boolean(bool(value)) if unknown.width == t.BOOL else t.const(value, unknown.width)


@LAWS
@given(anything, points())
def test_a_folded_term_has_the_value_of_what_was_written(tree: Tree, point: Point) -> None:
    assert evaluate(tree.term, point) == tree.value(point)


@LAWS
@given(anything, points())
def test_the_evaluator_of_replays_and_guesses_gives_that_value_too(tree: Tree, point: Point) -> None:
    """Counterexamples and satisfiable queries rest on it."""
    assert Evaluation(point)(tree.term) == tree.value(point)


@LAWS
@given(anything, points())
def test_literals_for_all_unknowns_fold_to_the_value(tree: Tree, point: Point) -> None:
    folded = rewrite.substitute(
        tree.term, {unknown: literal(unknown, point[unknown]) for unknown in tree.term.leaves()}
    )
    assert folded.is_const, folded
    assert (folded.value, folded.width) == (tree.value(point), tree.term.width)


@LAWS
@given(anything, points(), st.data())
def test_literals_for_some_unknowns_leave_the_value(tree: Tree, point: Point, data: st.DataObject) -> None:
    unknowns = sorted(tree.term.leaves(), key=str)
    some = data.draw(st.sets(st.sampled_from(unknowns))) if unknowns else set()
    folded = rewrite.substitute(tree.term, {unknown: literal(unknown, point[unknown]) for unknown in some})
    assert folded.leaves() <= tree.term.leaves() - some
    assert evaluate(folded, point) == tree.value(point)


@LAWS
@given(anything)
def test_a_term_built_again_is_the_same_object(tree: Tree) -> None:
    """Hash consing and idempotent folding: what came out of the constructors goes through them unchanged."""

    def again(node: Term) -> Term:
        return rewrite.rebuild(node, tuple(map(again, node.args))) if node.args else node

    rebuilt = again(tree.term)
    assert rebuilt is tree.term
    assert rewrite.substitute(tree.term, {}) is tree.term
    assert str(tree.term)
    assert rebuilt.leaves() <= tree.term.leaves()


@FEW
@given(anything, points())
def test_z3_evaluates_a_folded_term_to_the_same_value(tree: Tree, point: Point) -> None:
    replaced = [(to_z3(unknown), to_z3(literal(unknown, point[unknown]))) for unknown in tree.term.leaves()]
    answer = z3.simplify(z3.substitute(to_z3(tree.term), *replaced))
    value = int(z3.is_true(answer)) if tree.term.width == t.BOOL else answer.as_long()
    assert value == tree.value(point)


# Every pair of small terms --------------------------------------------------------------------------------------------
#
# At three bits two sums are often equal, a shift often goes beyond the width, and all pairs of operands can be tried.

SMALL = 3
_CHANCE = random.Random(3)
SMALL_POINTS: list[Point] = [
    {CONDITION: holds, **{u: _CHANCE.randrange(1 << u.width) for n in range(1, 7) for u in LEAVES[n]}}
    for holds in (0, 1) * 6
]
Values = tuple[int, ...]


class Small(NamedTuple):
    """A term, and its values at the points, computed without it."""

    term: Term
    values: Values


def small_terms() -> list[Small]:
    x, y = LEAVES[SMALL]
    one, two, six = LEAVES[1][0], LEAVES[2][0], LEAVES[6][0]
    number = [t.const(n, SMALL) for n in range(1 << SMALL)]
    rows: list[tuple[Term, Callable[[Point], int]]] = [
        *[(number[n], lambda _, n=n: n) for n in range(1 << SMALL)],
        *[(t.plus(x, n), lambda p, n=n: p[x] + n) for n in (0, 1, 3, 7)],
        *[(t.plus(y, n), lambda p, n=n: p[y] + n) for n in (0, 2, 4)],
        (t.sub(x, y), lambda p: p[x] - p[y]),
        (t.neg(y), lambda p: -p[y]),
        (t.mul(x, y), lambda p: p[x] * p[y]),
        (t.bvnot(x), lambda p: ~p[x]),
        (t.bvand(x, y), lambda p: p[x] & p[y]),
        (t.bvxor(x, number[5]), lambda p: p[x] ^ 5),
        (t.bvor(y, number[2]), lambda p: p[y] | 2),
        (t.bvand(x, number[6]), lambda p: p[x] & 6),
        (t.lshr(x, number[1]), lambda p: p[x] >> 1),
        (t.shl(y, number[2]), lambda p: p[y] << 2),
        (t.zero_extend(two, SMALL), lambda p: p[two]),
        (t.sign_extend(two, SMALL), lambda p: signed(p[two], 2)),
        (t.sign_extend(one, SMALL), lambda p: -p[one]),
        (t.concat(two, one), lambda p: p[two] << 1 | p[one]),
        (t.concat(one, t.const(2, 2)), lambda p: p[one] << 2 | 2),
        (t.concat(two, t.const(0, 1)), lambda p: p[two] << 1),
        (t.extract(six, 3, 1), lambda p: p[six] >> 1),
        (t.extract(six, 5, 3), lambda p: p[six] >> 3),
        (t.ite(CONDITION, x, y), lambda p: p[x] if p[CONDITION] else p[y]),
        (t.ite(CONDITION, number[1], number[6]), lambda p: 1 if p[CONDITION] else 6),
    ]
    return [Small(term, tuple(value(p) % (1 << SMALL) for p in SMALL_POINTS)) for term, value in rows]


class Evaluator:
    """Values of terms at all small points; what was evaluated once is kept, since terms are hash-consed."""

    def __init__(self) -> None:
        self.known: dict[Term, Values] = {
            unknown: tuple(point[unknown] for point in SMALL_POINTS) for unknown in SMALL_POINTS[0]
        }

    def __call__(self, term: Term) -> Values:
        if term not in self.known:
            args = [self(arg) for arg in term.args]
            self.known[term] = tuple(_operate(term, [values[n] for values in args]) for n in range(len(SMALL_POINTS)))
        return self.known[term]


def test_every_operation_on_every_pair_of_small_terms_and_every_part_of_it() -> None:
    value = Evaluator()
    for a, b in product(small_terms(), repeat=2):
        for operation, exact in ARITHMETIC.items():
            term = operation(a.term, b.term)
            expected = tuple(exact(x, y, SMALL) % (1 << SMALL) for x, y in zip(a.values, b.values, strict=True))
            assert value(term) == expected, (operation.__name__, a.term, b.term)
            for high, low in ((0, 0), (1, 0), (1, 1), (2, 1), (2, 2)):
                part = tuple(number >> low & (1 << (high + 1 - low)) - 1 for number in expected)
                assert value(t.extract(term, high, low)) == part, (operation.__name__, a.term, b.term, high, low)


def test_every_comparison_of_every_pair_of_small_terms() -> None:
    value = Evaluator()
    for a, b in product(small_terms(), repeat=2):
        both = list(zip(a.values, b.values, strict=True))
        pieces = t.concat(a.term, b.term)
        assert value(pieces) == tuple(x << SMALL | y for x, y in both), pieces
        assert value(t.extract(pieces, 4, 1)) == tuple((x << SMALL | y) >> 1 & 15 for x, y in both), pieces
        chosen = t.ite(CONDITION, a.term, b.term)
        expected = tuple(x if point[CONDITION] else y for point, (x, y) in zip(SMALL_POINTS, both, strict=True))
        assert value(chosen) == expected, chosen
        for operation, exact in COMPARISONS.items():
            term = operation(a.term, b.term)
            expected = tuple(int(exact(x, y, SMALL)) for x, y in both)
            assert value(term) == expected, (operation.__name__, a.term, b.term)
            assert value(t.not_(term)) == tuple(1 - holds for holds in expected), term


def test_every_junction_of_three_conditions() -> None:
    """Among them a condition with itself, with its negation, and nested in junctions of the same and the other kind."""
    x, y = LEAVES[SMALL]
    atoms = [t.TRUE, t.FALSE, CONDITION, t.eq(x, y), t.ult(x, y)]
    atoms += [t.not_(atom) for atom in atoms[2:]]
    atoms += [join(a, b) for join in (t.and_, t.or_) for a in atoms[2:4] for b in atoms[3:]]
    value = Evaluator()
    for parts in product(dict.fromkeys(atoms), repeat=3):
        columns = list(zip(*map(value, parts), strict=True))
        assert value(t.and_(*parts)) == tuple(int(all(column)) for column in columns), parts
        assert value(t.or_(*parts)) == tuple(int(any(column)) for column in columns), parts
        assert value(t.ite(*parts)) == tuple(column[1] if column[0] else column[2] for column in columns), parts


# Normal forms that the walk relies on ---------------------------------------------------------------------------------

WORD = LEAVES[64][0]
numbers = st.integers(-(2**63), 2**63 - 1)


@LAWS
@given(st.lists(numbers, max_size=6))
def test_an_address_is_a_base_and_a_constant_however_it_was_reached(steps: list[int]) -> None:
    address = WORD
    for step in steps:
        address = t.plus(address, step) if step % 2 else t.sub(address, t.const(-step, 64))
    total = sum(steps) % 2**64
    assert t.split(address) == (WORD, total)
    assert t.offset_from(address, WORD) == signed(total, 64)
    assert address is t.plus(WORD, total)


@LAWS
@given(st.lists(st.integers(1, 63), max_size=8, unique=True))
def test_a_value_cut_anywhere_and_put_together_is_itself(cuts: list[int]) -> None:
    edges = [64, *sorted(cuts, reverse=True), 0]
    pieces = [t.extract(WORD, high - 1, low) for high, low in pairwise(edges)]
    assert t.concat(*pieces) is WORD
    assert t.concat(*pieces[:2], *pieces[2:]) is WORD


@LAWS
@given(st.integers(0, 2**64 - 1), st.integers(0, 63), st.integers(1, 64))
def test_fields_outside_a_literal_mask_come_from_the_word(mask: int, low: int, size: int) -> None:
    """A mask keeps or clears each bit, and a field that it keeps whole is a field of the word itself."""
    high = min(low + size, 64) - 1
    field = t.extract(t.bvand(WORD, t.const(mask, 64)), high, low)
    wanted = mask >> low & (1 << (high + 1 - low)) - 1
    if wanted == (1 << (high + 1 - low)) - 1:
        assert field is t.extract(WORD, high, low)
    if wanted == 0:
        assert field is t.const(0, high + 1 - low)
