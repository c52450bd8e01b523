"""A second concrete processor: QEMU in user mode, one process for a whole campaign.

`qemu/driver.s` is a static program of our own that QEMU runs; it takes start states in groups from a pipe, executes one
instruction from each, and writes down what it finds. See there for how control is caught. User mode is problem state:
privileged instructions are refused, and the system mask is that of any user program (`SYSTEM_MASK`), whatever a start
state says.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.semantics.unicorn_machine import CODE, DATA, LOW, MODE_64, SIZES, STACK, Cpu, Interruption, Memory
from verify.semantics.decode import Instruction

NAME = "qemu-s390x"
SOURCE = Path(__file__).with_name("qemu") / "driver.s"
GNU_AS, GNU_LD = "s390x-linux-gnu-as", "s390x-linux-gnu-ld"
INSTALL = {
    NAME: "qemu-s390x (Debian package qemu-user)",
    GNU_AS: "s390x-linux-gnu-as and -ld (Debian package binutils-s390x-linux-gnu) or the PyPI package ziglang==0.13.0",
}
# Guest address 0 is storage like any other only if the guest does not begin at address 0 of the host.
COMMAND = (NAME, "-B", "0x100000000000")
SYSTEM_MASK = MODE_64  # as EXTRACT PSW gives it there
TIMEOUT = 15.0
GIVE_UP = 4  # deaths on one instruction

# The structures of driver.s, which has the same offsets.
REGIONS = (LOW, DATA, STACK)
CODE_BYTES, MOST, MOST_CHANGES = 0x200, 256, 48
_HEAD = struct.Struct(f">Q{CODE_BYTES}s" + "".join(f"{SIZES[base]}s" for base in REGIONS))
_CASE = struct.Struct(">16Q64Q16III")
_RESULT = struct.Struct(f">16Q64Q16IIIQQII Q{2 * MOST_CHANGES}Q".replace(" ", ""))
_CC, _PROGRAM_MASK = 28, 24

# User mode is not asked: it refuses the first because they are privileged, and passes the others on to the host.
PRIVILEGED = frozenset(
    "LCTL LCTLG LPP LPSW LPSWE LPSWEY SCKC SPT SPX SSM STAP STCKC STCTG STCTL STFL STIDP STNSM STOSM STPT STPX".split()
)
SYSTEM_CALLS = frozenset({"SVC"})
READ_SYSTEM_MASK = frozenset({"EPSW"})


class Aborted(Interruption):
    """The emulator itself died, or did not come back, on an instruction."""


def available() -> str | None:
    """What is missing, by name; None if nothing is."""
    if shutil.which(NAME) is None:
        return f"{INSTALL[NAME]} is not installed"
    if not (shutil.which(GNU_AS) and shutil.which(GNU_LD)) and importlib.util.find_spec("ziglang") is None:
        return f"no assembler for the driver: install {INSTALL[GNU_AS]}"
    return None


@cache
def version() -> str:
    done = subprocess.run([NAME, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].removeprefix("qemu-s390x version ")


@cache
def driver() -> Path:
    """The driver, assembled and linked once a process into a directory that goes with it."""
    place = Path(tempfile.mkdtemp(prefix="cosimulation-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return build(place)


def build(place: Path, gnu: bool | None = None) -> Path:
    """Assemble and link with GNU binutils if they are there, else with the PyPI package ziglang."""
    if gnu is None:
        gnu = bool(shutil.which(GNU_AS) and shutil.which(GNU_LD))
    zig = (sys.executable, "-m", "ziglang")
    assemble = (GNU_AS, "-m64") if gnu else (*zig, "clang", "--target=s390x-linux-gnu", "-c")
    link = (GNU_LD,) if gnu else (*zig, "ld.lld", "-m", "elf64_s390")
    placed = ["-static", f"--defsym=code={CODE:#x}", "-Ttext=0x440000000", "-Tdata=0x440100000"]
    _tool([*assemble, "-march=z13", "-o", str(place / "driver.o"), str(SOURCE)])
    _tool([*link, *placed, "-o", str(place / "driver"), str(place / "driver.o")])
    return place / "driver"


def _tool(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} does not work:\n{done.stderr}")


def comparable(insn: Instruction, before: Cpu, pc: int) -> bool:
    """Whether the driver can run this and stop where control goes: not at the instruction again, nor in its middle."""
    if insn.mnemonic in PRIVILEGED | SYSTEM_CALLS:
        return False
    settled = insn.mnemonic not in READ_SYSTEM_MASK or before.system_mask == SYSTEM_MASK
    return settled and not CODE <= pc < CODE + insn.length


class QemuMachine:
    """One process, used again and again; a new one only after it died."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self.processes = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._received = bytearray()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def run(self, cpu: Cpu, code: Mapping[int, bytes], memory: Memory) -> tuple[Cpu, Memory]:
        """Execute one instruction. Raises Interruption."""
        (answer,) = self.run_all([cpu], code, memory)
        if isinstance(answer, Interruption):
            raise answer
        return answer

    def run_all(
        self, cpus: Sequence[Cpu], code: Mapping[int, bytes], memory: Memory
    ) -> Iterator[tuple[Cpu, Memory] | Interruption]:
        """Execute the instruction at CODE from each start state, all with the same storage."""
        done = deaths = 0
        while done < len(cpus) and deaths < GIVE_UP:
            batch = cpus[done : done + MOST]
            self._send(_request(batch, code, memory))
            for cpu in batch:
                raw = self._receive()
                done += 1
                if isinstance(raw, Aborted):  # a new process goes on with the next state
                    deaths += 1
                    yield raw
                    break
                yield _answer(cpu, code, memory, raw)
        for _ in cpus[done:]:
            yield Aborted(f"not asked again after {deaths} deaths on this instruction")

    def _send(self, request: bytes) -> None:
        """The driver reads a whole group before it writes, so that neither side waits for the other."""
        if self._process is not None and self._process.poll() is not None:  # ended from outside, between two groups
            self.close()
        if self._process is None:
            self.processes += 1
            self._received.clear()
            program = driver()
            self._process = subprocess.Popen(
                [*COMMAND, str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=program.parent,  # where QEMU leaves a core if it dies
            )
        assert self._process.stdin is not None
        self._process.stdin.write(request)
        self._process.stdin.flush()

    def _receive(self) -> bytes | Aborted:
        """The next result, or how the process ended instead."""
        process, received = self._process, self._received
        assert process is not None
        assert process.stdout is not None
        while len(received) < _RESULT.size:
            ready, _, _ = select.select([process.stdout], [], [], self.timeout)
            if not ready:
                self.close()
                return Aborted(f"no answer in {self.timeout:g} s")
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                code = process.wait()
                self.close()
                return Aborted(f"the emulator ends with {_status(code)}")
            received += part
        raw = bytes(received[: _RESULT.size])
        del received[: _RESULT.size]
        return raw


def _status(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _request(cpus: Sequence[Cpu], code: Mapping[int, bytes], memory: Memory) -> bytes:
    window = bytearray(CODE_BYTES)
    for address, raw in code.items():
        window[address - CODE : address - CODE + len(raw)] = raw
    storage = [memory.get(base, b"") for base in REGIONS]
    parts = [_HEAD.pack(len(cpus), bytes(window), *storage)]
    for cpu in cpus:
        assert cpu.pc == CODE, "the driver starts every case at CODE"
        status = cpu.cc << _CC | cpu.program_mask << _PROGRAM_MASK
        parts.append(_CASE.pack(*cpu.gpr, *cpu.vector, *cpu.access, cpu.fpc, status))
    return b"".join(parts)


def _answer(before: Cpu, code: Mapping[int, bytes], memory: Memory, raw: bytes) -> tuple[Cpu, Memory] | Interruption:
    found = _RESULT.unpack(raw)
    fpc, status, _, address, number, reason, count = found[96:103]
    # An operation exception leaves the PSW behind the instruction (POP, "Program Interruptions"), where control
    # landed that is the halfword of zeros; an access exception on fetching leaves it at the instruction.
    landed = address - 2 if number == signal.SIGILL else address
    if number not in {signal.SIGILL, signal.SIGSEGV} or CODE <= landed < CODE + len(code[CODE]):
        return Interruption(f"{signal.Signals(number).name} with si_code {reason} at {address:#x}")
    after = replace(
        before, gpr=found[:16], vector=found[16:80], access=found[80:96], fpc=fpc,
        cc=status >> _CC & 3, program_mask=status >> _PROGRAM_MASK & 15, pc=landed,
    )  # fmt: skip
    return after, _changed(memory, count, found[103:])


def _changed(memory: Memory, count: int, changes: Sequence[int]) -> Memory:
    if count > MOST_CHANGES:
        raise RuntimeError(f"one instruction changed {count} doublewords of storage; driver.s reports {MOST_CHANGES}")
    stored: dict[int, bytearray] = {}
    for address, value in zip(changes[: 2 * count : 2], changes[1 : 2 * count : 2], strict=True):
        base = next(base for base in REGIONS if base <= address < base + SIZES[base])
        content = stored.setdefault(base, bytearray(memory[base]))
        content[address - base : address - base + 8] = value.to_bytes(8, "big")
    return {base: bytes(stored.get(base, content)) for base, content in memory.items()}
