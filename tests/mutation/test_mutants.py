"""No mutant of a proved trampoline that an emulator shows to be wrong is called proved.

Each routine is first run as it is (the oracle must accept it), then each mutant of each instruction it executes. What
the oracle never finds wrong and `verify` does not prove either must be explained in NOT_PROVED.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutation import alternatives, bpf, eras, families
from tests.mutation.machine import Machine, ObjectFile
from tests.mutation.mutants import Depth, Mutant, mutants
from tests.mutation.oracles import FUNCTIONS, VARIABLES, Oracle
from tests.mutation.oracles import ORACLES as OWN_ORACLES
from tests.thirty_one import is_narrow
from verify import pipeline
from verify.objfile.elf import load
from verify.semantics.decode import instruction_length
from verify.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2] / "trampolines"
RUNS_AS_IT_IS, RUNS_OF_A_MUTANT = 20, 12
ORACLES = OWN_ORACLES | eras.ORACLES | families.ORACLES | bpf.ORACLES | alternatives.ORACLES


@dataclass(frozen=True)
class Case:
    """A routine of an object, the oracle that judges it, and how thoroughly it is mutated."""

    object: str
    symbol: str
    oracle: str
    depth: Depth = Depth.ALL

    def __str__(self) -> str:
        return f"{self.object}-{self.symbol}"


def thunk(name: str, number: int, depth: Depth = Depth.ALL) -> Case:
    return Case(name, f"__s390_indirect_jump_r{number}", f"thunk/{number}", depth)


CASES = [
    Case("mcount-ftrace_caller", "ftrace_caller", "mcount/ftrace_caller"),
    Case("mcount-ftrace_regs_caller", "ftrace_caller", "mcount/ftrace_caller"),
    Case("mcount-ftrace_regs_caller", "ftrace_regs_caller", "mcount/ftrace_regs_caller"),
    Case("ftrace-3.18", "ftrace_regs_caller", "3.18/ftrace_caller"),
    Case("ftrace-6.12", "ftrace_caller", "6.12/ftrace_caller"),
    Case("ftrace-6.12", "ftrace_regs_caller", "6.12/ftrace_regs_caller"),
    thunk("ftrace-6.12", 1),
    # All but the choice of the target is the same code as in ftrace-6.12.
    Case("ftrace-6.12-extern-thunk", "ftrace_caller", "6.12/ftrace_caller", Depth.OFFSETS),
    Case("ftrace-6.12-extern-thunk", "ftrace_regs_caller", "6.12/ftrace_regs_caller", Depth.OFFSETS),
    Case("return_to_handler-6.5", "return_to_handler", "6.5/return_to_handler"),
    thunk("return_to_handler-6.5", 14),
    Case("return_to_handler-6.14", "return_to_handler", "6.14/return_to_handler"),
    thunk("return_to_handler-6.14", 14),
    *[thunk("expoline", number) for number in range(1, 16)],
]
_REPAIRED = {
    "bare-branch": ("6.12/ftrace_caller",),
    "caller-slot-r14": ("6.12/ftrace_caller",),
    "mcount-ip-adjust": ("mcount/ftrace_caller",),
    "mcount-no-backchain": ("mcount/ftrace_caller",),
    "no-traced-frame": ("6.12/ftrace_caller",),
    "numbers-2014": ("mcount/ftrace_regs_caller",),
    "proposal-2014": ("mcount/ftrace_caller", "mcount/ftrace_regs_caller"),
    "psw-mask-ipm": ("6.12/ftrace_caller", "6.12/ftrace_regs_caller"),
    "regs-incomplete": ("6.12/ftrace_caller", "6.12/ftrace_regs_caller"),
    "rethook-v14": ("6.14/return_to_handler",),
    "rethook-v15": ("6.14/return_to_handler",),
    "z196-in-z10": ("6.12/ftrace_caller",),
}
CASES += [
    Case(f"repaired/{name}", oracle.rpartition("/")[2], oracle, Depth.DELETIONS)
    for name, oracles in _REPAIRED.items()
    for oracle in oracles
]
CASES.append(Case("repaired/handler-variable", "ftrace_regs_caller", "3.18/ftrace_caller", Depth.DELETIONS))
CASES += [
    Case(*row, depth)
    for rows, depth in (
        (eras.WHOLE, Depth.ALL),
        (eras.OFFSETS, Depth.OFFSETS),
        (eras.DELETIONS, Depth.DELETIONS),
        (families.WHOLE, Depth.ALL),
        (bpf.WHOLE, Depth.ALL),
        (families.OFFSETS, Depth.OFFSETS),
        (bpf.OFFSETS, Depth.OFFSETS),
        (families.DELETIONS, Depth.DELETIONS),
        (alternatives.WHOLE, Depth.ALL),
        (alternatives.OFFSETS, Depth.OFFSETS),
        (alternatives.DELETIONS, Depth.DELETIONS),
        (bpf.DELETIONS, Depth.DELETIONS),
    )
    for row in rows
]

# What each fault of broken/ (facts on historic bugs) violates, as the emulator must find too.
BROKEN = {
    ("proposal-2014", "mcount/ftrace_regs_caller"): {"regs-complete", "regs-honoured", "redirect-entry"},
    ("mcount-no-backchain", "mcount/ftrace_caller"): {"backchain"},
    ("mcount-ip-adjust", "mcount/ftrace_caller"): {"handler-arguments"},
    ("caller-slot-r14", "6.12/ftrace_caller"): {"backchain"},
    ("no-traced-frame", "6.12/ftrace_caller"): {"backchain"},
    ("handler-variable", "3.18/ftrace_caller"): {"handler-arguments"},
    ("regs-incomplete", "6.12/ftrace_regs_caller"): {"regs-complete"},
    ("regs-incomplete", "6.12/ftrace_caller"): {"regs-complete"},
    ("psw-mask-ipm", "6.12/ftrace_regs_caller"): {"regs-complete"},
    ("rethook-v14", "6.14/return_to_handler"): {"regs-complete"},
    ("rethook-v15", "6.14/return_to_handler"): {"stack-balanced", "return-value"},
    ("bare-branch", "6.12/ftrace_caller"): {"expoline"},
}

# Mutants that are not proved although the oracle finds nothing wrong: the end of the label, and why.
NOT_PROVED = {
    r"\+0x(68: br %r14|38: jg \.) -> M1 15 -> (14|11|7)": "the condition code is that of an addition to r15, and "
    "this machine's stack does not lie at 0 or above 2**63",
    r"jump_r14\+0xa: br %r14 -> M1 15 -> (14|11|7)": "likewise",
    r"\+0x40: jg \. -> M1 15 -> (14|11|7)": "likewise, for next's stack",
    r"aghi %r15,16024 -> ahi": "next's stack does not lie across a multiple of 4 GiB here",
    r"\+0x10: j \.\+28 -> (deleted|M1 15 -> (7|0))": "goes on at ftrace_regs_caller, which reads function_trace_stop "
    "again: another processor may have set it in between, and the handler is not called",
    r"altinstr_replacement\+0x4: nop 0 -> M1 0 -> 1": "a branch that is never taken, but an indirect one in the code",
    r"sllg %r0,%r0,32 -> B2 0 -> 1": "right only because PSW bits 58-63 are zero, which nothing assumes",
    r"\+0xd4: mvc 312\(4,%r15\),200\(%r15\) -> L 3 -> (4|11)": "stores what nothing wrote behind the tail "
    "call counter, into the parent's frame, where this machine expects nothing",
    r": jgnop \.\+\d+ -> deleted": "where an image is taken down (bpf_image_nop): the no-operation in its "
    "place is made to jump to itself",
    r"\+0xf4: br %r1 -> M1 15 -> (14|7)": "the condition code is that of an addition to r15, as above",
    r"ex(rl)? %r0,(\.\+10|0\(%r11?\)) -> R1 0 -> (1|15)": "an execute that modifies its target by a register is "
    "unsupported",
} | eras.NOT_PROVED


# Running --------------------------------------------------------------------------------------------------------------


def states(oracle: Oracle, machine: Machine, mutant: Mutant | None, runs: int) -> Iterator[tuple[bool, bool, int]]:
    """Put the code into each state of the graph tracer's site; (graph, stop, seed) of the runs to make."""
    scenarios = list(oracle.scenarios())
    for graph in dict.fromkeys(graph for graph, _ in scenarios):
        machine.load(list(mutant.changes) if mutant else [])
        if graph:
            oracle.patch(machine)
        for seed in range(runs):
            yield from ((graph, stop, seed) for on, stop in scenarios if on == graph)


def run(oracle: Oracle, machine: Machine, symbol: str, mutant: Mutant | None, runs: int) -> str | None:
    """The first violation of the first run that has one, and how to see it again."""
    for graph, stop, seed in states(oracle, machine, mutant, runs):
        found = oracle.judge(machine, symbol, seed, graph=graph, stop=stop)
        if found:
            return f"{found[0]} (seed {seed}, graph tracer {'on' if graph else 'off'}, tracing stopped: {stop})"
    return None


def machine_with(path: Path) -> Machine:
    return Machine(ObjectFile.read(path), VARIABLES, FUNCTIONS)


def instructions(oracle: Oracle, machine: Machine, symbol: str) -> set[tuple[int, int]]:
    """Where the routine's instructions are: what it executes, and the extent of its own symbol."""
    found = set()
    for graph, stop, seed in states(oracle, machine, None, RUNS_AS_IT_IS):
        assert oracle.judge(machine, symbol, seed, graph=graph, stop=stop) == [], (seed, graph, stop)
        found |= {machine.place(address) for address in machine.executed}
    found -= alternatives.overwritten(machine.object)
    one = machine.object.symbols[symbol]
    at, data = one.value, machine.object.sections[one.section].data
    while at < one.value + one.size:
        found.add((one.section, at))
        at += instruction_length(data[at])
    found |= set(alternatives.replaced(machine.object, one))
    return {place for place in found if place is not None}


def not_proved(path: Path, symbol: str) -> list[str]:
    """What `verify` finds that is not proved; nothing found at all is not proved either."""
    findings = pipeline.prove_file(path, pipeline.Options(symbol=symbol, replay=False)).findings()
    bad = [f"{one.verdict} {one.property}: {one.message}" for one in findings if one.verdict is not Verdict.PROVED]
    return bad if findings else ["no finding"]


# Tests ----------------------------------------------------------------------------------------------------------------


def test_every_routine_is_mutated() -> None:
    paths = [*ROOT.glob("*.o"), *ROOT.glob("repaired/*.o")]
    wanted = {
        (path.relative_to(ROOT).with_suffix("").as_posix(), choice.symbol.name)
        for path in paths
        if not is_narrow(path.stem)  # those: test_narrow_mutants.py
        for choice in pipeline.choose(load(path), pipeline.Options())
    }
    # The thunks of the repaired objects are those of ftrace-6.12 and return_to_handler.
    wanted = {one for one in wanted if not (one[0].startswith("repaired/") and "indirect_jump" in one[1])}
    assert {(case.object, case.symbol) for case in CASES} == wanted


@pytest.mark.parametrize(("name", "oracle"), BROKEN, ids=[f"{name}-{oracle}" for name, oracle in BROKEN])
def test_the_oracle_finds_what_was_wrong(name: str, oracle: str) -> None:
    judge, machine = ORACLES[oracle], machine_with(ROOT / "broken" / f"{name}.o")
    symbol, found = oracle.rpartition("/")[2], set()
    for graph, stop, seed in states(judge, machine, None, RUNS_AS_IT_IS):
        found |= {one.partition(":")[0] for one in judge.judge(machine, symbol, seed, graph=graph, stop=stop)}
    assert BROKEN[name, oracle] <= found


@pytest.mark.parametrize(
    ("name", "symbol", "oracle", "wanted"), [*eras.BROKEN, *families.BROKEN, *bpf.BROKEN, *alternatives.BROKEN]
)
def test_the_oracle_finds_what_was_wrong_in_the_families(name: str, symbol: str, oracle: str, wanted: set[str]) -> None:
    judge, machine = ORACLES[oracle], machine_with(ROOT / "broken" / f"{name}.o")
    found = set()
    for graph, stop, seed in states(judge, machine, None, RUNS_AS_IT_IS):
        found |= {one.partition(":")[0] for one in judge.judge(machine, symbol, seed, graph=graph, stop=stop)}
    assert wanted <= found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_wrong_mutant_is_proved(case: Case, tmp_path: Path) -> None:
    oracle, machine = ORACLES[case.oracle], machine_with(ROOT / f"{case.object}.o")
    path = tmp_path / "trampolines" / f"{case.object}.o"  # the claims go by this name
    path.parent.mkdir(parents=True)
    places = instructions(oracle, machine, case.symbol)
    count: Counter[str] = Counter()
    unsound, unexplained = [], []
    for mutant in mutants(machine.object, places, case.depth):
        wrong = run(oracle, machine, case.symbol, mutant, RUNS_OF_A_MUTANT)
        path.write_bytes(machine.object.changed(list(mutant.changes)))
        bad = not_proved(path, case.symbol)
        count[f"{'wrong' if wrong else 'right'}, {'not proved' if bad else 'proved'}"] += 1
        if wrong and not bad:
            unsound.append(f"{mutant.label}\n    {wrong}")
        elif bad and not wrong and not any(re.search(pattern + "$", mutant.label) for pattern in NOT_PROVED):
            unexplained.append(f"{mutant.label}\n    {bad[0]}")
    print(f"{case}: {len(places)} instructions, {count.total()} mutants: {dict(sorted(count.items()))}")
    assert not unsound, "proved, but the emulator shows that it is wrong:\n" + "\n".join(unsound)
    assert not unexplained, "right as far as the emulator can see, but not proved:\n" + "\n".join(unexplained)
    assert count["wrong, not proved"] >= count.total() / 3
