"""Control registers, clocks and supervisor calls: what is stored may be new, but nothing else may change."""

from __future__ import annotations

import random

import pytest
import unicorn
from unicorn import s390x_const as names

from tests.semantics import operands
from tests.semantics.concrete import Evaluator, code_of, performed, symbolic
from tests.semantics.control import FRESH, ONLY_LOADS
from tests.semantics.unicorn_machine import CODE, STACK, Interruption, Machine
from verify.errors import Unsupported
from verify.machine.state import State
from verify.machine.term import Origin, const
from verify.semantics import isa, zarch
from verify.semantics.decode import encode

assert zarch  # imported for its registrations

ABSENT = {"STBEAR", "LBEAR"}  # z16, which unicorn does not have


def make(mnemonic: str, **values: int) -> bytes:
    return encode(isa.by_mnemonic()[mnemonic], values)


def stepped(raw: bytes) -> State:
    image = code_of({CODE: raw})
    return performed(image, symbolic(image)).state


def unchanged(state: State, start: State, *, code: bool = True) -> bool:
    kept = (state.gpr, state.vector, state.access, state.fpc, state.program_mask, state.system_mask)
    first = (start.gpr, start.vector, start.access, start.fpc, start.program_mask, start.system_mask)
    return kept == first and state.control == start.control and (not code or state.cc == start.cc)


@pytest.mark.parametrize("mnemonic", sorted(FRESH))
def test_what_the_machine_knows_is_a_new_unknown(mnemonic: str) -> None:
    size, sets_code = FRESH[mnemonic]
    raw = make(mnemonic, B2=15, D2=160)
    state, start = stepped(raw), symbolic(code_of({CODE: raw}))
    assert unchanged(state, start, code=not sets_code)
    assert sum(store.value.width for store in state.stores) == 8 * size
    for store in state.stores:
        assert store.value.leaf is not None
        assert store.value.leaf.origin is Origin.MACHINE
    if sets_code:
        assert {unknown.leaf.origin for part in state.cc for unknown in part.leaves()} == {Origin.MACHINE}
    values = [unknown for store in state.stores for unknown in store.value.leaves()]
    assert len(set(values)) == len(values), "two parts of a clock are not the same unknown"


@pytest.mark.parametrize("mnemonic", sorted(FRESH))
def test_the_machine_changes_no_more(mnemonic: str) -> None:
    """The same bytes of storage, and nothing but them and the condition code."""
    size, sets_code = FRESH[mnemonic]
    rng = random.Random(mnemonic)
    cpu, memory = operands.registers(rng).with_gpr(15, STACK + 0x400), operands.storage(rng)
    raw = make(mnemonic, B2=15, D2=160)
    if mnemonic in ABSENT:
        with pytest.raises(Interruption):
            Machine().run(cpu, {CODE: raw}, memory)
        return
    after, stored = Machine().run(cpu, {CODE: raw}, memory)
    assert (after.gpr, after.vector, after.access, after.fpc) == (cpu.gpr, cpu.vector, cpu.access, cpu.fpc)
    assert (after.program_mask, after.system_mask, after.pc) == (cpu.program_mask, cpu.system_mask, CODE + 4)
    assert sets_code or after.cc == cpu.cc
    at = 0x400 + 160
    assert stored[STACK][:at] == memory[STACK][:at]
    assert stored[STACK][at + size :] == memory[STACK][at + size :]
    assert {base for base in stored if stored[base] != memory[base]} <= {STACK}


@pytest.mark.parametrize("mnemonic", sorted(ONLY_LOADS))
def test_what_is_not_held_is_only_read(mnemonic: str) -> None:
    raw = make(mnemonic, B2=2, D2=160)
    state, start = stepped(raw), symbolic(code_of({CODE: raw}))
    assert unchanged(state, start)
    assert not state.stores
    assert [load.value.width for load in state.loads] == [8 * ONLY_LOADS[mnemonic]]


# Control registers ----------------------------------------------------------------------------------------------------

RANGES = [(0, 0), (2, 6), (8, 12), (14, 0), (15, 15)]  # none of 1, 7 and 13


def _controls(uc: unicorn.Uc) -> list[int]:
    return [uc.reg_read(getattr(names, f"UC_S390X_REG_CR{n}")) for n in range(16)]


@pytest.mark.parametrize(("first", "last"), RANGES)
@pytest.mark.parametrize("mnemonic", ["LCTL", "LCTLG", "STCTL", "STCTG"])
def test_control_registers(mnemonic: str, first: int, last: int) -> None:
    """Against unicorn, whose control registers are given what the verifier's unknowns stand for."""
    rng = random.Random(f"{mnemonic} {first}")
    raw = make(mnemonic, R1=first, R3=last, B2=15, D2=160)
    memory = operands.storage(rng)
    if mnemonic.startswith("L") and 0 in {first, last}:
        at = 0x400 + 160 + (0 if first == 0 else 4 if mnemonic == "LCTL" else 8)
        plain = (0x6_0000).to_bytes(4 if mnemonic == "LCTL" else 8, "big")  # AFP and vector stay on
        memory[STACK] = memory[STACK][:at] + plain + memory[STACK][at + len(plain) :]
    cpu = operands.registers(rng).with_gpr(15, STACK + 0x400)
    machine = Machine()
    controls = [0x6_0000, *[rng.getrandbits(64) for _ in range(15)]]
    for number in range(2, 16):
        if number not in (7, 8, 9, 13):  # translation and program-event recording stay off
            machine._uc.reg_write(getattr(names, f"UC_S390X_REG_CR{number}"), controls[number])
    controls = _controls(machine._uc)
    _, stored = machine.run(cpu, {CODE: raw}, memory)
    state = stepped(raw)
    value = Evaluator(cpu, memory)
    start = symbolic(code_of({CODE: raw}))
    value.known.update(zip(start.control, controls, strict=True))
    value.replay(state.events)
    assert [value(term) for term in state.control] == _controls(machine._uc)
    assert {base: bytes(content) for base, content in value.memory.items()} == stored
    assert unchanged(state, start) is (mnemonic.startswith("S") or state.control == start.control)


@pytest.mark.parametrize("number", [1, 7, 13])
@pytest.mark.parametrize("mnemonic", ["LCTL", "LCTLG"])
def test_another_address_space_is_refused(mnemonic: str, number: int) -> None:
    with pytest.raises(Unsupported, match=f"control register {number} may change the address space"):
        stepped(make(mnemonic, R1=number, R3=number, B2=15, D2=160))


def test_an_address_space_loaded_as_it_was_is_no_change() -> None:
    image = code_of({CODE: make("STCTG", R1=13, R3=13, B2=15, D2=160)})
    state = performed(image, symbolic(image)).state
    image = code_of({CODE: make("LCTLG", R1=13, R3=13, B2=15, D2=160)})
    state.pc = symbolic(image).pc
    assert performed(image, state).state.control == symbolic(image).control


# Supervisor call ------------------------------------------------------------------------------------------------------


def test_supervisor_call_is_left_to_the_environment() -> None:
    raw = make("SVC", I=17)
    image = code_of({CODE: raw})
    step = performed(image, symbolic(image))
    assert step.supervisor == 17
    assert unchanged(step.state, symbolic(image))


def test_supervisor_call_by_execute() -> None:
    image = code_of({CODE: make("EX", R1=1, B2=12), CODE + 0x100: make("SVC", I=0)})
    state = symbolic(image)
    state.gpr[12] = image.address(type(image.place(state.pc))(image.place(state.pc).space, CODE + 0x100))
    state.gpr[1] = const(4, 64)
    assert performed(image, state).supervisor == 4
