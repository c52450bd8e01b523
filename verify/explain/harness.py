"""A recorded replay as a static s390x executable, to be run and stepped in user mode.

`_start` sets up storage and all registers and jumps to the routine. At the address of each callee there is a branch to
a stub that does what the callee of the replay did, and branches back; a callee that is called again finds its next
stub there, since each stub puts it there. Where the replay ends, an illegal instruction or nothing at all ends the run:
a signal handler looks where that was. With an argument the harness writes what it found to standard output.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from verify.explain.assembly import Assembly, OutOfReach, relative
from verify.explain.elfwriter import PAGE, Segment, Symbol, executable
from verify.explain.emulator import MODE_64
from verify.explain.placed import Unplaced
from verify.explain.recorded import Callee, Recorded
from verify.objfile.image import Place

LOWEST = 0x10000
"""Below this address Linux gives a user program no storage, unless QEMU moves its address 0 (option -B)."""
USER_SPACE = 1 << 42
_GAP = 0x2000_0000  # segments farther apart are mapped by _start: QEMU would walk through all pages between
_PRIVILEGED = frozenset(
    "LCTL LCTLG LPP LPSW LPSWE LPSWEY MVCK MVCP MVCS PTLB SCKC SPKA SPT SPX SSM STAP STCKC STCTG STCTL STFL STIDP "
    "STNSM STOSM STPT STPX STURA STURG LRA LRAY LRAG".split()
)
# Linux: system calls; signals SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV; flags SA_SIGINFO, SA_NODEFER, SA_ONSTACK.
_EXIT, _WRITE, _MMAP, _SIGACTION, _SIGALTSTACK = 1, 4, 90, 174, 186
_SIGNALS, _FLAGS = (4, 5, 7, 8, 11), 0x4800_0004
_SIGNAL_STACK = 0x4000
_UC_PSW, _UC_GPR = 40, 56  # in the kernel's struct ucontext
NOT_MAPPED = 81
"""Exit code where the kernel gives no storage at an address that the replay has."""
REPORT = struct.Struct(">16Q16Q16IIIIQQ")
"""General, floating-point and access registers, FPC, IPM's word, signal, PSW mask and address."""
_STATUS_AT, _SIGNAL_AT = 324, 328
_ALWAYS, _EQUAL, _NOT_EQUAL = 15, 8, 7


@dataclass(frozen=True)
class Harness:
    """The file, and what a run of it must come to: registers by name as the emulator calls them, and an address."""

    file: bytes
    registers: Mapping[str, int]
    end: int
    low: bool
    """Whether it needs storage below LOWEST."""


def build(replay: Recorded) -> Harness:
    """The harness of a replay without differences. Raises Unplaced where user mode cannot have it."""
    _check(replay)
    replay.settle()
    try:
        return _Builder(replay).harness()
    except OutOfReach as problem:
        raise Unplaced(f"a callee is too far from the routine: {problem}") from problem


def _all(replay: Recorded) -> tuple[Place, ...]:
    return (*replay.path.places, *replay.path.out_of_line)


def _check(replay: Recorded) -> None:
    for place in _all(replay):
        mnemonic = replay.path.code.fetch(place).mnemonic
        where = replay.placed.image.label(place)
        if mnemonic in _PRIVILEGED:
            raise Unplaced(f"user mode has no {mnemonic.lower()}, which the path executes at {where}")
        if mnemonic == "EPSW" and replay.registers["system mask"] != MODE_64:
            raise Unplaced(f"in user mode epsw at {where} gives another system mask")
    for page in replay.recorder.pages():
        if page >= USER_SPACE:
            raise Unplaced(f"the path uses storage at {page:#x}, where a user program has none")


class _Builder:
    def __init__(self, replay: Recorded) -> None:
        self.replay = replay
        self.pages = {page: bytearray(content) for page, content in replay.storage.items()}
        self.entry = replay.placed.address(replay.path.places[0])
        self.code = {replay.placed.address(place) & -PAGE for place in _all(replay)}
        self.vectors = any(replay.path.code.fetch(place).mnemonic.startswith("V") for place in _all(replay))

    def harness(self) -> Harness:
        end = self.replay.end()
        self._make_room(end)
        groups = list(_groups(self.pages))
        near = next(group for group in groups if self.entry & -PAGE in group)
        far = [group for group in groups if group is not near]
        out = Assembly(near[-1] + 0x10 * PAGE)
        for at, first in self._callees(out).items():
            self._put(at, relative(at, "BRCL", first, M1=_ALWAYS))
        self._start(out, [segment for group in far for segment in self._segments(group)])
        self._handler(out, end + 2 if end & -PAGE in self.code else end)
        raw = out.finish()
        segments = [*self._segments(near), Segment(out.base, raw, True)]
        own = [Symbol(f"verify_{name}".replace(".", "_"), at) for name, at in out.code_labels() if name != "_start"]
        symbols = [*self._symbols(end), Symbol("_start", out.labels["_start"]), *own]
        file = executable(out.labels["_start"], segments, symbols)
        low = any(page < LOWEST for page in self.pages)
        return Harness(file, self.replay.recorder.registers(), end, low)

    def _make_room(self, end: int) -> None:
        """Pages for callees, thunks and the end, which is a page of zeros where it can: they are no instruction."""
        self.code |= {at & -PAGE for at in (*(one.at for one in self.replay.callees), *self.replay.thunks)}
        if end >= LOWEST and self._near(end) and end & -PAGE not in self.pages:
            self.code.add(end & -PAGE)
        for page in self.code:
            if page < LOWEST:
                raise Unplaced(f"control goes to {page:#x}, where a user program has no code")
            self.pages.setdefault(page, bytearray(PAGE))
        for at, number in self.replay.thunks.items():
            self._put(at, bytes((0x07, 0xF0 | number)))  # br
        self._expect_nothing(end)

    def _near(self, address: int) -> bool:
        return abs(address - self.entry) < _GAP

    def _expect_nothing(self, end: int) -> None:
        page = self.pages.get(end & -PAGE)
        if end & 1:
            raise Unplaced(f"control leaves to the odd address {end:#x}")
        if page is not None and end & -PAGE in self.code and any(page[end % PAGE : end % PAGE + 2]):
            raise Unplaced(f"control leaves to {self.replay.named(end)}, where the path has code")

    def _put(self, at: int, raw: bytes) -> None:
        for number, byte in enumerate(raw, at):
            page = self.pages[number & -PAGE]
            if page[number % PAGE]:
                raise Unplaced(f"there is no room for a callee at {self.replay.named(at)}")
            page[number % PAGE] = byte

    def _segments(self, pages: Iterable[int]) -> Iterator[Segment]:
        """Neighbouring pages of one kind are one segment."""
        first, data, kind = 0, bytearray(), False
        for page in pages:
            if not data or page != first + len(data) or (page in self.code) != kind:
                if data:
                    yield Segment(first, bytes(data), kind)
                first, data, kind = page, bytearray(), page in self.code
            data += self.pages[page]
        if data:
            yield Segment(first, bytes(data), kind)

    def _symbols(self, end: int) -> Iterator[Symbol]:
        placed = self.replay.placed
        known = {end: Symbol("verify_end", end)}
        for routine in placed.image.routines():
            if routine.place is not None and (at := placed.address(routine.place)) & -PAGE in self.pages:
                known[at] = Symbol(routine.name, at)
        known |= {one.at: Symbol(one.name, one.at) for one in self.replay.callees}
        known |= {at: Symbol(name, at, at & -PAGE in self.code) for at, name in placed.names.items()}
        return iter(known.values())

    # Code

    def _start(self, out: Assembly, far: Iterable[Segment]) -> None:
        out.label("_start")
        out.insn("LG", R1=0, B2=15)  # the number of arguments, with the program's name
        out.insn("STGRL", out.data(bytes(8), "arguments"), R1=0)
        for segment in far:
            _map(out, segment)
        _catch(out)
        self._load(out, self.replay.registers)
        out.insn("BRCL", self.entry, M1=_ALWAYS)
        out.label("failed")
        out.insn("LGHI", R1=2, I2=NOT_MAPPED)
        _system_call(out, _EXIT)

    def _load(self, out: Assembly, registers: Mapping[str, int]) -> None:
        """Load some registers; r1 is among them, or is left as it is used here. Uses no storage of the replay."""
        for number in range(32 if self.vectors else 16):
            for half, name in enumerate((f"v{number}.left", f"v{number}.right")):
                if name not in registers or (half and not self.vectors):
                    continue
                out.insn("LARL", out.number(registers[name]), R1=1)
                if self.vectors:
                    out.insn("VLEG", V1=number, B2=1, M3=half)
                else:
                    out.insn("LD", R1=number, B2=1)
        for number in range(16):
            if f"a{number}" in registers:
                out.insn("LARL", out.data(registers[f"a{number}"].to_bytes(4, "big")), R1=1)
                out.insn("LAM", R1=number, R3=number, B2=1)
        if "fpc" in registers:
            out.insn("LARL", out.data(registers["fpc"].to_bytes(4, "big")), R1=1)
            out.insn("LFPC", B2=1)
        if "cc" in registers:
            mask = registers.get("program mask", self.replay.registers["program mask"])
            out.insn("LGRL", out.number(registers["cc"] << 28 | mask << 24), R1=1)
            out.insn("SPM", R1=1)
        for number in range(16):
            if f"r{number}" in registers:
                out.insn("LGRL", out.number(registers[f"r{number}"]), R1=number)

    def _callees(self, out: Assembly) -> dict[int, int]:
        """The stubs; the address of the first for each address that is called."""
        following: dict[int, int] = {}
        for callee in reversed(self.replay.callees):
            then = following.get(callee.at)
            code = bytes(2) if then is None else relative(callee.at, "BRCL", then, M1=_ALWAYS)
            following[callee.at] = self._callee(out, callee, code)
        return following

    def _callee(self, out: Assembly, callee: Callee, then: bytes) -> int:
        """What a callee did, and the code for its next call put where it is called."""
        label = f"{callee.name}.{callee.event}"
        out.label(label)
        for number in (1, 2):
            out.insn("STGRL", out.data(bytes(8), f"{label}.r{number}"), R1=number)
        stores = callee.stores | dict(enumerate(then, callee.at))
        for at, content in _runs(stores):
            out.insn("LGRL", out.number(at), R1=2)
            out.insn("LARL", out.data(content), R1=1)
            out.insn("MVC", L=len(content) - 1, B1=2, B2=1)
        self._load(out, callee.registers)
        for number in (1, 2):
            if f"r{number}" not in callee.registers:
                out.insn("LGRL", f"{label}.r{number}", R1=number)
        out.insn("BRCL", callee.back, M1=_ALWAYS)
        return out.labels[label]

    def _handler(self, out: Assembly, end: int) -> None:
        """r2 is the signal, r4 the ucontext; all but the general registers are still the interrupted program's."""
        out.label("handler")
        out.insn("IPM", R1=0)
        out.insn("LARL", out.data(bytes(REPORT.size), "report"), R1=1)
        out.insn("ST", R1=0, B2=1, D2=_STATUS_AT)
        out.insn("STFPC", B2=1, D2=_STATUS_AT - 4)
        out.insn("ST", R1=2, B2=1, D2=_SIGNAL_AT)
        out.insn("STAM", R1=0, R3=15, B2=1, D2=256)
        for number in range(16):
            out.insn("STD", R1=number, B2=1, D2=128 + 8 * number)
        out.insn("MVC", L=127, B1=1, B2=4, D2=_UC_GPR)
        out.insn("MVC", L=15, B1=1, D1=_SIGNAL_AT + 4, B2=4, D2=_UC_PSW)
        out.insn("LG", R1=7, B2=4, D2=_UC_PSW + 8)
        out.insn("LGRL", "arguments", R1=6)
        out.insn("CGHI", R1=6, I2=1)
        out.insn("BRCL", "quiet", M1=_EQUAL)
        out.insn("LGHI", R1=2, I2=1)
        out.insn("LGR", R1=3, R2=1)
        out.insn("LGHI", R1=4, I2=REPORT.size)
        _system_call(out, _WRITE)
        out.label("quiet")
        out.insn("LGHI", R1=2)
        out.insn("CLGRL", out.number(end), R1=7)
        out.insn("BRCL", "leave", M1=_EQUAL)
        out.insn("LGHI", R1=2, I2=1)
        out.label("leave")
        _system_call(out, _EXIT)


def _system_call(out: Assembly, number: int) -> None:
    out.insn("LGHI", R1=1, I2=number)
    out.insn("SVC")


def _catch(out: Assembly) -> None:
    """Let `handler` have the signals, on a stack of its own."""
    stack = out.data(bytes(8))
    out.data(struct.pack(">QQ", 0, _SIGNAL_STACK))
    action = out.data(bytes(8))
    out.data(struct.pack(">QQQ", _FLAGS, 0, 0))
    for target, where in ((out.data(bytes(_SIGNAL_STACK)), stack), ("handler", action)):
        out.insn("LARL", target, R1=1)
        out.insn("STGRL", where, R1=1)
    out.insn("LARL", stack, R1=2)
    out.insn("LGHI", R1=3)
    _system_call(out, _SIGALTSTACK)
    for signal in _SIGNALS:
        out.insn("LGHI", R1=2, I2=signal)
        out.insn("LARL", action, R1=3)
        out.insn("LGHI", R1=4)
        out.insn("LGHI", R1=5, I2=8)
        _system_call(out, _SIGACTION)


def _map(out: Assembly, segment: Segment) -> None:
    """Ask for storage (private, fixed, anonymous) and copy what it holds at the start."""
    size, rights = len(segment.data), 7 if segment.executable else 3
    out.insn("LARL", out.data(struct.pack(">QQQQqQ", segment.address, size, rights, 0x32, -1, 0)), R1=2)
    _system_call(out, _MMAP)
    out.insn("CLGRL", out.number(segment.address), R1=2)
    out.insn("BRCL", "failed", M1=_NOT_EQUAL)
    out.insn("LARL", out.data(segment.data), R1=3)
    out.insn("LGRL", out.number(size // 256), R1=4)
    loop = f"copy.{segment.address:x}"
    out.label(loop)
    out.insn("MVC", L=255, B1=2, B2=3)
    out.insn("AGHI", R1=2, I2=256)
    out.insn("AGHI", R1=3, I2=256)
    out.insn("BRCTG", loop, R1=4)


def _runs(stores: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
    """Bytes by address as pieces of up to 256 neighbours."""
    first, content = 0, bytearray()
    for at in sorted(stores):
        if content and (at != first + len(content) or len(content) == 256):
            yield first, bytes(content)
            content = bytearray()
        if not content:
            first = at
        content.append(stores[at])
    if content:
        yield first, bytes(content)


def _groups(pages: Iterable[int]) -> Iterator[list[int]]:
    """Pages that lie near each other."""
    group: list[int] = []
    for page in sorted(pages):
        if group and page - group[-1] > _GAP:
            yield group
            group = []
        group.append(page)
    if group:
        yield group
