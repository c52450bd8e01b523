"""MOVE LONG EXTENDED (POP, chapter 7): as much as the CPU likes at a time, so only together with its loop.

"When the operation is ended because a CPU-determined number of bytes have been processed, condition code 3 is set",
and the registers say what is left. A branch back on condition code 3 makes the whole of it certain, whatever the
CPU chose each time; without one the instruction has no meaning that one can rely on.
"""

from __future__ import annotations

from verify.errors import Unsupported
from verify.machine.bounds import highest
from verify.machine.term import TRUE, Term, add, const, eq, extract, ite, offset_from, plus, sub, ult
from verify.semantics import cc
from verify.semantics.step import Step, insn

MOST_BYTES = 4096  # of a constant length
MOST_CONDITIONAL = 256  # of a length that a register bounds: each byte has its own condition


@insn("MVCLE")
def move_long_extended(step: Step) -> None:
    """The pair R1 is address and length of the first operand, R3 of the second, which is padded or cut to fit.

    CC 0: the lengths are equal, 1: the first is less, 2: the first is greater. At the end the addresses have gone up
    by what was moved, and the lengths down.
    """
    step.only_in_64_bit_mode()
    _repeated(step)
    first, second = step.field("R1"), step.field("R3")
    if first == second:
        raise Unsupported("mvcle whose operands are the same registers")
    gpr = step.state.gpr
    to, length = gpr[first], gpr[first + 1]
    source, rest = gpr[second], gpr[second + 1]
    _check_distance(to, source, length)
    _move(step, to, length, source, rest)
    shorter = ite(ult(length, rest), length, rest)
    gpr[first], gpr[first + 1] = add(to, length), const(0, 64)
    gpr[second], gpr[second + 1] = add(source, shorter), sub(rest, shorter)
    step.state.set_cc(cc.number(cc.three_way(eq(length, rest), ult(length, rest))))


def _repeated(step: Step) -> None:
    """Insist on a branch that repeats the instruction as long as the condition code is 3."""
    if step.executed:
        raise Unsupported("mvcle as the target of an execute has no semantics here")
    place = step.place.plus(step.insn.length)
    follower = step.code.fetch(place)
    repeats = follower.mnemonic in {"BRC", "BRCL"} and follower.fields["M1"] & 1
    if not (repeats and step.code.relative(place, follower) is step.code.address(step.place)):
        raise Unsupported("mvcle that no branch on condition code 3 repeats may stop anywhere")
    if step.field("B2") and step.field("B2") & 14 in (step.field("R1"), step.field("R3")):
        raise Unsupported("mvcle whose padding byte comes from one of its operands' registers")


def _check_distance(to: Term, source: Term, length: Term) -> None:
    """ "When the operands overlap destructively, the results are unpredictable." """
    distance = offset_from(to, source)
    if distance is not None and 0 < distance < highest(length):
        raise Unsupported("mvcle whose first operand begins inside the second")


def _move(step: Step, to: Term, length: Term, source: Term, rest: Term) -> None:
    most = highest(length)
    if most > (MOST_BYTES if length.is_const else MOST_CONDITIONAL):
        raise Unsupported(f"mvcle of up to {most} bytes: a constant or a bounded length has semantics here")
    padding = extract(step.address(), 7, 0)
    for at in range(most):
        guard = TRUE if length.is_const else ult(const(at, 64), length)
        there = ult(const(at, 64), rest)
        byte = ite(there, step.state.load(plus(source, at), 1, there), padding)
        step.state.store(plus(to, at), byte, guard)
