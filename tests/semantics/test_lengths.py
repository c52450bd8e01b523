"""Lengths that a register supplies: the target of an execute, and MOVE LONG EXTENDED, against unicorn."""

from __future__ import annotations

import random

import pytest

from tests.semantics import operands
from tests.semantics.concrete import Trace, code_of, outcome, performed, symbolic
from tests.semantics.unicorn_machine import CODE, DATA, STACK, Cpu, Machine, Memory, run_execute
from verify.errors import Unsupported
from verify.machine.state import OLD_R15
from verify.machine.term import const, extract, plus, zero_extend
from verify.objfile.image import LINKED_SPACE, Place
from verify.semantics import isa, zarch
from verify.semantics.decode import encode
from verify.semantics.step import Step

assert zarch  # imported for its registrations

TARGET = CODE + 0x100
LENGTHS = [0, 1, 7, 8, 15, 16, 100, 254, 255]


def make(mnemonic: str, **values: int) -> bytes:
    return encode(isa.by_mnemonic()[mnemonic], values)


def frame(rng: random.Random) -> tuple[Cpu, Memory]:
    cpu = operands.registers(rng).with_gpr(15, STACK + 0x400).with_gpr(2, DATA + 0x400).with_gpr(3, DATA + 0x900)
    return cpu.with_gpr(12, TARGET), operands.storage(rng)


# EXECUTE --------------------------------------------------------------------------------------------------------------

# First operand, second operand (base and displacement): the same frame, one behind the other, storage elsewhere.
PLACES = {
    "frame": ((15, 160), (15, 600)),
    "spreading": ((15, 161), (15, 160)),
    "gathering": ((15, 160), (15, 163)),
    "same": ((15, 160), (15, 160)),
    "to-frame": ((15, 160), (2, 0)),
    "from-frame": ((2, 0), (15, 160)),
    "elsewhere": ((2, 0), (3, 0)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mnemonic", ["MVC", "NC", "OC", "XC", "CLC"])
def test_execute_with_a_length_from_a_register(mnemonic: str, place: str) -> None:
    """One symbolic step holds for all lengths that the register's low byte can give."""
    rng = random.Random(f"{mnemonic} {place}")
    (base1, at1), (base2, at2) = PLACES[place]
    raw, target = make("EX", R1=1, B2=12), make(mnemonic, L=0, B1=base1, D1=at1, B2=base2, D2=at2)
    code = {CODE: raw, TARGET: target}
    image = code_of(code)
    state = symbolic(image)
    state.gpr[12] = image.address(Place(LINKED_SPACE, TARGET))
    step = performed(image, state)
    for length in LENGTHS:
        cpu, memory = frame(rng)
        cpu = cpu.with_gpr(1, rng.getrandbits(56) << 8 | length)
        if mnemonic == "CLC":
            memory = alike(memory, cpu.gpr[base1] + at1, cpu.gpr[base2] + at2, rng.randrange(300))
        check(step, cpu, memory, run_execute(cpu, code, memory))


def alike(memory: Memory, first: int, second: int, count: int) -> Memory:
    """The same storage with the first operand's bytes equal to the second's up to some number."""
    found = {base: bytearray(content) for base, content in memory.items()}
    for n in range(count):
        (a, i), (b, j) = (region(at + n) for at in (first, second))
        found[a][i] = found[b][j]
    return {base: bytes(content) for base, content in found.items()}


def region(address: int) -> tuple[int, int]:
    base = STACK if address >= STACK else DATA
    return base, address - base


def check(step: Step, cpu: Cpu, memory: Memory, answer: tuple[Cpu, Memory]) -> None:
    after, stored = answer
    found = outcome(step, cpu, memory)
    assert found.cpu == after
    assert found.memory == stored


def test_the_immediate_length_is_ored_in() -> None:
    rng = random.Random("ored")
    target = make("MVC", L=0x12, B1=15, D1=160, B2=15, D2=600)
    code = {CODE: make("EX", R1=1, B2=12), TARGET: target}
    image = code_of(code)
    state = symbolic(image)
    state.gpr[12] = image.address(Place(LINKED_SPACE, TARGET))
    step = performed(image, state)
    for low in (0, 1, 0x12, 0x2D, 0xFF):
        cpu, memory = frame(rng)
        cpu = cpu.with_gpr(1, low)
        check(step, cpu, memory, run_execute(cpu, code, memory))


def test_a_bounded_register_gives_few_bytes() -> None:
    """What the register can hold at most bounds the stores that are recorded."""
    image = code_of({CODE: make("EX", R1=1, B2=12), TARGET: make("MVC", L=0, B1=15, D1=160, B2=15, D2=600)})
    state = symbolic(image)
    state.gpr[12] = image.address(Place(LINKED_SPACE, TARGET))
    state.gpr[1] = zero_extend(extract(state.gpr[1], 3, 0), 64)
    assert len(performed(image, state).state.stores) == 16


@pytest.mark.parametrize("target", [make("TM", B1=15, D1=160, I2=0), make("LR", R1=0, R2=0), make("SVC", I=0)])
def test_other_targets_need_a_constant(target: bytes) -> None:
    image = code_of({CODE: make("EX", R1=1, B2=12), TARGET: target})
    state = symbolic(image)
    state.gpr[12] = image.address(Place(LINKED_SPACE, TARGET))
    with pytest.raises(Unsupported, match="whose register is not a constant"):
        performed(image, state)


# MOVE LONG EXTENDED ---------------------------------------------------------------------------------------------------

MVCLE = make("MVCLE", R1=4, R3=6, D2=0x40)
LOOP = {CODE: MVCLE, CODE + 4: make("BRC", M1=1, RI2=-2)}


def to_the_end(cpu: Cpu, memory: Memory, code: dict[int, bytes]) -> tuple[Cpu, Memory]:
    """Unicorn, until the condition code is not 3."""
    machine = Machine()
    while True:
        cpu, memory = machine.run(cpu, code, memory)
        if cpu.cc != 3:
            return cpu, memory
        cpu = type(cpu)(**{**cpu.__dict__, "pc": CODE})


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (1, 1), (9, 4), (4, 9), (64, 64), (300, 200), (7, 0)])
@pytest.mark.parametrize(("to", "source"), [(15, 2), (2, 15), (15, 15), (2, 3)])
def test_move_long_extended(first: int, second: int, to: int, source: int) -> None:
    rng = random.Random(f"{first} {second} {to} {source}")
    image = code_of(LOOP)
    for _ in range(3):
        cpu, memory = frame(rng)
        at, other = cpu.gpr[to] + 160, cpu.gpr[source] + (1000 if to == source else 160)
        cpu = cpu.with_gpr(4, at).with_gpr(5, first).with_gpr(6, other).with_gpr(7, second)
        state = symbolic(image)
        state.gpr[5], state.gpr[7] = const(first, 64), const(second, 64)
        for number, base, address in ((4, to, at), (6, source, other)):
            if base == 15:
                state.gpr[number] = plus(OLD_R15, address - cpu.gpr[15])
        check(performed(image, state), cpu, memory, to_the_end(cpu, memory, LOOP))


def test_move_long_extended_with_a_bounded_length() -> None:
    rng = random.Random("bounded")
    image = code_of(LOOP)
    state = symbolic(image)
    state.gpr[4], state.gpr[5] = plus(OLD_R15, 160), zero_extend(extract(state.gpr[5], 4, 0), 64)
    step = performed(image, state)
    assert isinstance(step.state, Trace)
    for first in (0, 1, 16, 31):
        for second in (0, 1, 16, 31, 1000):
            cpu, memory = frame(rng)
            cpu = cpu.with_gpr(4, cpu.gpr[15] + 160).with_gpr(5, first).with_gpr(6, cpu.gpr[2]).with_gpr(7, second)
            check(step, cpu, memory, to_the_end(cpu, memory, LOOP))


REFUSED = {
    "that no branch on condition code 3": {CODE: MVCLE, CODE + 4: make("BRC", M1=14, RI2=-2)},
    "that no branch on condition code 3 repeats": {CODE: MVCLE, CODE + 4: make("BRC", M1=1, RI2=-4)},
    "the same registers": {CODE: make("MVCLE", R1=4, R3=4, D2=0), CODE + 4: LOOP[CODE + 4]},
    "whose padding byte": {CODE: make("MVCLE", R1=4, R3=6, B2=7, D2=0), CODE + 4: LOOP[CODE + 4]},
    "needs an even register": {CODE: make("MVCLE", R1=5, R3=6), CODE + 4: LOOP[CODE + 4]},
}


@pytest.mark.parametrize("why", REFUSED)
def test_move_long_extended_is_refused(why: str) -> None:
    image = code_of(REFUSED[why])
    state = symbolic(image)
    state.gpr[5] = state.gpr[7] = const(8, 64)
    with pytest.raises(Unsupported, match=why):
        performed(image, state)


def test_a_length_without_a_bound_is_refused() -> None:
    image = code_of(LOOP)
    with pytest.raises(Unsupported, match="a constant or a bounded length"):
        performed(image, symbolic(image))


def test_a_destructive_overlap_is_refused() -> None:
    image = code_of(LOOP)
    state = symbolic(image)
    state.gpr[4], state.gpr[6] = plus(OLD_R15, 164), plus(OLD_R15, 160)
    state.gpr[5] = state.gpr[7] = const(8, 64)
    with pytest.raises(Unsupported, match="begins inside the second"):
        performed(image, state)
