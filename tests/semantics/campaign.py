"""A campaign: rows of the instruction table, in many forms and states, on the verifier and on other machines.

A form is one instruction; the verifier takes its step once for a form, on a state of which nothing is known, and the
terms are given the values of each start state. Some start states take a step of their own, with registers that point
into the verifier's stack or are literals. A machine that differs must be in `disagreements.tsv`, and then a second
witness must stand by the verifier in that very state: the manual's reference or correction, or else another machine.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import unicorn

from tests.semantics import encoding, manual, operands, qemu_machine
from tests.semantics.arranged import Arranged
from tests.semantics.concrete import Outcome, code_of, literal, on_stack, outcome, performed, symbolic
from tests.semantics.disagreements import REFUSES, TABLE, admitted
from tests.semantics.references import REFERENCES
from tests.semantics.test_cosimulation import difference_lines, start_state, storage_for
from tests.semantics.unicorn_machine import CODE, SIZES, Cpu, Interruption, Machine, Memory
from verify.errors import Unsupported
from verify.semantics import isa
from verify.semantics.decode import Instruction
from verify.semantics.step import Step

UNICORN, QEMU = "unicorn", "qemu"
VERSIONS: dict[str, Callable[[], str]] = {UNICORN: lambda: unicorn.__version__, QEMU: qemu_machine.version}
# One start state in this many takes a step of its own on the verifier's stack, and another on literals.
OWN_STEP = 25
Answer = tuple[Cpu, Memory] | Interruption


# Forms and states -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    insn: Instruction
    memory: Memory

    @property
    def code(self) -> dict[int, bytes]:
        return {CODE: self.insn.raw}


def forms(mnemonic: str, rng: random.Random, count: int) -> list[Form]:
    """Different instructions of one row: `count`, more where masks are to be covered, fewer where there are no more."""
    memory = storage_for(mnemonic, rng)
    found: dict[bytes, Form] = {}
    for choice in operands.choices(isa.by_mnemonic()[mnemonic], rng, count):
        insn = operands.relative_to_data(choice, rng)
        found[insn.raw] = Form(insn, memory)
    return list(found.values())


@dataclass(frozen=True)
class Case:
    """One start state, how the verifier took its step for it, and what it says becomes of it."""

    how: str
    cpu: Cpu
    step: Step
    found: Outcome


def _kind(n: int) -> str:
    return {1: "stack", 2: "literal"}.get(n % OWN_STEP, "symbolic")


def start_states(form: Form, rng: random.Random, count: int) -> Iterator[tuple[str, Cpu]]:
    for n in range(count):
        how = _kind(n)
        cpu = start_state(form.insn, rng, n % 4, how == "stack")
        if form.insn.mnemonic in qemu_machine.READ_SYSTEM_MASK and n % 8 >= 4:
            cpu = replace(cpu, system_mask=qemu_machine.SYSTEM_MASK)
        yield how, cpu


def verifier_cases(form: Form, rng: random.Random, count: int, refused: Counter[str]) -> list[Case]:
    """Start states with the verifier's word on each; what it refuses is counted by its reason."""
    image, found = code_of(form.code), []
    shared: Arranged | None = None
    for n, (how, cpu) in enumerate(start_states(form, rng, count)):
        try:
            if how == "symbolic":
                shared = shared or Arranged(image, performed(image, symbolic(image)))
                case = Case(how, cpu, shared.step, shared.outcome(cpu, form.memory))
                if n % OWN_STEP == 0:
                    assert case.found == outcome(shared.step, cpu, form.memory), "the terms are not arranged well"
            else:
                step = performed(image, on_stack(image, cpu) if how == "stack" else literal(image, cpu))
                case = Case(how, cpu, step, outcome(step, cpu, form.memory))
            found.append(case)
        except Unsupported as refusal:
            refused[str(refusal)] += 1
        except (AssertionError, StopIteration) as problem:  # an unknown, or an address outside all regions
            refused[f"no value from {cpu}: {problem!r}"] += 1
    return found


# Machines -------------------------------------------------------------------------------------------------------------


class Runner(Protocol):
    def comparable(self, insn: Instruction, case: Case) -> bool: ...

    def run_all(self, cpus: Sequence[Cpu], code: Mapping[int, bytes], memory: Memory) -> Iterable[Answer]: ...


class UnicornRunner:
    """Unicorn, in a new instance for each form and after each interruption: registers that no Cpu has may change."""

    def comparable(self, insn: Instruction, case: Case) -> bool:
        """Unicorn looks before a branch's target, where the first byte of a region has no storage."""
        return case.found.cpu.pc not in SIZES

    def run_all(self, cpus: Sequence[Cpu], code: Mapping[int, bytes], memory: Memory) -> Iterator[Answer]:
        machine = Machine()
        for cpu in cpus:
            try:
                yield machine.run(cpu, code, memory)
            except Interruption as problem:
                machine = Machine()
                yield Interruption(str(problem))  # without the traceback, which holds the old instance


class QemuRunner:
    """QEMU in user mode, in one process."""

    def __init__(self) -> None:
        self.machine = qemu_machine.QemuMachine()

    def comparable(self, insn: Instruction, case: Case) -> bool:
        return qemu_machine.comparable(insn, case.cpu, case.found.cpu.pc)

    def run_all(self, cpus: Sequence[Cpu], code: Mapping[int, bytes], memory: Memory) -> Iterator[Answer]:
        return self.machine.run_all(cpus, code, memory)


def runners() -> tuple[dict[str, Runner], list[str]]:
    """The machines there are by name, and sentences about those that are missing."""
    found: dict[str, Runner] = {UNICORN: UnicornRunner()}
    missing = qemu_machine.available()
    if missing is not None:
        return found, [missing]
    found[QEMU] = QemuRunner()
    return found, []


# Judging --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unexplained:
    """A difference that nothing admits; `start` is how the verifier took its step, and the state before it."""

    mnemonic: str
    machine: str
    parts: frozenset[str]
    why: str
    form: str
    lines: tuple[str, ...]
    start: tuple[str, Cpu] | None = None

    def __str__(self) -> str:
        start = f" ({self.start[0]}) from {self.start[1]}" if self.start else ""
        return f"{self.mnemonic} {self.form}, {self.machine}: {'; '.join(self.lines)}: {self.why}{start}"


@dataclass
class RowResult:
    """What became of one row of the table."""

    mnemonic: str
    forms: int = 0
    states: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    explained: Counter[tuple[str, str]] = field(default_factory=Counter)  # (machine, REFUSES or "differs")
    judged: int = 0
    by_z3: int = 0
    refused: int = 0
    unexplained: list[Unexplained] = field(default_factory=list)

    def report(
        self,
        form: Form,
        machine: str,
        why: str,
        lines: Iterable[str],
        case: Case | None = None,
        parts: frozenset[str] = frozenset(),
    ) -> None:
        start = (case.how, case.cpu) if case else None
        raw = form.insn.raw.hex()
        self.unexplained.append(Unexplained(self.mnemonic, machine, parts, why, raw, tuple(lines), start))

    @property
    def result(self) -> str:
        if self.unexplained:
            return "unexplained: " + ", ".join(sorted({item.machine for item in self.unexplained}))
        return "; ".join(["agrees", *(f"{machine} {what}" for machine, what in sorted(self.explained))])


def parts_of(found: Outcome, answer: Answer) -> tuple[frozenset[str], tuple[str, ...]]:
    """In which parts a machine differs, and the details."""
    if isinstance(answer, Interruption):
        return frozenset({REFUSES}), (f"{type(answer).__name__.lower()}: {answer}",)
    lines = difference_lines(found, *answer)
    return frozenset(line.partition("[")[0] for line in lines), tuple(lines)


def reference_for(mnemonic: str) -> manual.Reference | None:
    """What was written by hand after the manual, if anything was."""
    if mnemonic in manual.MANUAL:
        return manual.MANUAL[mnemonic][1]
    return REFERENCES.get(mnemonic)


def by_manual(insn: Instruction, case: Case, memory: Memory) -> list[str] | None:
    """Where the manual's reference differs from the verifier; None where there is no reference."""
    reference = reference_for(insn.mnemonic)
    return None if reference is None else difference_lines(case.found, *reference(insn, case.cpu, memory))


def by_correction(insn: Instruction, machine: str, case: Case, answer: Answer) -> list[str] | None:
    """Where unicorn's answer, corrected, differs from the verifier; None where there is no correction."""
    if machine != UNICORN or insn.mnemonic not in manual.SUMS or isinstance(answer, Interruption):
        return None
    after, stored = answer
    return difference_lines(case.found, manual.corrected(insn, case.cpu, after), stored)


def judge(form: Form, case: Case, answers: Mapping[str, Answer], into: RowResult) -> None:
    """Compare one state on all machines, and account for it."""
    insn = form.insn
    verdicts = {machine: parts_of(case.found, answer) for machine, answer in answers.items()}
    into.compared.update(machine for machine, (parts, _) in verdicts.items() if REFUSES not in parts)
    witnesses = {machine for machine, (parts, _) in verdicts.items() if not parts}
    hand_written = [("manual", by_manual(insn, case, form.memory))]
    for machine, (parts, lines) in verdicts.items():
        if not parts:
            continue
        hand_written.append(("correction", by_correction(insn, machine, case, answers[machine])))
        into.explained[machine, REFUSES if REFUSES in parts else "differs"] += 1
        if not admitted(insn.mnemonic, machine, parts):
            into.report(form, machine, f"{TABLE.name} does not say so", lines, case, parts)
    for name, objections in hand_written:
        if objections is None:
            continue
        into.judged += 1
        witnesses.add(name)
        if objections:
            into.report(form, name, "what was written by hand after the manual says otherwise", objections, case)
    if not witnesses and verdicts:
        lines = tuple(line for _, lines in verdicts.values() for line in lines)
        into.report(form, "no witness", "nobody else says what the verifier says", lines, case)


# The campaign ---------------------------------------------------------------------------------------------------------


@dataclass
class Results:
    seed: str
    machines: tuple[str, ...]
    rows: dict[str, RowResult] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def unexplained(self) -> list[Unexplained]:
        return [item for row in self.rows.values() for item in row.unexplained]

    def total(self, what: str) -> int:
        """The sum of one count over all rows; a machine's name stands for the states compared with it."""
        return sum(row.compared[what] if what in self.machines else getattr(row, what) for row in self.rows.values())


def run_row(
    mnemonic: str, forms_per_row: int, states_per_form: int, seed: str, machines: Mapping[str, Runner], by_z3: int
) -> RowResult:
    """One row. It depends on nothing but its arguments, so that a failure is repeated by its row and seed alone."""
    rng = random.Random(f"{seed} {mnemonic}")
    result = RowResult(mnemonic)
    for form in forms(mnemonic, rng, forms_per_row):
        refused: Counter[str] = Counter()
        cases = verifier_cases(form, rng, states_per_form, refused)
        result.forms += bool(cases)
        result.states += len(cases)
        result.refused += sum(refused.values())
        if refused:  # co-simulation chooses operands that a supported row must take
            result.report(form, "verifier", "it must not refuse", refused)
        for case, answers in zip(cases, answered(form, cases, machines), strict=True):
            judge(form, case, answers, result)
        for case in cases[:by_z3]:
            result.by_z3 += 1
            wrong = encoding.mistakes(case.step, case.cpu, form.memory)
            if wrong:
                result.report(form, "Z3", "the proofs' encoding says otherwise", wrong, case)
    assert result.judged or sum(result.compared.values()), f"nobody was asked about {mnemonic}"
    return result


def answered(form: Form, cases: Sequence[Case], machines: Mapping[str, Runner]) -> list[dict[str, Answer]]:
    """For each case the machines' answers, where a machine can be asked."""
    answers: list[dict[str, Answer]] = [{} for _ in cases]
    for name, machine in machines.items():
        asked = [n for n, case in enumerate(cases) if machine.comparable(form.insn, case)]
        replies = machine.run_all([cases[n].cpu for n in asked], form.code, form.memory)
        for n, reply in zip(asked, replies, strict=True):
            answers[n][name] = reply
    return answers


def run(
    rows: Iterable[str],
    forms_per_row: int,
    states_per_form: int,
    seed: str,
    machines: Mapping[str, Runner],
    by_z3: int = 1,
) -> Results:
    """All rows, each form in `by_z3` states by the proofs' own encoding as well."""
    results = Results(seed, tuple(machines))
    start = time.perf_counter()
    for mnemonic in rows:
        results.rows[mnemonic] = run_row(mnemonic, forms_per_row, states_per_form, seed, machines, by_z3)
    results.seconds = time.perf_counter() - start
    return results
