"""A concrete s390x processor: unicorn, set and read through one plain record.

Unicorn runs without address translation in the 64-bit addressing mode (bits 31 and 32 of the PSW mask one), with
the AFP-register and vector controls of control register 0 on. It is another machine than the verifier in every
sense: QEMU's translator and its run-time helpers, sharing nothing with VEX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import unicorn
from unicorn import s390x_const as names

# Code stands amid 64 KiB of storage on either side, since unicorn fetches from a branch's target within the same step.
LOW, AROUND, DATA, STACK, HIGH = 0, 0x3_FFFE_F000, 0x4_8000_0000, 0x4_9000_0000, 0x7FFF_FFFF_FFFF_0000
SIZES = {LOW: 0x2000, AROUND: 0x2_1000, DATA: 0x2000, STACK: 0x2000, HIGH: 0x1000}
CODE, CODE_SIZE = 0x4_0000_0000, 0x1000
MODE_64 = 0x1_8000_0000
_AFP_AND_VECTOR = 0x6_0000
_EVERYWHERE = (1 << 64) - 1
_PAGE = 0x1000

# Positions in the PSW mask, counted from the right: condition code (bits 18-19) and program mask (bits 20-23).
_CC, _PROGRAM_MASK = 44, 40
_STATUS = 0b11 << _CC | 0xF << _PROGRAM_MASK


def _constants(pattern: str, count: int) -> list[int]:
    return [getattr(names, "UC_S390X_REG_" + pattern.format(n)) for n in range(count)]


_HALVES = [half for pair in zip(_constants("F{}", 32), _constants("F{}_HI", 32), strict=True) for half in pair]
_REGISTERS = [
    *_constants("R{}", 16), *_HALVES, *_constants("A{}", 16),
    names.UC_S390X_REG_FPC, names.UC_S390X_REG_PSWM, names.UC_S390X_REG_PC,
]  # fmt: skip


class Interruption(Exception):
    """The machine recognised a program exception."""


@dataclass(frozen=True)
class Cpu:
    """Registers as numbers; `vector` has the left and right halves of v0-v31 in turn, f0-f15 are the left ones."""

    gpr: tuple[int, ...] = (0,) * 16
    vector: tuple[int, ...] = (0,) * 64
    access: tuple[int, ...] = (0,) * 16
    fpc: int = 0
    cc: int = 0
    program_mask: int = 0
    system_mask: int = MODE_64
    pc: int = CODE

    def with_gpr(self, number: int, value: int) -> Cpu:
        values = list(self.gpr)
        values[number] = value & _EVERYWHERE
        return replace(self, gpr=tuple(values))


Memory = dict[int, bytes]


class Machine:
    """One instance, used again and again; every run sets all of its state."""

    def __init__(self) -> None:
        self._uc = unicorn.Uc(unicorn.UC_ARCH_S390X, unicorn.UC_MODE_BIG_ENDIAN)
        for base, size in SIZES.items():
            self._uc.mem_map(base, size)
        for base in (AROUND, HIGH):  # unicorn looks before a branch target, and there must be storage
            self._uc.mem_map(base - _PAGE, _PAGE)
        self._uc.reg_write(names.UC_S390X_REG_CR0, _AFP_AND_VECTOR)
        self._uc.reg_write(names.UC_S390X_REG_PSWM, MODE_64)  # before any look-up of an address
        self._code: Mapping[int, bytes] | None = None

    def run(self, cpu: Cpu, code: Mapping[int, bytes], memory: Memory, count: int = 1) -> tuple[Cpu, Memory]:
        """Execute `count` instructions from `cpu.pc`. Raises Interruption."""
        uc = self._uc
        if code is not self._code:
            for address, raw in code.items():
                uc.mem_write(address, raw)
            uc.ctl_remove_cache(CODE, CODE + CODE_SIZE)
            self._code = code
        for base, content in memory.items():
            uc.mem_write(base, content)
        return execute(uc, cpu, memory, count)


def execute(uc: unicorn.Uc, cpu: Cpu, memory: Memory, count: int) -> tuple[Cpu, Memory]:
    """Execute `count` instructions from `cpu.pc`, with code and memory in place. Raises Interruption."""
    status = cpu.cc << _CC | cpu.program_mask << _PROGRAM_MASK
    values = [*cpu.gpr, *cpu.vector, *cpu.access, cpu.fpc, cpu.system_mask | status, cpu.pc]
    uc.reg_write_batch(list(zip(_REGISTERS, values, strict=True)))
    try:
        uc.emu_start(cpu.pc, _EVERYWHERE, count=count)
    except unicorn.UcError as problem:
        raise Interruption(str(problem)) from problem
    found = uc.reg_read_batch(_REGISTERS)
    fpc, psw, pc = found[96:]
    after = Cpu(
        tuple(found[:16]), tuple(found[16:80]), tuple(found[80:96]), fpc,
        psw >> _CC & 3, psw >> _PROGRAM_MASK & 15, psw & ~_STATUS, pc,
    )  # fmt: skip
    return after, {base: bytes(uc.mem_read(base, len(content))) for base, content in memory.items()}


def run_execute(cpu: Cpu, code: Mapping[int, bytes], memory: Memory) -> tuple[Cpu, Memory]:
    """EX or EXRL together with its target, in an instance that has translated nothing yet.

    That is two steps for unicorn, but one where the target is MVC or its like, which it executes on the spot.
    """
    *_, target = code.values()
    return Machine().run(cpu, code, memory, count=1 if target[0] & 0xF0 == 0xD0 else 2)
