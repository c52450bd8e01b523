"""Z3's own values of a step's terms, through the translation that proofs use."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from tests.semantics.concrete import Evaluator, Trace
from tests.semantics.unicorn_machine import Cpu, Memory
from verify.machine.term import BOOL, Term, const
from verify.prove.smt import to_z3
from verify.semantics import cc
from verify.semantics.step import Step


def mistakes(step: Step, cpu: Cpu, memory: Memory) -> list[str]:
    """Where Z3's value of a term is not the evaluator's, of all terms that a step made; nothing if they agree."""
    assert isinstance(step.state, Trace)
    value = Evaluator(cpu, memory)
    value.replay(step.state.events)
    wrong = []
    for name, term in _terms(step):
        found, wanted = solved(term, value), value(term)
        if found != wanted:
            wrong.append(f"Z3 gives {name} the value {found:#x}, not {wanted:#x}: {term}")
    return wrong


def solved(term: Term, value: Evaluator) -> int:
    """Translate, put the start state in, simplify."""
    known = [(to_z3(leaf), to_z3(const(value(leaf), leaf.width))) for leaf in term.leaves() if leaf.width != BOOL]
    result = z3.simplify(z3.substitute(to_z3(term), *known))
    return int(z3.is_true(result)) if term.width == BOOL else int(result.as_long())


def _terms(step: Step) -> Iterator[tuple[str, Term]]:
    """All terms of the state and its accesses that are not just an unknown or a literal."""
    state = step.state
    assert isinstance(state, Trace)
    lists = {"gpr": state.gpr, "vector": state.vector, "access": state.access}
    named = [(f"{name}[{n}]", term) for name, terms in lists.items() for n, term in enumerate(terms)]
    named += [("fpc", state.fpc), ("cc", cc.value(state)), ("program mask", state.program_mask)]
    named += [("system mask", state.system_mask), ("next address", step.leaves or step.next)]
    named += [(f"mask {mask}", cc.selected(state.cc, mask)) for mask in (8, 4, 2, 1)]
    for jump in step.jumps:
        named += [("condition", jump.condition), ("target", jump.target)]
    for event in state.events:
        named += [(f"{name} of a {event.kind}", getattr(event, name)) for name in ("guard", "address", "value")]
    seen: set[Term] = set()
    for name, term in named:
        if term.args and term not in seen:
            seen.add(term)
            yield name, term
