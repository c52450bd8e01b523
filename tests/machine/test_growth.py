"""Terms that share parts, and deep ones, take time by their size: not by the number of ways through them."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.semantics.concrete import code_of, symbolic
from tests.semantics.unicorn_machine import CODE
from verify.machine.bounds import highest
from verify.machine.rewrite import substitute
from verify.machine.show import show
from verify.machine.term import Origin, Term, add, bvxor, concat, const, eq, extract, ite, leaf, zero_extend
from verify.prove.smt import to_z3
from verify.semantics import isa, zarch
from verify.semantics.decode import encode
from verify.semantics.step import perform, start

assert zarch  # imported for its registrations

X = leaf("x", 64, Origin.ENTRY)
CHOICE = eq(leaf("y", 64, Origin.ENTRY), const(7, 64))
ROUNDS = 200

GROW: dict[str, Callable[[Term], Term]] = {
    "sums": lambda term: add(term, bvxor(term, X)),
    "choices": lambda term: ite(CHOICE, add(term, const(1, 64)), bvxor(term, X)),
    "words": lambda term: concat(extract(term, 63, 32), add(extract(term, 31, 0), extract(term, 62, 31))),
}


@pytest.mark.parametrize("how", GROW)
def test_shared_parts(how: str) -> None:
    """2**200 ways through two hundred rounds would never end."""
    term = X
    for _ in range(ROUNDS):
        term = GROW[how](term)
    assert extract(term, 31, 0).width == 32
    assert highest(zero_extend(extract(term, 31, 0), 64)) <= (1 << 64) - 1
    assert term.leaves() >= {X}
    assert substitute(term, {X: const(3, 64)}) is not term
    assert len(show(term)) < 5000
    assert to_z3(term).size() == 64


def test_deep_terms_need_no_deep_recursion() -> None:
    term = X
    for _ in range(3 * sys.getrecursionlimit()):
        term = bvxor(add(term, X), X)
    assert extract(term, 31, 0).leaves() == {X}
    assert highest(term) == (1 << 64) - 1
    assert substitute(term, {X: leaf("z", 64, Origin.ENTRY)}).width == 64
    assert to_z3(term).size() == 64


@pytest.mark.parametrize("name", ["AGR", "HDR", "HER", "SLLG"])
def test_an_instruction_again_and_again(name: str) -> None:
    """What a register holds is an operand twice, thirty times in a row."""
    fields = {"R1": 2, "R2": 2} if name != "SLLG" else {"R1": 2, "R3": 2, "D2": 3}
    raw, test = encode(isa.by_mnemonic()[name], fields), encode(isa.by_mnemonic()["LTR"], {"R1": 5, "R2": 2})
    image = code_of({CODE: raw, CODE + len(raw): test})
    state = symbolic(image)
    for _ in range(30):
        state.pc = symbolic(image).pc
        perform(start(state, image, image.place(state.pc)))
    place = image.place(state.pc)
    assert place is not None
    perform(start(state, image, place.plus(len(raw))))
