"""IBM bit numbers against strings of bits: character 0 of the string is bit 0, the most significant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.semantics.concrete import _operate
from verify.machine import psw
from verify.machine.term import Origin, Term, const, leaf

LAWS = settings(max_examples=200, deadline=None, print_blob=True)

# What POP, chapter 4, "Program-Status-Word Format", says of bits 0-63.
CONDITION_CODE, PROGRAM_MASK, EXTENDED, BASIC = slice(18, 20), slice(20, 24), 31, 32

masks = st.integers(0, 2**64 - 1)
codes, programs = st.integers(0, 3), st.integers(0, 15)
SYSTEM = leaf("system", 64, Origin.ENTRY)
CODE = leaf("code", 2, Origin.ENTRY)
PROGRAM = leaf("program", 4, Origin.ENTRY)


def bits(value: int, width: int = 64) -> str:
    return f"{value:0{width}b}"


def evaluate(term: Term, known: dict[Term, int]) -> int:
    if term in known:
        return known[term]
    return _operate(term, [evaluate(arg, known) for arg in term.args])


@LAWS
@given(st.integers(1, 64), st.data())
def test_ibm_counts_from_the_left(width: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, 2**width - 1))
    first = data.draw(st.integers(0, width - 1))
    last = data.draw(st.integers(first, width - 1))
    expected = int(bits(value, width)[first : last + 1], 2)
    unknown = leaf("word", width, Origin.ENTRY)
    for term, known in ((const(value, width), {}), (unknown, {unknown: value})):
        part = psw.ibm(term, first, last)
        assert part.width == last + 1 - first
        assert evaluate(part, known) == expected


@LAWS
@given(masks, codes, programs)
def test_compose_puts_the_two_fields_in_and_changes_nothing_else(system: int, code: int, program: int) -> None:
    old = bits(system)
    expected = old[:18] + bits(code, 2) + bits(program, 4) + old[24:]
    literal = psw.compose(const(system, 64), const(code, 2), const(program, 4))
    assert bits(literal.value) == expected
    assert expected[CONDITION_CODE] == bits(code, 2)
    assert expected[PROGRAM_MASK] == bits(program, 4)
    symbolic = psw.compose(SYSTEM, CODE, PROGRAM)
    assert bits(evaluate(symbolic, {SYSTEM: system, CODE: code, PROGRAM: program})) == expected


@LAWS
@given(masks)
def test_64_bit_mode_sets_both_mode_bits_and_changes_nothing_else(system: int) -> None:
    old = bits(system)
    expected = old[:EXTENDED] + "11" + old[BASIC + 1 :]
    assert bits(psw.in_64_bit_mode(const(system, 64)).value) == expected
    assert bits(evaluate(psw.in_64_bit_mode(SYSTEM), {SYSTEM: system})) == expected


def test_what_was_composed_reads_back_as_the_same_terms() -> None:
    """Not merely equal: EPSW after SPM must give back the very term, or proofs would need the solver."""
    whole = psw.compose(SYSTEM, CODE, PROGRAM)
    assert psw.ibm(whole, *psw.CC_BITS) is CODE
    assert psw.ibm(whole, *psw.PROGRAM_MASK_BITS) is PROGRAM
    assert psw.compose(whole, CODE, PROGRAM) is whole
    assert psw.compose(SYSTEM, psw.ibm(SYSTEM, *psw.CC_BITS), psw.ibm(SYSTEM, *psw.PROGRAM_MASK_BITS)) is SYSTEM


def test_64_bit_mode_is_idempotent_and_independent_of_the_condition_code() -> None:
    once = psw.in_64_bit_mode(SYSTEM)
    assert psw.in_64_bit_mode(once) is once
    assert psw.in_64_bit_mode(psw.compose(SYSTEM, CODE, PROGRAM)) is psw.compose(once, CODE, PROGRAM)


# The bits that kernel code writes as masks: PSW_MASK_DAT and so on in the kernel's ptrace.h.
@pytest.mark.parametrize(
    ("first", "last", "mask"),
    [
        (1, 1, 0x4000000000000000),  # PER
        (5, 5, 0x0400000000000000),  # DAT
        (6, 6, 0x0200000000000000),  # input/output
        (7, 7, 0x0100000000000000),  # external
        (8, 11, 0x00F0000000000000),  # key
        (13, 13, 0x0004000000000000),  # machine check
        (14, 14, 0x0002000000000000),  # wait
        (15, 15, 0x0001000000000000),  # problem state
        (16, 17, 0x0000C00000000000),  # address-space control
        (*psw.CC_BITS, 0x0000300000000000),
        (*psw.PROGRAM_MASK_BITS, 0x00000F0000000000),
        (31, 31, 0x0000000100000000),  # EA
        (32, 32, 0x0000000080000000),  # BA
    ],
)
def test_bits_by_the_names_of_the_kernel(first: int, last: int, mask: int) -> None:
    width = last + 1 - first
    assert psw.ibm(const(mask, 64), first, last).value == (1 << width) - 1
    assert psw.ibm(const(~mask, 64), first, last).value == 0
