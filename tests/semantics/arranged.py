"""A step's terms, arranged once for many start states: only what the step changed is given its value again."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.semantics.concrete import Evaluator, Outcome, Trace, symbolic
from tests.semantics.unicorn_machine import Cpu, Memory
from verify.machine.term import TRUE, Term
from verify.semantics import cc
from verify.semantics.code import Code
from verify.semantics.step import Step

_PER = 0x3F << 40  # condition code and program mask, which Cpu has by themselves


def _changed(after: list[Term], before: list[Term]) -> list[tuple[int, Term]]:
    return [(n, term) for n, (term, old) in enumerate(zip(after, before, strict=True)) if term is not old]


@dataclass
class Arranged:
    """The step taken on a state of which nothing is known; `outcome` says what `concrete.outcome` says."""

    code: Code
    step: Step
    gpr: list[tuple[int, Term]] = field(init=False)
    vector: list[tuple[int, Term]] = field(init=False)
    access: list[tuple[int, Term]] = field(init=False)
    unpredictable: frozenset[int] = field(init=False)
    masks: list[Term] = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.step.state
        assert isinstance(self.state, Trace)
        start = symbolic(self.code)
        self.gpr = _changed(self.state.gpr, start.gpr)
        self.access = _changed(self.state.access, start.access)
        changed = _changed(self.state.vector, start.vector)
        self.unpredictable = frozenset(n for n, term in changed if term.leaf and "unpredictable" in term.leaf.name)
        self.vector = [(n, term) for n, term in changed if n not in self.unpredictable]
        self.condition_code = cc.value(self.state)
        self.masks = [cc.selected(self.state.cc, mask) for mask in range(16)]
        self.next = self.step.leaves or self.step.next

    def outcome(self, cpu: Cpu, memory: Memory) -> Outcome:
        state = self.state
        value = Evaluator(cpu, memory)
        value.replay(state.events)
        pc = self.next
        for jump in self.step.jumps:
            if jump.condition is TRUE or value(jump.condition):
                pc = jump.target
        code = value(self.condition_code)
        for mask, taken in enumerate(self.masks):
            assert value(taken) == mask >> (3 - code) & 1, f"mask {mask} with condition code {code}"
        vector = _replaced(cpu.vector, self.vector, value)
        for n in self.unpredictable:
            vector = (*vector[:n], 0, *vector[n + 1 :])
        after = Cpu(
            _replaced(cpu.gpr, self.gpr, value), vector, _replaced(cpu.access, self.access, value),
            value(state.fpc), code, value(state.program_mask), value(state.system_mask) & ~_PER, value(pc),
        )  # fmt: skip
        stored = any(event.kind == "store" for event in state.events)
        content = {base: bytes(data) for base, data in value.memory.items()} if stored else memory
        return Outcome(after, content, self.unpredictable)


def _replaced(numbers: tuple[int, ...], changed: list[tuple[int, Term]], value: Evaluator) -> tuple[int, ...]:
    if not changed:
        return numbers
    found = list(numbers)
    for n, term in changed:
        found[n] = value(term)
    return tuple(found)
