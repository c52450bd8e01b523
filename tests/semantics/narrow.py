"""The 31-bit addressing mode: unicorn in it, start states for it, and the verifier's word as numbers.

Storage lies around both ends of the address space of 2**31 bytes, so that arithmetic on addresses wraps in it; bits
0-31 of every register hold anything, and bit 32 of a base register as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import unicorn
from unicorn import s390x_const as names

from tests.semantics import operands
from tests.semantics.unicorn_machine import _STATUS, Cpu, Memory, execute
from verify.machine.evaluate import Evaluation
from verify.machine.mode import MODE_31
from verify.machine.state import State, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import TRUE, Term, const
from verify.objfile.image import LINKED_SPACE, Image, Place, Section
from verify.semantics import cc
from verify.semantics.code import Code
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.isa import used_fields
from verify.semantics.step import Step, perform, start

CODE, CODE_SIZE = 0x2000_0000, 0x1000
LOW, AROUND, DATA, STACK, TOP = 0, CODE - 0x1_0000, 0x4000_0000, 0x5000_0000, 0x7FFF_0000
SIZES = {LOW: 0x2000, AROUND: 0x2_1000, DATA: 0x2000, STACK: 0x2000, TOP: 0x1_0000}
MODE = 0x8000_0000
MACHINE = "unicorn-31"
"""What disagreements.tsv calls it."""
SPACE = 1 << 31
_EVERYTHING = Ranges(((None, None),))
_ON_STACK = re.compile(r"^\w+\.mem\[old\.r15([+-]\d+)?\]")
_LOADS_ADDRESS = frozenset({"LA", "LAY", "LAE", "LAEY", "LARL"})


# Unicorn --------------------------------------------------------------------------------------------------------------


class Machine:
    """Unicorn in the 31-bit mode; an instance that was interrupted is not used again."""

    def __init__(self) -> None:
        self._uc = unicorn.Uc(unicorn.UC_ARCH_S390X, unicorn.UC_MODE_BIG_ENDIAN)
        self._uc.reg_write(names.UC_S390X_REG_PSWM, MODE)
        self._uc.reg_write(names.UC_S390X_REG_CR0, 0x6_0000)
        for base, size in SIZES.items():
            self._uc.mem_map(base, size)

    def run(self, cpu: Cpu, code: Mapping[int, bytes], memory: Memory, count: int = 1) -> tuple[Cpu, Memory]:
        """Execute instructions from `cpu.pc`. Raises Interruption."""
        uc = self._uc
        for base, content in memory.items():
            uc.mem_write(base, content)
        for address, raw in code.items():
            uc.mem_write(address, raw)
        uc.ctl_remove_cache(CODE, CODE + CODE_SIZE)
        return execute(uc, cpu, memory, count)


def corrected(insn: Instruction, before: Cpu, after: Cpu) -> Cpu:
    """What the manual says where unicorn does something else in this mode; disagreements.tsv has the rows.

    "Bits 0-31 remain unchanged" when an address is loaded. Of a register that is branched to unicorn's PSW keeps all
    64 bits, of which the instruction address is bits 33-63.
    """
    if insn.mnemonic in _LOADS_ADDRESS:
        number = insn.fields["R1"]
        after = after.with_gpr(number, before.gpr[number] >> 32 << 32 | after.gpr[number] & 0xFFFF_FFFF)
    return replace(after, pc=after.pc % SPACE)


# Start states ---------------------------------------------------------------------------------------------------------


def storage(rng: random.Random, code: Mapping[int, bytes]) -> Memory:
    """Contents of all storage; around the code there is nothing but branches that are not taken."""
    around = bytearray(b"\x07\x07" * (SIZES[AROUND] // 2))
    for address, raw in code.items():
        around[address - AROUND : address - AROUND + len(raw)] = raw
    return {AROUND: bytes(around)} | {base: rng.randbytes(SIZES[base]) for base in (LOW, DATA, STACK, TOP)}


def near(insn: Instruction, rng: random.Random) -> Instruction:
    """The same instruction with a relative operand that stays within the code and what is around it."""
    if insn.format.relative is None:
        return insn
    changed = decode(encode(insn.spec, {**insn.fields, insn.format.relative: 4 * rng.randrange(-0x100, 0x100)}))
    assert changed is not None
    return changed


def start_state(insn: Instruction, rng: random.Random) -> Cpu:
    """Registers that lead to storage; r15 is on the stack."""
    cpu = replace(operands.registers(rng, MODE), pc=CODE)
    cpu = cpu.with_gpr(15, _dirty(rng, STACK + 0x800 + 8 * rng.randrange(64)))
    if insn.mnemonic in operands.BRANCHES_BY_REGISTER:
        return cpu.with_gpr(insn.fields["R2"], _dirty(rng, CODE + 2 * rng.randrange(0x7F0)))
    if insn.mnemonic in operands.NO_STORAGE:
        return cpu
    used = used_fields(insn.spec)
    for number in "124":
        if f"D{number}" in used:
            cpu = _aimed(insn, cpu, number, rng)
    return cpu


def _aimed(insn: Instruction, cpu: Cpu, number: str, rng: random.Random) -> Cpu:
    """The base (or index) register leads to storage, or beyond the end of the address space and so back to it."""
    base, index = insn.fields.get(f"B{number}", 0), insn.fields.get(f"X{number}", 0)
    register = base or index
    if not register or register == 15 or base == index:
        return cpu
    alignment = operands.ALIGNED.get(insn.mnemonic, 1)
    region = CODE if insn.mnemonic in operands.BRANCHES else rng.choice([LOW, DATA, DATA, STACK, TOP + 0x8000])
    wanted = region + rng.randrange(0x400, 0xC00) // alignment * alignment
    other = cpu.gpr[index] if base and index else 0
    return cpu.with_gpr(register, _dirty(rng, (wanted - insn.fields[f"D{number}"] - other) % SPACE))


def _dirty(rng: random.Random, address: int) -> int:
    """A register with that address: bits 0-32 hold anything."""
    return rng.getrandbits(33) << 31 | address


# The verifier ---------------------------------------------------------------------------------------------------------


class Trace(State):
    """A state that keeps its loads and stores in one list."""

    events: list[tuple[str, Term, Term, Term]]

    def load(self, address: Term, size: int, guard: Term = TRUE) -> Term:
        value = super().load(address, size, guard)
        self.events.append(("load", self.mode.address(address), value, guard))
        return value

    def store(self, address: Term, value: Term, guard: Term = TRUE) -> None:
        super().store(address, value, guard)
        self.events.append(("store", self.mode.address(address), value, guard))


def code_of(bytes_at: Mapping[int, bytes]) -> Code:
    """A linked 31-bit image of one executable section, at the address at which unicorn has it."""
    data = bytearray(b"\x07\x07" * (CODE_SIZE // 2))
    for address, raw in bytes_at.items():
        data[address - CODE : address - CODE + len(raw)] = raw
    section = Section(".text", LINKED_SPACE, LINKED_SPACE, CODE, bytes(data), True, True)
    return Code(Image(Path("narrow"), False, (section,), (), (), bits=31))


def unknown_state(code: Code, pc: int = CODE) -> Trace:
    """A state of which nothing is known; all of the stack holds something."""
    state = entry_state(code.address(Place(LINKED_SPACE, pc)), _EVERYTHING, MODE_31)
    trace = Trace(
        state.gpr, state.vector, state.access, state.fpc, state.cc, state.program_mask, state.system_mask,
        state.stack, state.pc, mode=MODE_31,
    )  # fmt: skip
    trace.events = []
    return trace


def literal_state(code: Code, cpu: Cpu) -> Trace:
    """A state in which every general register is a literal."""
    state = unknown_state(code, cpu.pc)
    state.gpr = [const(value, 64) for value in cpu.gpr]
    return state


def performed(code: Code, state: Trace, pc: int = CODE) -> Step:
    """The verifier's own step. Raises Unsupported."""
    step = start(state, code, Place(LINKED_SPACE, pc))
    perform(step)
    return step


class _Known(dict[Term, int]):
    """Numbers for the unknowns of one start; storage on the stack is found where it is asked for."""

    def __init__(self, cpu: Cpu, memory: dict[int, bytearray]) -> None:
        names_ = {f"old.r{n}": value & 0xFFFF_FFFF for n, value in enumerate(cpu.gpr)}
        names_ |= {f"old.r{n}.high": value >> 32 for n, value in enumerate(cpu.gpr)}
        names_ |= {f"old.v{n // 2}.{('left', 'right')[n % 2]}": value for n, value in enumerate(cpu.vector)}
        names_ |= {f"old.a{n}": value for n, value in enumerate(cpu.access)}
        names_ |= {"old.fpc": cpu.fpc, "old.cc": cpu.cc, "old.program_mask": cpu.program_mask,
                   "old.system_mask": cpu.system_mask, "&narrow": 0}  # fmt: skip
        super().__init__()
        self.names, self.r15, self.memory = names_, cpu.gpr[15] % SPACE, memory

    def __missing__(self, unknown: Term) -> int:
        assert unknown.leaf is not None
        name = unknown.leaf.name
        match = _ON_STACK.match(name)
        if match:
            self[unknown] = read(self.memory, self.r15 + int(match.group(1) or 0), unknown.width // 8)
        else:
            self[unknown] = self.names[name]
        return self[unknown]


def read(memory: Mapping[int, bytes] | Mapping[int, bytearray], address: int, size: int) -> int:
    """Bytes of storage, as far as there is any. Raises LookupError."""
    base = next((base for base in memory if base <= address and address + size <= base + len(memory[base])), None)
    if base is None:
        raise LookupError(hex(address))
    return int.from_bytes(memory[base][address - base : address - base + size], "big")


def outcome(step: Step, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """What the verifier says becomes of a machine. Raises LookupError for storage that is none of ours."""
    state = step.state
    assert isinstance(state, Trace)
    after = {base: bytearray(content) for base, content in memory.items()}
    known = _Known(cpu, {base: bytearray(content) for base, content in memory.items()})
    value = Evaluation(known)
    for kind, address, term, guard in state.events:
        fresh = term.leaf is not None and term.leaf.name.startswith("mem")
        if not value(guard):
            if kind == "load" and fresh:
                known[term] = 0  # not accessed: nothing may depend on it
            continue
        at, size = value(address), term.width // 8
        there = read(after, at, size)
        if kind == "store":
            base = next(base for base in after if base <= at < base + len(after[base]))
            after[base][at - base : at - base + size] = value(term).to_bytes(size, "big")
        elif fresh:
            known[term] = there
        else:
            assert value(term) == there, f"the stack gives {value(term):#x} at {at:#x}, not {there:#x}"
    pc = step.next
    for jump in step.jumps:
        if value(jump.condition):
            pc = jump.target
    right = {n for n, term in enumerate(state.vector) if term.leaf is not None and "unpredictable" in term.leaf.name}
    found = Cpu(
        tuple(map(value, state.gpr)),
        tuple(-1 if n in right else value(term) for n, term in enumerate(state.vector)),
        tuple(map(value, state.access)), value(state.fpc), value(cc.value(state)), value(state.program_mask),
        value(state.system_mask) & ~_STATUS, value(pc),
    )  # fmt: skip
    return found, {base: bytes(content) for base, content in after.items()}


def difference(found: tuple[Cpu, Memory], machine: tuple[Cpu, Memory]) -> dict[str, str]:
    """Where the verifier and the machine differ: fields of Cpu, or `storage`."""
    said, done = found[0], machine[0]
    done = replace(done, vector=tuple(a if a == -1 else b for a, b in zip(said.vector, done.vector, strict=True)))
    lines = {}
    for name in ("gpr", "vector", "access", "fpc", "cc", "program_mask", "system_mask", "pc"):
        a, b = getattr(said, name), getattr(done, name)
        if a != b:
            pairs = [(0, a, b)] if isinstance(a, int) else zip(range(64), a, b, strict=False)
            lines[name] = ", ".join(f"[{n}] {x:#x}, not {y:#x}" for n, x, y in pairs if x != y)
    if found[1] != machine[1]:
        lines["storage"] = "differs"
    return lines
