"""Storage: the stack byte by byte, everything else as reads that know nothing and a trace of writes.

An address `entry r15 + constant` names a stack byte without a solver; two different constants below 2**64 (in the
31-bit addressing mode 2**31) name two different bytes, so read-over-write is a dictionary look-up. What lies below the
current r15 may change at any moment (an interrupt or a signal handler uses it), so it reads as indeterminate and writes
there are lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from verify.machine.term import Origin, Term, concat, extract, leaf

CELL = 8


@dataclass(frozen=True, slots=True)
class Ranges:
    """Half-open byte ranges relative to r15 at entry; None stands for no bound."""

    spans: tuple[tuple[int | None, int | None], ...]

    def __contains__(self, offset: int) -> bool:
        return any((lo is None or lo <= offset) and (hi is None or offset < hi) for lo, hi in self.spans)

    def covers(self, offset: int, size: int) -> bool:
        """Whether all bytes offset..offset+size-1 lie inside."""
        return all(byte in self for byte in range(offset, offset + size))


@dataclass
class Stack:
    """The stack around r15 at entry; offsets are bytes relative to it.

    `defined` says which bytes hold meaningful content at entry (the caller's frame, what the protocol stores);
    all others are indeterminate until written. `escaped` says that a callee got an address in the routine's own
    frame, so that what nothing here wrote there may be its work. `caller` counts the events at which the caller's
    frame may have changed behind the routine's back, as the number of `events` up to the last of them: calls, and bytes
    stored outside the stack. `highest` is the highest r15 so far: an interrupt may have
    overwritten what lies below it, the caller's frame included. None: r15 was no known distance from its entry value.
    `cell` is the size in bytes of the aligned pieces that unknown contents come in: a word of the ABI's. `switches`
    says that a stack pointer read from storage may be that of another stack, which interrupts use from then on.
    """

    defined: Ranges
    bytes: dict[int, tuple[Term, int]] = field(default_factory=dict)
    generation: int = 0
    seen: int = 0
    escaped: bool = False
    caller: int = 0
    events: int = 0
    highest: int | None = 0
    cell: int = CELL
    switches: bool = False

    def copy(self) -> Stack:
        """A copy that shares no mutable state."""
        return Stack(
            self.defined, dict(self.bytes), self.generation, self.seen, self.escaped, self.caller, self.events,
            self.highest, self.cell, self.switches,
        )  # fmt: skip

    def write(self, offset: int, value: Term, sp: int | None) -> None:
        """Store a value of a whole number of bytes, most significant byte first; below `sp` it is lost at once."""
        floor = 0 if sp is None else sp
        for index in range(value.width // 8):
            if offset + index < floor:
                self.bytes.pop(offset + index, None)
            else:
                self.bytes[offset + index] = (value, index)
        if offset < floor:
            self.generation += 1

    def read(self, offset: int, size: int, sp: int | None) -> Term:
        """Load `size` bytes; what lies below `sp` (or below entry r15 where sp is unknown) is indeterminate."""
        floor = 0 if sp is None else sp
        parts: list[Term] = []
        at, end = offset, offset + size
        while at < end:
            if at < floor:
                stop = min(end, floor)
                parts.append(self._fresh(at, stop - at))
                at = stop
                continue
            value, index = self.bytes.get(at) or (self._initial(at), at % self.cell)
            run = 1
            while at + run < end and self._continues(at + run, value, index + run):
                run += 1
            total = value.width
            parts.append(extract(value, total - 1 - 8 * index, total - 8 * (index + run)))
            at += run
        return concat(*parts)

    def _continues(self, at: int, value: Term, index: int) -> bool:
        held = self.bytes.get(at)
        if held is None:
            return index < value.width // 8 and at % self.cell == index and self._initial(at) is value
        return held[0] is value and held[1] == index

    def _initial(self, at: int) -> Term:
        """The unknown that the aligned cell around this byte holds where nothing wrote it."""
        cell, width = at - at % self.cell, 8 * self.cell
        if at in self.defined and self.highest is not None and not 0 <= at < self.highest:
            if self.caller:
                return leaf(f"caller.mem[{stack_name(cell)}]#{self.caller}", width, Origin.LOAD)
            return initial_cell(cell, width)
        if self.escaped:
            return leaf(f"callee_wrote.mem[{stack_name(cell)}]#{self.generation}", width, Origin.LOAD)
        return leaf(f"unwritten.mem[{stack_name(cell)}]#{self.generation}", width, Origin.STALE)

    def _fresh(self, at: int, size: int) -> Term:
        self.seen += 1
        return leaf(f"below_r15.mem[{stack_name(at)}]#{self.seen}", 8 * size, Origin.STALE)

    def event(self, size: int = 1) -> None:
        """Something that others see: a call, or so many bytes stored outside the stack."""
        self.events += size

    def forget_caller(self) -> None:
        """The caller's frame may have been written by the last event: what is read there is new from now on."""
        self.caller = self.events

    def drop_all(self) -> None:
        """Forget everything: r15 may be anywhere, and an interrupt uses what lies below it."""
        self.generation += 1
        self.highest = None
        self.bytes.clear()

    def drop_below(self, sp: int) -> None:
        """Forget what lies below a stack pointer that rose: an interrupt may overwrite it from now on."""
        self.generation += 1
        if self.highest is not None:
            self.highest = max(self.highest, sp)
        for offset in [offset for offset in self.bytes if offset < sp]:
            del self.bytes[offset]

    def havoc(self, offsets: Iterable[int], prefix: str) -> None:
        """Give the aligned cells that contain these bytes new contents, only where the bytes are named."""
        for offset in offsets:
            cell = offset - offset % self.cell
            value = leaf(f"{prefix}.mem[{stack_name(cell)}]", 8 * self.cell, Origin.CLOBBERED)
            self.bytes[offset] = (value, offset % self.cell)


def initial_cell(cell: int, width: int = 8 * CELL) -> Term:
    """What the aligned cell of `width` bits at entry r15 + cell holds at entry."""
    return leaf(f"old.mem[{stack_name(cell)}]", width, Origin.STORAGE)


def initial(offset: int, size: int, cell: int = CELL) -> Term:
    """What `size` bytes at entry r15 + offset hold at entry, whether or not anything defines them."""
    everywhere = Stack(Ranges(((None, None),)), cell=cell)
    return everywhere.read(offset, size, sp=offset)


def stack_name(offset: int) -> str:
    """Write an offset from r15 at entry for people."""
    return f"old.r15{offset:+d}" if offset else "old.r15"
