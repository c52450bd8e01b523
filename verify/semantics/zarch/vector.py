"""Vector instructions that VEX lacks or gets wrong (POP, chapter 21): between elements, with a length.

The vector registers are kept as halves of 64 bits; elements are numbered from the left. M4 = 0, 1, 2, 3 are elements
of a byte, halfword, word and doubleword.
"""

from __future__ import annotations

from verify.errors import Unsupported
from verify.machine.bounds import highest
from verify.machine.state import State
from verify.machine.term import TRUE, Term, concat, const, extract, ite, plus, ule, zero_extend
from verify.semantics.step import Step, insn


def _get(state: State, number: int) -> Term:
    """All 128 bits of a vector register."""
    return concat(*state.vector[2 * number : 2 * number + 2])


def _set(state: State, number: int, value: Term) -> None:
    state.vector[2 * number], state.vector[2 * number + 1] = extract(value, 127, 64), extract(value, 63, 0)


def _element(step: Step) -> tuple[int, int]:
    """First bit from the right, and width, of the element that the second-operand address numbers."""
    size = step.field("M4")
    if size > 3:
        raise Unsupported(f"{step.insn.mnemonic.lower()} with an element size of {size} is a specification exception")
    width, index = 8 << size, extract(step.address(), 11, 0)
    if not index.is_const or index.value >= 128 // width:
        raise Unsupported(f"{step.insn.mnemonic.lower()} of element {index}: not the number of an element")
    return 128 - width * (index.value + 1), width


@insn("VLGV")
def load_gr_from_element(step: Step) -> None:
    """The element, extended with zeros, to R1."""
    right, width = _element(step)
    value = _get(step.state, step.field("V3"))
    step.set_reg("R1", zero_extend(extract(value, right + width - 1, right), 64))


@insn("VLVG")
def load_element_from_gr(step: Step) -> None:
    """The rightmost bits of R3 to the element; the others stay."""
    right, width = _element(step)
    old, parts = _get(step.state, step.field("V1")), [extract(step.reg("R3"), width - 1, 0)]
    if right + width < 128:
        parts.insert(0, extract(old, 127, right + width))
    if right:
        parts.append(extract(old, right - 1, 0))
    _set(step.state, step.field("V1"), concat(*parts))


@insn("VPDI")
def permute_doubleword_immediate(step: Step) -> None:
    """Bit 1 of M4 chooses the doubleword of V2 that becomes the left one, bit 3 that of V3 for the right one."""
    vector, choice = step.state.vector, step.field("M4")
    left = vector[2 * step.field("V2") + (choice >> 2 & 1)]
    right = vector[2 * step.field("V3") + (choice & 1)]
    vector[2 * step.field("V1")], vector[2 * step.field("V1") + 1] = left, right


def _bytes(step: Step) -> list[tuple[int, Term]]:
    """Byte numbers, and whether R3, the highest byte number that is moved, reaches them; never more than 16."""
    last = step.word("R3")
    return [(at, TRUE if last.is_const else ule(const(at, 32), last)) for at in range(min(highest(last), 15) + 1)]


@insn("VSTL")
def store_with_length(step: Step) -> None:
    """The leftmost bytes up to number R3."""
    value = _get(step.state, step.field("V1"))
    for at, guard in _bytes(step):
        step.state.store(plus(step.address(), at), extract(value, 127 - 8 * at, 120 - 8 * at), guard)


@insn("VLL")
def load_with_length(step: Step) -> None:
    """As many bytes as VSTL stores; zeros follow."""
    loaded = [(guard, step.state.load(plus(step.address(), at), 1, guard)) for at, guard in _bytes(step)]
    parts = [ite(guard, byte, const(0, 8)) for guard, byte in loaded]
    _set(step.state, step.field("V1"), concat(*parts, *[const(0, 8)] * (16 - len(parts))))
