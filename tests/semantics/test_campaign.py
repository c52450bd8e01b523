"""A sample of the campaign with a random seed, and tests of its parts: QEMU's machine, the judging, the table."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.semantics import campaign, disagreements, encoding, manual, narrow, operands, qemu_machine
from tests.semantics.campaign import QEMU, UNICORN, Answer, Case, Runner, run_row
from tests.semantics.qemu_machine import Aborted, QemuMachine
from tests.semantics.references import REFERENCES
from tests.semantics.test_cosimulation import (
    EXECUTE_CASES,
    ROWS,
    TARGET,
    TARGETS,
    differences,
    make,
    show_case,
)
from tests.semantics.unicorn_machine import AROUND, CODE, DATA, HIGH, STACK, Cpu, Interruption, Memory
from verify.machine.term import const
from verify.objfile.image import LINKED_SPACE, Place
from verify.semantics.decode import Instruction

SEED = os.environ.get("COSIM_SEED", "1")  # tests/conftest.py chooses it
FORMS, STATES, BY_Z3 = 1, 16, 1


@cache
def machines() -> dict[str, Runner]:
    return campaign.runners()[0]


# The sample -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mnemonic", ROWS)
def test_sample(mnemonic: str) -> None:
    result = run_row(mnemonic, FORMS, STATES, SEED, machines(), BY_Z3)
    assert result.states == result.forms * STATES
    assert not result.unexplained, f"COSIM_SEED={SEED}: " + "\n".join(map(str, result.unexplained[:5]))


# QEMU's machine -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine() -> Iterator[QemuMachine]:
    missing = qemu_machine.available()
    if missing:
        pytest.skip(missing)
    found = QemuMachine()
    yield found
    found.close()


@pytest.fixture
def start() -> tuple[Cpu, Memory]:
    rng = random.Random("qemu")
    return operands.registers(rng), operands.storage(rng)


def test_all_state_goes_in_and_out(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    """An instruction that does nothing gives back every register, the program mask and storage."""
    cpu, memory = replace(start[0], cc=3, program_mask=5), start[1]
    assert machine.run(cpu, {CODE: make("BCR", M1=0, R2=7)}, memory) == (replace(cpu, pc=CODE + 2), memory)


def test_an_addition(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    cpu = start[0].with_gpr(2, 5).with_gpr(3, (1 << 64) - 7)
    after, stored = machine.run(cpu, {CODE: make("AGR", R1=2, R2=3)}, start[1])
    assert after == replace(cpu.with_gpr(2, -2), cc=1, pc=CODE + 4)
    assert stored == start[1]


def test_a_store_and_nothing_left_of_it(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    """The bytes that one state stores are there in its result and not before the next state."""
    cpu, memory = start[0].with_gpr(1, STACK + 0x301).with_gpr(2, 0x0123456789ABCDEF), start[1]
    code = {CODE: make("STG", R1=2, B2=1, D2=4)}
    content = memory[STACK][:0x305] + bytes.fromhex("0123456789ABCDEF") + memory[STACK][0x30D:]
    for _ in range(2):
        _, stored = machine.run(cpu, code, memory)
        assert stored == {**memory, STACK: content}
    assert machine.run(cpu, {CODE: make("LR", R1=1, R2=1)}, memory)[1] == memory


@pytest.mark.parametrize("target", [AROUND + 8, CODE + 0x800, CODE - 2, DATA + 16, 0, HIGH])
def test_a_taken_branch(machine: QemuMachine, start: tuple[Cpu, Memory], target: int) -> None:
    """To halfwords of zeros, to storage that is no code, to where there is no storage at all."""
    cpu = start[0].with_gpr(4, target)
    after, _ = machine.run(cpu, {CODE: make("BASR", R1=14, R2=4)}, start[1])
    assert after == replace(cpu.with_gpr(14, CODE + 2), pc=target)


INTERRUPTED = {
    "privileged": (make("LPSWE", B2=15), "SIGILL"),
    "no instruction": (bytes(6), "SIGILL"),
    "odd register of a pair": (bytes.fromhex("1c12"), "SIGILL"),
    "no storage": (make("L", R1=2, B2=5), "SIGSEGV"),
    "division by zero": (bytes.fromhex("b987004a"), "SIGFPE"),
}


@pytest.mark.parametrize("kind", INTERRUPTED)
def test_an_interruption(machine: QemuMachine, start: tuple[Cpu, Memory], kind: str) -> None:
    raw, name = INTERRUPTED[kind]
    cpu = start[0].with_gpr(5, HIGH).with_gpr(10, 0).with_gpr(4, 0)
    with pytest.raises(Interruption, match=name):
        machine.run(cpu, {CODE: raw}, start[1])
    assert machine.run(cpu, {CODE: make("LGR", R1=2, R2=15)}, start[1])[0].gpr[2] == cpu.gpr[15]


def test_the_process_ends(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    """The system call `exit` stands for any death: it is told, and a new process goes on with the next state."""
    by_register_1 = {CODE: bytes.fromhex("0a00")}
    getpid, leave = 20, 1
    cpus = [start[0].with_gpr(1, number).with_gpr(2, 77) for number in (getpid, leave, getpid)]
    before = machine.processes
    one, two, three = machine.run_all(cpus, by_register_1, start[1])
    assert isinstance(two, Aborted)
    assert "exit code 77" in str(two)
    assert not isinstance(one, Interruption)
    assert not isinstance(three, Interruption)
    assert one[0].gpr[2] != three[0].gpr[2]
    assert machine.processes == before + 1


def test_the_process_is_killed(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    code = {CODE: make("LR", R1=1, R2=1)}
    expected = machine.run(start[0], code, start[1])
    assert machine._process is not None
    machine._process.send_signal(signal.SIGKILL)
    machine._process.wait()
    assert machine.run(start[0], code, start[1]) == expected


def test_an_instruction_that_never_ends(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    """No answer in time; after a few such deaths the instruction is not tried again."""
    impatient = QemuMachine(timeout=0.2)
    answers = list(impatient.run_all([start[0]] * 10, {CODE: make("BRC", M1=15, RI2=0)}, start[1]))
    impatient.close()
    assert all(isinstance(answer, Aborted) for answer in answers)
    assert impatient.processes == qemu_machine.GIVE_UP


def test_more_states_than_one_group_holds(machine: QemuMachine, start: tuple[Cpu, Memory]) -> None:
    cpus = [start[0].with_gpr(3, n) for n in range(qemu_machine.MOST + 9)]
    answers = list(machine.run_all(cpus, {CODE: make("LGR", R1=2, R2=3)}, start[1]))
    assert [answer[0].gpr[2] for answer in answers if not isinstance(answer, Interruption)] == list(range(len(cpus)))


def test_the_driver_by_the_other_assembler(
    machine: QemuMachine, start: tuple[Cpu, Memory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = qemu_machine.build(tmp_path, gnu=False)
    monkeypatch.setattr(qemu_machine, "driver", lambda: built)
    other = QemuMachine()
    code = {CODE: make("ALGR", R1=2, R2=3)}
    assert other.run(start[0], code, start[1]) == machine.run(start[0], code, start[1])
    other.close()


@pytest.mark.parametrize(("tool", "missing"), [("qemu-s390x", "qemu-user"), ("s390x-linux-gnu-as", "binutils-s390x")])
def test_a_missing_tool_is_named(tool: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without QEMU, or without any assembler for its driver, the campaign runs on unicorn alone and says so."""
    monkeypatch.setattr(qemu_machine.shutil, "which", lambda name: None if name == tool else f"/bin/{name}")
    monkeypatch.setattr(qemu_machine.importlib.util, "find_spec", lambda name: None)
    found, sentences = campaign.runners()
    assert found.keys() == {UNICORN}
    assert len(sentences) == 1
    assert missing in sentences[0]
    assert not run_row("AGR", 1, 4, SEED, found, 0).unexplained


@pytest.mark.parametrize(("raw", "name", "ored"), EXECUTE_CASES, ids=show_case)
def test_execute(machine: QemuMachine, raw: bytes, name: str, ored: int) -> None:
    """EXECUTE and its target, which QEMU counts relative operands from, as POP says and unicorn does not."""
    rng = random.Random(f"{SEED} {raw.hex()} {name} {ored}")
    memory = operands.storage(rng)
    code = {CODE: raw, TARGET: TARGETS[name]}
    cpu = operands.registers(rng).with_gpr(12, TARGET).with_gpr(2, DATA + 0x810).with_gpr(3, AROUND + 0x444)
    cpu = cpu.with_gpr(1, cpu.gpr[1] & ~0xFFF | ored)
    image = campaign.code_of(code)
    state = campaign.symbolic(image)
    state.gpr[12] = image.address(Place(LINKED_SPACE, TARGET))
    state.gpr[1] = const(cpu.gpr[1], 64)
    step = campaign.performed(image, state)
    wrong = differences(step, cpu, memory, *machine.run(cpu, code, memory))
    assert not wrong, f"COSIM_SEED={SEED}: from {cpu}: {wrong}"


@pytest.mark.parametrize("mask", range(16))
def test_branch_indirect(machine: QemuMachine, mask: int) -> None:
    """BIC, which unicorn does not have: to the address that storage holds."""
    rng = random.Random(f"{SEED} {mask}")
    cpu, memory = operands.registers(rng).with_gpr(15, STACK + 0x400), operands.storage(rng)
    target = AROUND + 2 * rng.randrange(0x400)
    memory[STACK] = memory[STACK][:0x4A8] + target.to_bytes(8, "big") + memory[STACK][0x4B0:]
    code = {CODE: make("BIC", M1=mask, B2=15, D2=168)}
    image = campaign.code_of(code)
    step = campaign.performed(image, campaign.symbolic(image))
    for condition_code in range(4):
        start = replace(cpu, cc=condition_code)
        wrong = differences(step, start, memory, *machine.run(start, code, memory))
        assert not wrong, f"COSIM_SEED={SEED}: from {start}: {wrong}"


# Judging --------------------------------------------------------------------------------------------------------------


class Liar:
    """Unicorn's answers, changed."""

    def __init__(self, **changes: int) -> None:
        self.honest, self.changes = campaign.UnicornRunner(), changes

    def comparable(self, insn: Instruction, case: Case) -> bool:
        return True

    def run_all(self, cpus: Sequence[Cpu], code: Mapping[int, bytes], memory: Memory) -> Iterable[Answer]:
        for answer in self.honest.run_all(cpus, code, memory):
            assert not isinstance(answer, Interruption)
            yield replace(answer[0], **self.changes), answer[1]


def table_with(monkeypatch: pytest.MonkeyPatch, *keys: tuple[str, str]) -> None:
    table = {key: frozenset({"fpc"}) for key in keys}
    monkeypatch.setattr(disagreements, "by_instruction", lambda: table)


def test_a_difference_that_the_table_does_not_have() -> None:
    result = run_row("LGR", 1, 4, SEED, {UNICORN: campaign.UnicornRunner(), "other": Liar(fpc=4)}, 0)
    assert [item.machine for item in result.unexplained] == ["other"] * 4
    assert "unexplained" in result.result


def test_a_difference_in_other_parts_than_the_table_has(monkeypatch: pytest.MonkeyPatch) -> None:
    table_with(monkeypatch, ("LGR", "other"))
    found = {UNICORN: campaign.UnicornRunner()}
    assert not run_row("LGR", 1, 4, SEED, {**found, "other": Liar(fpc=4)}, 0).unexplained
    assert len(run_row("LGR", 1, 4, SEED, {**found, "other": Liar(fpc=4, pc=0)}, 0).unexplained) == 4


def test_an_admitted_difference_needs_a_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table alone excuses nothing: somebody must say what the verifier says."""
    table_with(monkeypatch, ("LGR", "one"), ("LGR", "other"))
    result = run_row("LGR", 1, 4, SEED, {"one": Liar(fpc=4), "other": Liar(fpc=5)}, 0)
    assert [item.machine for item in result.unexplained] == ["no witness"] * 4


def test_the_manual_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a reference by hand, it is asked even if all machines agree."""
    monkeypatch.setitem(manual.MANUAL, "LGR", ("to try", lambda insn, cpu, memory: (cpu, memory)))
    result = run_row("LGR", 1, 4, SEED, {UNICORN: campaign.UnicornRunner()}, 0)
    assert {item.machine for item in result.unexplained} == {"manual"}


def test_the_correction_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corner for which unicorn's answer is to be corrected must come out as the verifier has it."""
    corner = {UNICORN: Liar(fpc=4), "other": campaign.UnicornRunner()}
    monkeypatch.setitem(manual.SUMS, "LGR", (64, False))
    table_with(monkeypatch, ("LGR", UNICORN))
    assert {item.machine for item in run_row("LGR", 1, 4, SEED, corner, 0).unexplained} == {"correction"}


def test_the_encoding_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "solved", lambda term, value: value(term) ^ 1)
    result = run_row("AGR", 1, 4, SEED, {UNICORN: campaign.UnicornRunner()}, 1)
    assert {item.machine for item in result.unexplained} == {"Z3"}


def test_a_row_is_repeated_by_its_seed() -> None:
    runs = [campaign.run(rows, 2, 5, "7", {UNICORN: campaign.UnicornRunner()}) for rows in (["MVC"], ["LGR", "MVC"])]
    assert runs[0].rows["MVC"] == runs[1].rows["MVC"]
    assert runs[0].total(UNICORN) == runs[0].total("states") == 5 * runs[0].total("forms")


# The table ------------------------------------------------------------------------------------------------------------

PARTS = {"gpr", "vector", "access", "fpc", "cc", "program_mask", "pc", "storage", disagreements.REFUSES}


def test_the_table_of_disagreements_is_in_order() -> None:
    seen: set[tuple[str, str]] = set()
    for row in disagreements.rows():
        assert row.parts <= PARTS
        assert row.machine in {UNICORN, QEMU, narrow.MACHINE}
        assert row.right == "verifier"
        assert row.case
        assert "POP" in row.why
        for mnemonic in row.mnemonics:
            assert mnemonic in ROWS
            assert (mnemonic, row.machine) not in seen
            seen.add((mnemonic, row.machine))


def test_what_the_manual_judges_is_in_the_table() -> None:
    """A reference or a correction was written because unicorn differs; its row says how."""
    listed = {mnemonic for mnemonic, machine in disagreements.by_instruction() if machine == UNICORN}
    assert {*manual.MANUAL, *manual.SUMS, *REFERENCES} == listed, "disagreements.tsv misses a row, or has one too many"
