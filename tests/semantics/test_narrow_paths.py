"""Every path of every 31-bit routine under trampolines/, as the walk has it, on unicorn in the 31-bit mode."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as File

import pytest

from tests.command import ROOT
from tests.thirty_one import CONTRACTS, is_narrow
from verify import pipeline, routine
from verify.explain.emulator import MODES, Emulator
from verify.explain.placed import Placed
from verify.explain.replay import Replay
from verify.explain.values import Values, domain
from verify.machine.evaluate import Evaluation, unknowns
from verify.machine.term import Term, bvxor, const, eq
from verify.objfile.elf import load
from verify.objfile.image import Image
from verify.prove.decide import Decider
from verify.prove.smt import Solver
from verify.semantics.code import Code
from verify.walk.path import Exit, Path

TRAMPOLINES = ROOT / "trampolines"
OBJECTS = sorted(file for file in TRAMPOLINES.rglob("*.o") if is_narrow(file.stem))
COMPLETIONS, TRIES = 4, 50


def named(file: File) -> str:
    return str(file.relative_to(TRAMPOLINES))


@cache
def emulator() -> Emulator:
    return Emulator()


class Walked:
    """One routine under its contract."""

    def __init__(self, image: Image, choice: pipeline.Choice) -> None:
        assert choice.symbol.place is not None
        self.image, self.contract, self.name = image, choice.contract, choice.symbol.name
        self.assumptions = routine.assumptions(self.contract, Code(image), choice.symbol.place)
        decider = Decider(Solver(), self.assumptions)
        found = list(routine.walk(image, self.contract, choice.symbol.place, decider))
        assert all(isinstance(path.end, Exit) for path in found), [path.end for path in found]
        self.paths = [path for path in found if decider.reachable(path)]

    def replay(self, path: Path, seed: str, told: Path | None = None) -> list[str]:
        """The differences for one choice of values that take `path`; `told` is what the verifier says of it."""
        conditions = [*self.assumptions, *path.state.conditions]
        placed = Placed(self.image, path, conditions)
        values = varied(conditions, placed.fixed, random.Random(seed))
        return Replay(emulator(), placed, self.contract, told or path, values, seed).run()


def varied(conditions: list[Term], fixed: Mapping[Term, int], rng: random.Random) -> dict[Term, int]:
    """Values that meet the conditions, and as many of them anything as the conditions allow."""
    free = sorted(unknowns(conditions) - fixed.keys(), key=str)
    asked = unknowns(conditions)
    placed = [eq(one, const(number, one.width)) for one, number in fixed.items() if one in asked]
    model = Solver().satisfy([*conditions, *placed])
    assert model is not None
    values = {**{one: model.value(one) for one in free}, **fixed}
    for _ in range(TRIES):
        one = rng.choice(free) if free else None
        if one is None:
            break
        bits, ones = domain(one)
        other = {**values, one: rng.getrandbits(max(1, one.width)) & bits | ones}
        evaluate = Evaluation(Values(other, random.Random(0)))
        if all(evaluate(condition) for condition in conditions):
            values = other
    return values


def routines(file: File) -> Iterator[Walked]:
    image = load(file)
    assert image.bits == 31
    for choice in pipeline.choose(image, pipeline.Options()):
        yield Walked(image, choice)


def test_there_are_31_bit_objects() -> None:
    assert len(OBJECTS) >= 20
    assert all(load(file).bits == 31 for file in OBJECTS)
    others = set(TRAMPOLINES.rglob("*.o")) - set(OBJECTS)
    assert all(load(file).bits == 64 for file in others)


@pytest.mark.parametrize("file", OBJECTS, ids=named)
def test_every_path(file: File) -> None:
    """Each feasible exit is reached by machines that agree with the verifier throughout, in all 64 bits."""
    for walked in routines(file):
        assert walked.paths, walked.name
        for path in walked.paths:
            for completion in range(COMPLETIONS):
                wrong = walked.replay(path, f"{walked.name} {path.describe()} {completion}")
                assert not wrong, f"{walked.name}, {path.describe()}: {wrong}"


def test_the_machine_is_in_the_31_bit_mode() -> None:
    (walked,) = routines(TRAMPOLINES / "mcount-31-ftrace_caller.o")
    walked.replay(walked.paths[0], "mode")
    assert emulator().registers()["system mask"] & MODES[64] == MODES[31] == 0x8000_0000


@pytest.mark.parametrize("number", [2, 6, 14, 15])
@pytest.mark.parametrize("bit", [0, 31, 40, 63])
def test_a_register_that_the_verifier_has_wrong_is_seen(number: int, bit: int) -> None:
    """In either half: the verifier's word on bits 0-31 is compared too."""
    (walked,) = routines(TRAMPOLINES / "mcount-31-ftrace_caller.o")
    path = next(path for path in walked.paths if path.calls)
    told = Path(**{name: getattr(path, name) for name in path.__dataclass_fields__} | {"state": path.state.copy()})
    told.state.gpr[number] = bvxor(told.state.gpr[number], const(1 << bit, 64))
    assert walked.replay(path, "right") == []
    assert any(line.startswith(f"r{number} at the exit") for line in walked.replay(path, "right", told))


def test_a_literal_that_is_another_symbol_is_seen() -> None:
    """The addresses in the code are put into storage, and looked up there by the machine."""
    (walked,) = routines(TRAMPOLINES / "return_to_handler-31-2.6.31.o")
    (path,) = walked.paths
    placed = Placed(walked.image, path, list(walked.assumptions))
    (place,) = path.code.literals
    path.code.literals[place] = const(0x1234, 32)
    try:
        wrong = Replay(emulator(), placed, walked.contract, path, {}, "literal").run()
    finally:
        del path.code.literals[place]
    assert wrong


def test_every_31_bit_contract_has_a_path() -> None:
    assert {walked.contract.name for file in OBJECTS for walked in routines(file)} == set(CONTRACTS)
