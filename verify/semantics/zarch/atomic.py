"""Interlocked updates of storage (POP, chapter 7): one CPU's view of them.

What another CPU does to the same storage between two instructions is in the model of storage, not here: whatever
lies outside the protected stack is read afresh.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.machine.term import FALSE, Term, add, bvand, bvor, bvxor, concat, const, eq, extract, ite, not_
from verify.semantics import cc
from verify.semantics.cc import Kept
from verify.semantics.step import Handler, Step, family, insn


@insn("TS")
def test_and_set(step: Step) -> None:
    """The condition code is the leftmost bit of the byte, which becomes all ones."""
    byte = step.state.load(step.address(), 1)
    step.state.store(step.address(), const(0xFF, 8))
    step.state.set_cc(concat(const(0, 1), extract(byte, 7, 7)))


def _equal_or_not(step: Step, equal: Term) -> None:
    """CC 0 equal and stored, 1 unequal and loaded."""
    step.state.set_cc(cc.number((equal, not_(equal), FALSE, FALSE)))


def _compare_and_swap(bits: int) -> Handler:
    """CS, CSG: R1 is compared with storage; equal: R3 is stored; unequal: storage is loaded into R1."""

    def handler(step: Step) -> None:
        old, new = step.low("R1", bits), step.low("R3", bits)
        there = step.state.load(step.address(), bits // 8)
        equal = eq(old, there)
        step.state.store(step.address(), new, equal)
        step.set_low("R1", ite(equal, old, there))
        _equal_or_not(step, equal)

    return handler


def _compare_double_and_swap(bits: int) -> Handler:
    """CDS, CDSG: as CS, with the low words (or all) of even-odd pairs and twice as much storage."""

    def handler(step: Step) -> None:
        gpr, first, third = step.state.gpr, step.field("R1"), step.field("R3")
        pairs = [[extract(gpr[n + i], bits - 1, 0) for i in (0, 1)] for n in (first, third)]
        there = step.state.load(step.address(), bits // 4)
        equal = eq(concat(*pairs[0]), there)
        step.state.store(step.address(), concat(*pairs[1]), equal)
        for i in (0, 1):
            half = extract(there, (2 - i) * bits - 1, (1 - i) * bits)
            kept = ite(equal, pairs[0][i], half)
            gpr[first + i] = kept if bits == 64 else concat(extract(gpr[first + i], 63, 32), kept)
        _equal_or_not(step, equal)

    return handler


family({
    "CS": _compare_and_swap(32), "CSY": _compare_and_swap(32), "CSG": _compare_and_swap(64),
    "CDS": _compare_double_and_swap(32), "CDSY": _compare_double_and_swap(32), "CDSG": _compare_double_and_swap(64),
})  # fmt: skip


def _load_and(combine: Callable[[Term, Term], Term], operation: Kept, bits: int) -> Handler:
    """LAA and its like: storage becomes storage combined with R3, R1 what storage held before."""

    def handler(step: Step) -> None:
        operand = step.low("R3", bits)
        old = step.state.load(step.address(), bits // 8)
        result = combine(old, operand)
        step.state.store(step.address(), result)
        step.set_low("R1", old)
        step.state.cc = cc.thunk(operation, result if operation is Kept.BITWISE else old, operand)

    return handler


family({
    "LAA": _load_and(add, Kept.ADD_32, 32), "LAAG": _load_and(add, Kept.ADD_64, 64),
    "LAAL": _load_and(add, Kept.ADD_LOGICAL_32, 32), "LAALG": _load_and(add, Kept.ADD_LOGICAL_64, 64),
    "LAN": _load_and(bvand, Kept.BITWISE, 32), "LANG": _load_and(bvand, Kept.BITWISE, 64),
    "LAO": _load_and(bvor, Kept.BITWISE, 32), "LAOG": _load_and(bvor, Kept.BITWISE, 64),
    "LAX": _load_and(bvxor, Kept.BITWISE, 32), "LAXG": _load_and(bvxor, Kept.BITWISE, 64),
})  # fmt: skip
