"""A concrete z/Architecture machine (unicorn) that runs the code of an object file: no part of `verify` is used here.

A small linker gives every section and every undefined symbol an address of its own and applies the relocations.
Code is executed one instruction at a time; whatever it does that shows at an instruction boundary is recorded.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import s390x_const as regs

CODE = 0x3FF_8000_0000  # everything above 4 GiB, so that a lost upper half shows
STUBS = CODE + 0x8000  # functions of other objects: within reach of a branch of 16 bits, nothing there to execute
DATA = 0x3FF_9000_0000  # variables of other objects: within reach of larl
ENTRY_R15 = 0x80_0000_0000  # or a little above: a frame crosses a multiple of 4 GiB, so that 32-bit arithmetic shows
LOWCORE = 0
CODE_SIZE, DATA_SIZE, STACK_SIZE, LOWCORE_SIZE = 0x4000, 0x1000, 0x2000, 0x2000
STACK = ENTRY_R15 - 0x1000
_SLOT = 64  # bytes between two symbols of other objects
_MOST_STEPS = 200
_STOSM = 0xAD  # its operation code
_NOWHERE = (1 << 64) - 2

# psABI, "Relocation Types": width of the field, relative to the place, in halfwords.
_RELOCATIONS = {
    4: (4, False, False),  # R_390_32
    5: (4, True, False),  # R_390_PC32
    17: (2, True, True),  # R_390_PC16DBL
    18: (2, True, True),  # R_390_PLT16DBL
    19: (4, True, True),  # R_390_PC32DBL
    20: (4, True, True),  # R_390_PLT32DBL
    22: (8, False, False),  # R_390_64
}

GPRS = [getattr(regs, f"UC_S390X_REG_R{n}") for n in range(16)]
_KEPT = [
    *[getattr(regs, f"UC_S390X_REG_F{n}") for n in range(32)],
    *[getattr(regs, f"UC_S390X_REG_A{n}") for n in range(16)],
    regs.UC_S390X_REG_FPC,
]
_PC, _PSWM, _R15 = regs.UC_S390X_REG_PC, regs.UC_S390X_REG_PSWM, regs.UC_S390X_REG_R15
_MODES = 0x1_8000_0000  # 64-bit addressing
CC_MASK = 0x3000_0000_0000  # PSW bits 18-19
# PSW bits a kernel may have set or not: I/O and external mask, key, machine check, program mask without fixed-point
# overflow (which would turn an addition into an interruption).
_FREE_MASK = 0x03F4_0700_0000_0000


# The object -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relocation:
    """`entry` is where the row itself lies in the file."""

    offset: int
    type: int
    symbol: str
    section: int | None
    value: int
    addend: int
    entry: int


@dataclass(frozen=True)
class Section:
    name: str
    data: bytes
    at: int  # in the file
    relocations: tuple[Relocation, ...]


@dataclass(frozen=True)
class Symbol:
    name: str
    section: int
    value: int
    size: int


@dataclass(frozen=True)
class Change:
    """What makes a mutant: bytes of a section, or another addend of the relocation at `offset`."""

    section: int
    offset: int
    data: bytes = b""
    addend: int | None = None


@dataclass(frozen=True)
class ObjectFile:
    """The executable sections of an object, its defined symbols, and the names it leaves undefined."""

    path: Path
    raw: bytes
    sections: Mapping[int, Section]
    symbols: Mapping[str, Symbol]
    undefined: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> ObjectFile:
        with path.open("rb") as file:
            elf = ELFFile(file)
            table = list(elf.get_section_by_name(".symtab").iter_symbols())
            code = {
                number: section
                for number, section in enumerate(elf.iter_sections())
                if section["sh_flags"] & 4 and section["sh_size"]
            }
            rows = {number: _relocations(elf, number, table) for number in code}
            sections = {
                number: Section(section.name, section.data(), section["sh_offset"], rows[number])
                for number, section in code.items()
            }
            symbols = {
                one.name: Symbol(one.name, one["st_shndx"], one["st_value"], one["st_size"])
                for one in table
                if one.name and one["st_shndx"] in code
            }
        undefined = {row.symbol for section in sections.values() for row in section.relocations if row.section is None}
        return cls(path, path.read_bytes(), sections, symbols, tuple(sorted(undefined)))

    def changed(self, changes: list[Change]) -> bytes:
        """The bytes of the file with these changes."""
        raw = bytearray(self.raw)
        for change in changes:
            section = self.sections[change.section]
            if change.addend is None:
                at = section.at + change.offset
                raw[at : at + len(change.data)] = change.data
            else:
                (row,) = (one for one in section.relocations if one.offset == change.offset)
                raw[row.entry + 16 : row.entry + 24] = struct.pack(">q", change.addend)
        return bytes(raw)


def _relocations(elf: ELFFile, target: int, symbols: list) -> tuple[Relocation, ...]:
    found = []
    for table in elf.iter_sections():
        if table["sh_type"] == "SHT_RELA" and table["sh_info"] == target:
            for number, row in enumerate(table.iter_relocations()):
                symbol = symbols[row["r_info_sym"]]
                place = symbol["st_shndx"]
                found.append(
                    Relocation(
                        row["r_offset"], row["r_info_type"], symbol.name, place if isinstance(place, int) else None,
                        symbol["st_value"], row["r_addend"], table["sh_offset"] + number * table["sh_entsize"],
                    )
                )  # fmt: skip
    return tuple(found)


# The machine ----------------------------------------------------------------------------------------------------------


class Crash(Exception):
    """The program was interrupted, or does not come to an end."""


Service = Callable[["Machine"], int]


@dataclass
class Machine:
    """An object in storage, with these variables and functions of other objects (and all that it refers to)."""

    object: ObjectFile
    variables: frozenset[str]
    functions: frozenset[str]
    uc: unicorn.Uc = field(init=False)
    writes: list[tuple[int, int, int]] = field(default_factory=list)
    """Address, size and r15 of every store of the last run."""
    indirect: list[int] = field(default_factory=list)
    """Addresses of the taken indirect branches of the last run that were not the target of an execute."""
    executed: set[int] = field(default_factory=set)
    """Addresses of the instructions of the last run."""

    def __post_init__(self) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_S390X, unicorn.UC_MODE_BIG_ENDIAN)
        areas = ((CODE, CODE_SIZE), (DATA, DATA_SIZE), (STACK, STACK_SIZE), (LOWCORE, LOWCORE_SIZE))
        for start, size in areas:
            self.uc.mem_map(start, size)
        self.uc.reg_write(_PSWM, _MODES)  # before anything looks at an address
        self.uc.reg_write(regs.UC_S390X_REG_CR0, 0x60000)  # floating-point and vector registers may be used
        self.uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._stored)
        self.load([])

    # Linking

    @cached_property
    def bases(self) -> dict[int, int]:
        bases, at = {}, CODE + 0x200
        for number, section in self.object.sections.items():
            bases[number] = at
            at += (len(section.data) + 0x1FF) & ~0xFF
        assert at < CODE + CODE_SIZE
        return bases

    @cached_property
    def extents(self) -> list[tuple[int, int]]:
        return [(base, base + len(self.object.sections[number].data)) for number, base in self.bases.items()]

    @cached_property
    def externals(self) -> dict[str, int]:
        """Addresses of what lies in other objects."""
        names = sorted({*self.object.undefined, *self.variables, *self.functions})
        return {
            name: (DATA + 0x100 if name in self.variables else STUBS) + index * _SLOT
            for index, name in enumerate(names)
        }

    def address(self, name: str) -> int:
        symbol = self.object.symbols.get(name)
        return self.externals[name] if symbol is None else self.bases[symbol.section] + symbol.value

    def place(self, address: int) -> tuple[int, int] | None:
        """Section and offset of an address in the code."""
        for number, base in self.bases.items():
            if base <= address < base + len(self.object.sections[number].data):
                return number, address - base
        return None

    def load(self, changes: list[Change]) -> None:
        """Put the object, with these changes, into storage and link it."""
        image = bytearray(CODE_SIZE)
        addends = {(one.section, one.offset): one.addend for one in changes if one.addend is not None}
        for number, section in self.object.sections.items():
            data = bytearray(section.data)
            for change in changes:
                if change.section == number and change.addend is None:
                    data[change.offset : change.offset + len(change.data)] = change.data
            for row in section.relocations:
                self._relocate(data, row, number, addends.get((number, row.offset), row.addend))
            image[self.bases[number] - CODE : self.bases[number] - CODE + len(data)] = data
        self._set_code(bytes(image))

    def _relocate(self, data: bytearray, row: Relocation, number: int, addend: int) -> None:
        width, relative, halfwords = _RELOCATIONS[row.type]
        symbol = self.externals[row.symbol] if row.section is None else self.bases[row.section] + row.value
        value = symbol + addend - (self.bases[number] + row.offset if relative else 0)
        assert not (halfwords and value & 1), f"relocation at {row.offset:#x} has an odd distance"
        value = value >> 1 if halfwords else value
        data[row.offset : row.offset + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "big")

    def _set_code(self, image: bytes) -> None:
        self.code = image
        self.uc.mem_write(CODE, image)
        self.uc.ctl_remove_cache(CODE, CODE + CODE_SIZE)

    def poke_code(self, address: int, data: bytes) -> None:
        """Change the code as the kernel does when it patches a site."""
        at = address - CODE
        self._set_code(self.code[:at] + data + self.code[at + len(data) :])

    # Storage

    def read(self, address: int, size: int = 8) -> int:
        return int.from_bytes(self.read_bytes(address, size), "big")

    def read_bytes(self, address: int, size: int) -> bytes:
        try:
            return bytes(self.uc.mem_read(address, size))
        except unicorn.UcError as error:
            raise Crash(f"nothing at {address:#x}") from error

    def write(self, address: int, value: int, size: int = 8) -> None:
        self.uc.mem_write(address, value.to_bytes(size, "big"))

    def fill(self, rng: random.Random, start: int, end: int) -> None:
        """Random bytes."""
        if start < end:
            self.uc.mem_write(start, rng.randbytes(end - start))

    # Registers

    def gprs(self) -> list[int]:
        return list(self.uc.reg_read_batch(GPRS))

    def set_gpr(self, number: int, value: int) -> None:
        self.uc.reg_write(GPRS[number], value)

    def set_gprs(self, values: list[int]) -> None:
        self.uc.reg_write_batch(list(zip(GPRS, values, strict=True)))

    def psw_mask(self) -> int:
        return self.uc.reg_read(_PSWM)

    def set_random_psw_mask(self, rng: random.Random, cc: int) -> int:
        mask = _MODES | rng.getrandbits(64) & _FREE_MASK | cc << 44
        self.uc.reg_write(_PSWM, mask)
        return mask

    def set_random_cc(self, rng: random.Random) -> None:
        self.uc.reg_write(_PSWM, self.psw_mask() & ~CC_MASK | rng.getrandbits(2) << 44)

    def others(self) -> tuple[int, ...]:
        """Floating-point registers, access registers and FPC."""
        return tuple(self.uc.reg_read_batch(_KEPT))

    def set_random_others(self, rng: random.Random) -> None:
        self.uc.reg_write_batch([(number, rng.getrandbits(32)) for number in _KEPT[:-1]])

    # Running

    def run(self, entry: int, services: Mapping[int, Service], rng: random.Random) -> int:
        """Execute from `entry` until control leaves for an address that is no service; the address. Raises Crash.

        A service is a function of another object: it changes the machine and says where to go on. What lies below
        r15 is overwritten whenever r15 grows, as an interrupt might do.
        """
        self.writes.clear()
        self.indirect.clear()
        self.executed.clear()
        pc, r15 = entry, self.uc.reg_read(_R15)
        for _ in range(_MOST_STEPS):
            service = services.get(pc)
            if service is not None:
                pc = service(self)
            elif any(start <= pc < end for start, end in self.extents):
                pc = self._step(pc)
            else:
                return pc
            before, r15 = r15, self.uc.reg_read(_R15)
            if before < r15 <= STACK + STACK_SIZE:
                self.fill(rng, max(STACK, before - 1024), r15)
        raise Crash("it does not come to an end")

    def _step(self, pc: int) -> int:
        if pc & 1:
            raise Crash(f"odd instruction address {pc:#x}")
        at = pc - CODE
        head = self.code[at : at + 6]
        self.executed.add(pc)
        if head[0] == _STOSM:
            return self._store_then_or(pc, head)
        target = self._executed(pc, head)
        execute = target is not None
        if target is not None:
            self.executed.add(target)
        problem = None
        # EPSW reads the condition code from where only a write of the PSW mask puts it.
        self.uc.reg_write(_PSWM, self.uc.reg_read(_PSWM))
        try:
            self.uc.emu_start(pc, _NOWHERE, count=2 if execute else 1)
        except unicorn.UcError as error:
            problem = error
        after = self.uc.reg_read(_PC)
        if problem is not None and (after == pc or self.place(after) is not None):
            raise Crash(f"interruption at {pc:#x}: {problem}")
        length = (2, 4, 4, 6)[head[0] >> 6]
        if after != pc + length and not execute and _is_indirect(head):
            self.indirect.append(pc)
        return after

    def _store_then_or(self, pc: int, head: bytes) -> int:
        """STOSM (POP chapter 10, "Store Then OR System Mask"), which the emulator ends with an exception."""
        base = self.gprs()[head[2] >> 4] if head[2] >> 4 else 0
        address = base + ((head[2] & 0xF) << 8 | head[3]) & _NOWHERE
        mask = self.psw_mask()
        if mask | head[1] << 56 != mask:
            raise Crash(f"the system mask is changed at {pc:#x}")
        try:
            self.write(address, mask >> 56, 1)
        except unicorn.UcError as error:
            raise Crash(f"nothing at {address:#x}") from error
        self.writes.append((address, 1, self.uc.reg_read(_R15)))
        return pc + 4

    def _executed(self, pc: int, head: bytes) -> int | None:
        """The address that EXRL or EX executes; None for any other instruction."""
        if head[0] == 0xC6 and not head[1] & 0x0F:
            return (pc + 2 * int.from_bytes(head[2:6], "big", signed=True)) & _NOWHERE
        if head[0] == 0x44:
            gprs = [0, *self.gprs()[1:]]  # register 0 as base or index is none
            return (gprs[head[1] & 0xF] + gprs[head[2] >> 4] + ((head[2] & 0xF) << 8 | head[3])) & _NOWHERE
        return None

    def _stored(self, uc: unicorn.Uc, _kind: int, address: int, size: int, _value: int, _data: object) -> None:
        self.writes.append((address, size, uc.reg_read(_R15)))


def _is_indirect(head: bytes) -> bool:
    """Whether an instruction takes its branch target from a register (or storage)."""
    if head[0] in {0x07, 0x0D}:  # bcr, basr: R2 of 0 is no branch
        return bool(head[1] & 0x0F)
    return head[0] in {0x05, 0x06, 0x0B, 0x0C, 0x45, 0x46, 0x47, 0x4D} or (head[0] == 0xE3 and head[5] == 0x47)
