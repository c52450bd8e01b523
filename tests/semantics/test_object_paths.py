"""Every path of every routine under trampolines/, as the walk has it, against a concrete machine that takes it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path as File

import pytest

from tests.command import ROOT
from tests.semantics.paths import Chooser, Linked, Replay, Unplaced
from tests.thirty_one import is_narrow
from verify import pipeline, routine
from verify.contracts.schema import Contract
from verify.machine.state import State
from verify.machine.term import Term, bvxor, const, plus
from verify.objfile.elf import load
from verify.objfile.image import Image
from verify.prove.decide import Decider
from verify.prove.smt import Solver
from verify.semantics.code import Code
from verify.walk.path import Exit, Path

TRAMPOLINES = ROOT / "trampolines"
OBJECTS = sorted(file for file in TRAMPOLINES.rglob("*.o") if not is_narrow(file.stem))  # those: test_narrow_paths.py
COMPLETIONS = 4

# Why no concrete machine takes a path: (object, routine, the path in words) to the reason. There is none such.
LEFT_OUT: dict[tuple[str, str, str], str] = {}


def named(file: File) -> str:
    return str(file.relative_to(TRAMPOLINES))


@dataclass(frozen=True)
class Walked:
    """One routine under its contract, with the paths that end in an exit and can be taken."""

    image: Image
    choice: pipeline.Choice

    @property
    def contract(self) -> Contract:
        return self.choice.contract

    @cached_property
    def assumptions(self) -> tuple[Term, ...]:
        assert self.choice.symbol.place is not None
        return routine.assumptions(self.contract, Code(self.image), self.choice.symbol.place)

    @cached_property
    def paths(self) -> list[Path]:
        """The feasible exits; no path of these objects is given up."""
        assert self.choice.symbol.place is not None
        decider = Decider(Solver(), self.assumptions)
        found = list(routine.walk(self.image, self.contract, self.choice.symbol.place, decider))
        assert all(isinstance(path.end, Exit) for path in found), [path.end for path in found]
        return [path for path in found if decider.reachable(path)]

    @cached_property
    def linked(self) -> Linked:
        return Linked(self.image, self.paths, self.assumptions)

    def replay(self, path: Path, seed: str, told: Path | None = None) -> list[str]:
        """The differences for one choice of values that take `path`; `told` is what the verifier says of it."""
        rng = random.Random(seed)
        chooser = Chooser(self.linked, path, self.assumptions, rng)
        solution = chooser.solution(Solver())
        if solution is None:
            raise Unplaced("no values take the path where the object and its surroundings lie")
        return Replay(self.linked, self.contract, told or path, chooser.vary(solution), rng).run()


def routines(file: File) -> Iterator[Walked]:
    image = load(file)
    for choice in pipeline.choose(image, pipeline.Options()):
        yield Walked(image, choice)


@pytest.mark.parametrize("file", OBJECTS, ids=named)
def test_every_path(file: File) -> None:
    """Each feasible exit is reached by machines that agree with the verifier throughout, or is left out by name."""
    for walked in routines(file):
        name = walked.choice.symbol.name
        assert walked.paths, name
        compared, left_out = set(), {}
        for path in walked.paths:
            key = (named(file), name, path.describe())
            try:
                for completion in range(COMPLETIONS):
                    wrong = walked.replay(path, f"{key} {completion}")
                    assert not wrong, f"{name}, {path.describe()}: {wrong}"
                compared.add(key)
            except Unplaced as why:
                left_out[key] = str(why)
        assert left_out == {key: why for key, why in LEFT_OUT.items() if key[:2] == (named(file), name)}
        assert len(compared) + len(left_out) == len(walked.paths)


# What a wrong verifier would say --------------------------------------------------------------------------------------


def _register(kind: str, number: int, width: int) -> Callable[[State], None]:
    def change(state: State) -> None:
        registers = getattr(state, kind)
        registers[number] = bvxor(registers[number], const(1, width))

    return change


def _stack(offset: int) -> Callable[[State], None]:
    def change(state: State) -> None:
        byte = state.stack.read(offset, 1, state.sp)
        state.stack.write(offset, bvxor(byte, const(1, 8)), state.sp)

    return change


def _field(name: str, width: int) -> Callable[[State], None]:
    def change(state: State) -> None:
        setattr(state, name, bvxor(getattr(state, name), const(1, width)))

    return change


def _pc(state: State) -> None:
    state.pc = plus(state.pc, 2)


def _first_load(state: State) -> None:
    del state.loads[0]


WRONG: dict[str, Callable[[State], None]] = {
    "general register": _register("gpr", 4, 64),
    "stack pointer": _register("gpr", 15, 64),
    "access register": _register("access", 15, 32),
    "vector register": _register("vector", 17, 64),
    "floating-point control": _field("fpc", 32),
    "program mask": _field("program_mask", 4),
    "system mask": _field("system_mask", 64),
    "condition code": lambda state: state.set_cc(const(0, 2)),
    "caller's frame": _stack(160),
    "exit": _pc,
    "loads": _first_load,
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_path_is_noticed(what: str) -> None:
    """The comparison sees each part of the state: here one that is not what the machine has."""
    walked = next(one for one in routines(TRAMPOLINES / "ftrace-6.12.o") if one.choice.symbol.name == "ftrace_caller")
    path = walked.paths[0]
    state = path.state.copy()
    WRONG[what](state)
    told = replace(path, state=state)
    assert any(walked.replay(path, f"{what} {seed}", told) for seed in range(4))
    assert not any(walked.replay(path, f"{what} {seed}") for seed in range(4))
