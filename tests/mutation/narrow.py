"""A 31-bit trampoline on unicorn, judged by its protocol: no part of `verify` is used here.

The object is linked by hand, control and storage are watched from outside, and callees are as hostile as the ABI lets
them be: they leave anything in r0-r5, r14, their save area, below r15 and in bits 0-31 of every register.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import s390x_const as regs

CODE, FUNCTIONS, VARIABLES, STACK = 0x1000_0000, 0x2000_0000, 0x3000_0000, 0x6000_0000
HANDLER, GRAPH, PARENT, TRACED, ELSEWHERE = 0x2100_0000, 0x2000_0040, 0x2300_0000, 0x2400_0020, 0x2500_0000
SIZE, MODE, WORD = 0x2000, 0x8000_0000, 0xFFFF_FFFF
DEEPEST = 0x1_0000  # how far the stack may grow
FRAME, CHAIN, RETURN_SLOT = 96, 92, 4
_GPRS = [getattr(regs, f"UC_S390X_REG_R{n}") for n in range(16)]
_KEPT = [getattr(regs, f"UC_S390X_REG_{kind}{n}") for kind in "FA" for n in range(16)] + [regs.UC_S390X_REG_FPC]
_PC, _PSWM = regs.UC_S390X_REG_PC, regs.UC_S390X_REG_PSWM
_STATUS = 0x3000 << 32  # the condition code
_MOST_STEPS = 100


@dataclass(frozen=True)
class Protocol:
    """What one routine promises: how far its ip lies before r14, what it gets and leaves."""

    ip: int = 22
    regs: bool = False
    returns: bool = False  # return_to_handler
    stops: bool = True
    stub: bool = False


class Wrong(Exception):
    """The routine broke its protocol."""


class Linked:
    """The code of an object with the addresses of its symbols filled in."""

    def __init__(self, raw: bytes, path: Path) -> None:
        with path.open("rb") as file:
            elf = ELFFile(file)
            text, rows = elf.get_section_by_name(".text"), elf.get_section_by_name(".rela.text")
            symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
            self.at = text["sh_offset"]
            self.code = bytearray(raw[self.at : self.at + text["sh_size"]])
            self.entries = {s.name: (s["st_value"], s["st_size"]) for s in symbols if s["st_shndx"] != "SHN_UNDEF"}
            self.variables: dict[str, int] = {}
            for row in rows.iter_relocations() if rows else ():
                symbol = symbols[row["r_info_sym"]]
                assert row["r_info_type"] == 4, "only R_390_32"
                value = self._address(symbol.name) + row["r_addend"]
                self.code[row["r_offset"] : row["r_offset"] + 4] = struct.pack(">I", value)

    def _address(self, name: str) -> int:
        if name == "ftrace_return_to_handler":
            return HANDLER
        return self.variables.setdefault(name, VARIABLES + 0x100 * len(self.variables))


class Run:
    """One run of one routine from one start, to its exit. Raises Wrong."""

    def __init__(self, linked: Linked, symbol: str, protocol: Protocol, seed: int, graph: bool) -> None:
        self.linked, self.symbol, self.protocol, self.graph = linked, symbol, protocol, graph
        self.rng = random.Random(f"{symbol} {seed}")
        self.uc = unicorn.Uc(unicorn.UC_ARCH_S390X, unicorn.UC_MODE_BIG_ENDIAN)
        self.uc.reg_write(_PSWM, MODE | self.rng.getrandbits(2) << 44)
        self.uc.reg_write(regs.UC_S390X_REG_CR0, 0x6_0000)
        for base in (CODE, VARIABLES, STACK):
            self.uc.mem_map(base, SIZE)
        self.uc.mem_map(STACK - DEEPEST, DEEPEST)
        code = bytearray(linked.code)
        if graph and "ftrace_graph_caller" in linked.entries:
            at = linked.entries["ftrace_graph_caller"][0]
            code[at + 2 : at + 4] = struct.pack(">h", (CODE + 0x1000 - CODE - at) // 2)  # prepare_ftrace_return
        self.graph_at = CODE + 0x1000
        self.uc.mem_write(CODE, bytes(code))
        self.r15 = STACK + 0x200 + 8 * self.rng.randrange(16)
        self.uc.mem_write(STACK - 0x1000, self.rng.randbytes(0x1000 + SIZE))
        self.uc.mem_write(VARIABLES, self.rng.randbytes(SIZE))
        self.stop = protocol.stops and seed % 4 == 0
        for name, value in (("function_trace_stop", int(self.stop)), ("ftrace_trace_function", HANDLER)):
            if name in linked.variables:
                self.put(linked.variables[name], value)
        self.start = {n: self.rng.getrandbits(64) for n in range(16)}
        self.start |= {14: self._with_mode(TRACED + 26), 15: self.rng.getrandbits(32) << 32 | self.r15}
        for number, value in self.start.items():
            self.uc.reg_write(_GPRS[number], value)
        for register in _KEPT[:-1]:
            self.uc.reg_write(register, self.rng.getrandbits(32))
        self.parent = MODE | PARENT
        if not protocol.returns:
            self.put(self.r15 + RETURN_SLOT, self.parent)
        self.kept = [self.uc.reg_read(register) for register in _KEPT]
        self.mask = self.uc.reg_read(_PSWM)
        self.above = self.bytes_(self.r15, 0x180)
        self.variables = self.bytes_(VARIABLES, SIZE)
        self.calls: list[str] = []
        self.fields: dict[int, int] = {}
        self.result = 0

    def _with_mode(self, address: int) -> int:
        return self.rng.getrandbits(32) << 32 | MODE | address

    # Storage and registers

    def put(self, address: int, value: int) -> None:
        self.uc.mem_write(address, struct.pack(">I", value & WORD))

    def get(self, address: int) -> int:
        return int(struct.unpack(">I", self.uc.mem_read(address, 4))[0])

    def bytes_(self, address: int, size: int) -> bytes:
        return bytes(self.uc.mem_read(address, size))

    def reg(self, number: int) -> int:
        """Bits 32-63."""
        return int(self.uc.reg_read(_GPRS[number])) & WORD

    def set(self, number: int, value: int) -> None:
        self.uc.reg_write(_GPRS[number], self.rng.getrandbits(32) << 32 | value & WORD)

    def need(self, holds: bool, what: str) -> None:
        if not holds:
            raise Wrong(what)

    # Running

    def run(self) -> None:
        """From the entry to the exit. Raises Wrong."""
        pc = CODE + self.linked.entries[self.symbol][0]
        for _ in range(_MOST_STEPS):
            if pc == HANDLER:
                pc = self._handler()
            elif pc == self.graph_at:
                pc = self._graph()
            elif not CODE <= pc < CODE + len(self.linked.code):
                self._exit(pc)
                return
            else:
                pc = self._step(pc)
        raise Wrong("does not end")

    def _step(self, pc: int) -> int:
        r15 = self.reg(15) % MODE
        if STACK - DEEPEST + 0x80 <= r15 <= STACK + 0x800:
            self.uc.mem_write(r15 - 0x80, self.rng.randbytes(0x80))  # an interrupt
        try:
            self.uc.emu_start(pc, (1 << 64) - 1, count=1)
        except unicorn.UcError as problem:
            after = int(self.uc.reg_read(_PC)) % MODE
            if after == pc:
                raise Wrong(f"interrupted: {problem}") from problem
        return int(self.uc.reg_read(_PC)) % MODE

    def _called(self, name: str) -> int:
        """What every callee may rely on; returns where it goes back to."""
        self.need(name not in self.calls, f"{name} is called twice")
        self.calls.append(name)
        back, r15 = self.reg(14) % MODE, self.reg(15) % MODE
        self.need(CODE <= back < CODE + len(self.linked.code), "call-abi: no way back")
        self.need(r15 % 8 == 0 and r15 + FRAME <= self.r15 and r15 > STACK - DEEPEST, "call-abi")
        self.need(self.get(r15 + CHAIN) % MODE == self.r15, "backchain")
        return back

    def _clobber(self) -> None:
        r15 = self.reg(15) % MODE
        for number in (0, 1, 2, 3, 4, 5, 14):
            self.set(number, self.rng.getrandbits(32))
        for number in (*range(6, 14), 15):
            self.set(number, self.reg(number))
        self.uc.mem_write(r15, self.rng.randbytes(CHAIN))
        self.uc.reg_write(_PSWM, self.mask & ~_STATUS | self.rng.getrandbits(2) << 44)

    def _handler(self) -> int:
        back = self._called("handler")
        self.need(not self.stop, "called although tracing is stopped")
        if self.protocol.returns:
            self._clobber()
            self.result = MODE | ELSEWHERE + 2 * self.rng.randrange(64)
            self.set(2, self.result)
            return back
        self.need(self.reg(2) == (TRACED + 26 - self.protocol.ip), "handler-arguments: ip")
        self.need(self.reg(3) == PARENT, "handler-arguments: parent")
        if self.protocol.regs:
            self._regs()
        else:
            self._clobber()
        return back

    def _regs(self) -> None:
        """struct pt_regs of 96 bytes: psw at 8, gprs at 16."""
        base, op = self.reg(5), self.linked.variables["function_trace_op"]
        self.need(self.reg(4) == self.get(op), "handler-arguments: op")
        self.need(self.reg(15) % MODE + FRAME <= base and base + 96 <= self.r15, "regs: no room")
        self.need(self.get(base + 8) == self.mask >> 32, "regs-complete: psw.mask")
        wanted = {12: self.start[14], 16 + 56: self.parent, 16 + 60: self.r15}
        wanted |= {16 + 4 * n: self.start[n] for n in range(2, 14)}
        for at, value in wanted.items():
            self.need(self.get(base + at) == value & WORD, f"regs-complete: {at}")
        self._clobber()
        self.fields = {16 + 4 * n: self.rng.getrandbits(32) for n in range(2, 15)}
        self.fields[12] = MODE | ELSEWHERE + 2 * self.rng.randrange(64) if self.rng.random() < 0.7 else self.start[14]
        for at, value in self.fields.items():
            self.put(base + at, value)
        self.parent = self.fields[16 + 56]

    def _graph(self) -> int:
        back = self._called("graph")
        self.need(self.reg(2) == self.parent & WORD, "handler-arguments: parent of graph")
        ip = (self.start[14] & WORD, self.fields.get(12, -1) & WORD)
        self.need(self.reg(3) in ip, "handler-arguments: ip of graph")
        self._clobber()
        self.parent = MODE | ELSEWHERE + 2 * self.rng.randrange(64)
        self.set(2, self.parent)
        return back

    # The exit

    def _exit(self, pc: int) -> None:
        called = [] if self.protocol.stub or self.stop else ["handler", *(["graph"] if self.graph else [])]
        self.need(self.calls == called, f"calls {self.calls}")
        self.need(self.reg(15) == self.r15, "stack-balanced")
        wanted = {n: self.start[n] & WORD for n in range(2, 14)}
        if self.fields:
            wanted = {n: self.fields[16 + 4 * n] & WORD for n in range(2, 14)}
        if self.protocol.returns:
            wanted[14] = self.result
        for number, value in wanted.items():
            self.need(self.reg(number) == value, f"r{number}")
        self._control(pc)
        self._storage()
        self.need([self.uc.reg_read(one) for one in _KEPT] == self.kept, "vector-preserved or access registers")
        self.need((self.uc.reg_read(_PSWM) ^ self.mask) & ~_STATUS == 0, "mode-preserved")

    def _control(self, pc: int) -> None:
        target = self.result if self.protocol.returns else self.fields.get(12, self.start[14])
        self.need(pc == target % MODE, f"psw-redirect: {pc:#x}")
        if not self.protocol.returns:
            fine = {self.start[14] & WORD, self.parent & WORD}
            if self.fields and self.fields[12] != self.start[14]:
                fine = {self.parent & WORD}
            if self.stop or self.protocol.stub:
                fine = {self.start[14] & WORD}
            self.need(self.reg(14) in fine or bool(self.fields and self.fields[12] == self.start[14]), "r14")

    def _storage(self) -> None:
        now = self.bytes_(self.r15, 0x180)
        self.need(now[CHAIN:] == self.above[CHAIN:], "stack-confined")
        if not self.protocol.returns:
            self.need(self.get(self.r15 + RETURN_SLOT) == self.parent & WORD, "regs-honoured: the parent's address")
        self.need(self.bytes_(VARIABLES, SIZE) == self.variables, "memory-frame")


def judge(linked: Linked, symbol: str, protocol: Protocol, runs: int) -> str | None:
    """What is wrong in one of so many runs; None where nothing is."""
    for seed in range(runs):
        for graph in (False, True) if "ftrace_graph_caller" in linked.entries and not protocol.stub else (False,):
            try:
                Run(linked, symbol, protocol, seed, graph).run()
            except Wrong as problem:
                return f"{problem} (seed {seed}, graph {graph})"
    return None


def mutants(linked: Linked, symbol: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The object with one instruction gone, or one nibble of an operand changed."""
    start, size = linked.entries[symbol]
    at = start
    while at < start + size:
        data = linked.code[at : start + size]
        length = 2 if data[0] < 0x40 else 6 if data[0] >= 0xC0 else 4
        if data[:4] != bytes(4) and not (data[0] == 0x30 and length == 2):
            nothing = {2: "0700", 4: "47000000", 6: "c00400000000"}[length]
            yield f"{at:#x} deleted", _with(raw, linked.at + at, bytes.fromhex(nothing))
            for nibble in range(2, 2 * length):
                changed = bytearray(data[:length])
                byte, shift = divmod(nibble, 2)
                part = changed[byte] >> 4 if shift == 0 else changed[byte] & 15
                new = part + 1 & 15
                changed[byte] = new << 4 | changed[byte] & 15 if shift == 0 else changed[byte] & 0xF0 | new
                yield f"{at:#x} nibble {nibble}", _with(raw, linked.at + at, bytes(changed))
        at += length


def _with(raw: bytes, at: int, data: bytes) -> bytes:
    return raw[:at] + data + raw[at + len(data) :]
