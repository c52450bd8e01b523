"""Random blocks of instructions: the verifier against a concrete machine over whole sequences, loops and branches.

The seed is printed with every failure; BLOCKS_SEED=... makes the same blocks again. `benchmarks/blocks.py` runs more.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.semantics.blocks import HIT, LEFT_OUT, OVERLAP, STARTS, Generator, Tally, compare, rows
from verify.machine.state import State
from verify.machine.storage import Stack
from verify.semantics import isa
from verify.semantics.step import HANDLERS, Step

SEED = os.environ.get("BLOCKS_SEED") or str(random.SystemRandom().getrandbits(32))
CHUNKS, BLOCKS = 8, 60


def campaign(generator: Generator, first: int, count: int) -> Tally:
    tally = Tally()
    for number in range(first, first + count):
        compare(generator, number, tally)
    return tally


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_blocks(chunk: int) -> None:
    print(f"BLOCKS_SEED={SEED}")
    tally = campaign(Generator(SEED), chunk * BLOCKS, BLOCKS)
    assert not tally.wrong, f"BLOCKS_SEED={SEED}: {tally.wrong}"
    assert tally.blocks == dict.fromkeys(STARTS, BLOCKS // len(STARTS)), SEED
    assert tally.dropped.keys() <= {HIT, OVERLAP}
    assert tally.steps > 6 * BLOCKS, f"BLOCKS_SEED={SEED}: the blocks are short"
    assert tally.taken > BLOCKS, f"BLOCKS_SEED={SEED}: few branches are taken"


def test_the_rows_are_all_that_is_supported() -> None:
    """A row with a meaning is in blocks, or left out for a reason, never both."""
    left_out = [name for names in LEFT_OUT.values() for name in names]
    known = {spec.mnemonic for spec in isa.specs() if spec.source != "-"}
    assert sorted([*rows(), *left_out]) == sorted(known)


# What a wrong verifier would do ---------------------------------------------------------------------------------------


def _nothing(*_arguments: object) -> None:
    pass


def _without_code(mnemonic: str) -> Callable[[Step], None]:
    right = HANDLERS[mnemonic]

    def handler(step: Step) -> None:
        before = step.state.cc
        right(step)
        step.state.cc = before

    return handler


def _not_taken(step: Step) -> None:
    HANDLERS["BRC"](step)
    step.jumps.clear()


AROUND_STACK = ["LG", "STG", "LMG", "STMG", "MVC", "STC", "LA"]
WRONG: dict[str, tuple[object, str, object, list[str]]] = {
    "a move does nothing": (HANDLERS, "MVC", _nothing, ["MVC", "LG", "STG"]),
    "a condition code is lost": (HANDLERS, "XC", _without_code("XC"), ["XC", "BRC", "LOCGR", "TM"]),
    "a branch is lost": (HANDLERS, "BRCL", _not_taken, ["BRCL", "LTGR", "AGR"]),
    "a count is lost": (HANDLERS, "BRCTG", _nothing, ["BRCTG", "LGR", "AGR"]),
    "the stack forgets stores": (Stack, "write", _nothing, AROUND_STACK),
    "what lay below r15 is kept": (Stack, "drop_below", _nothing, AROUND_STACK),
    "stores are lost": (State, "store", _nothing, AROUND_STACK),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_meaning_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, replacement, names = WRONG[what]
    generator = Generator(what, names)
    assert not campaign(generator, 0, 9).wrong
    if isinstance(owner, dict):
        monkeypatch.setitem(owner, name, replacement)
    else:
        monkeypatch.setattr(owner, name, replacement)
    assert any(campaign(generator, number, 1).wrong for number in range(120))
