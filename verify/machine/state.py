"""The state of one CPU on one path: registers, PSW, storage, and what happened so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from verify.machine import psw
from verify.machine.storage import Ranges, Stack
from verify.machine.term import (
    FALSE,
    INDETERMINATE,
    TRUE,
    Origin,
    Term,
    const,
    ite,
    leaf,
    offset_from,
    zero_extend,
)

# How the condition code is given: VEX's own numbers 0-62, and one more for a code that is known as a value.
CC_GIVEN = 255

OLD_R15 = leaf("old.r15", 64, Origin.ENTRY)


GOT_SLOT = "GOT slot of "


def symbol_address(name: str) -> Term:
    """The address of a symbol that this image does not place, 64 bits."""
    return leaf(f"&{name}", 64, Origin.SYMBOL)


def got_slot(name: str) -> Term:
    """The address of the GOT entry that holds the address of a symbol (psABI, "Global Offset Table")."""
    return leaf(f"&GOT[{name}]", 64, Origin.SYMBOL, GOT_SLOT + name)


@dataclass(frozen=True, slots=True)
class Branch:
    """An indirect branch that was executed: by its own address, or as the target of an execute instruction."""

    at: Term
    text: str
    executed: bool


@dataclass(frozen=True, slots=True)
class Store:
    """One store: the instruction's address, the byte address, the value, and r15's offset at that moment.

    `guard` is the condition under which it takes place: a length from a register, a condition code.
    """

    at: Term
    address: Term
    value: Term
    offset: int | None
    sp: int | None
    guard: Term = TRUE


@dataclass(frozen=True, slots=True)
class Load:
    """One load from outside the protected stack, or of stack bytes that nothing wrote; `guard` as in `Store`."""

    at: Term
    address: Term
    value: Term
    offset: int | None
    guard: Term = TRUE


@cache
def _entry_controls() -> tuple[Term, ...]:
    return tuple(leaf(f"old.c{n}", 64, Origin.ENTRY) for n in range(16))


@dataclass
class State:
    """Mutable while a path is walked; `copy` at a fork.

    gpr: 16 terms of 64 bits. vector: 64 terms of 64 bits, the left and right halves of v0-v31, so that f0-f15 are
    entries 0, 2, .. 30. access: 16 terms of 32 bits. cc: VEX's thunk (operation, dep1, dep2, ndep), 64 bits each.
    control: 16 terms of 64 bits. links: return addresses that a linking branch made and that control has not come
    back to yet.
    """

    gpr: list[Term]
    vector: list[Term]
    access: list[Term]
    fpc: Term
    cc: tuple[Term, Term, Term, Term]
    program_mask: Term
    system_mask: Term
    stack: Stack
    pc: Term
    conditions: list[Term] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    links: frozenset[Term] = frozenset()
    fresh_count: int = 0
    control: list[Term] = field(default_factory=lambda: list(_entry_controls()))

    def copy(self) -> State:
        """A copy that shares only immutable terms."""
        return State(
            list(self.gpr), list(self.vector), list(self.access), self.fpc, self.cc, self.program_mask,
            self.system_mask, self.stack.copy(), self.pc, list(self.conditions), list(self.stores),
            list(self.loads), list(self.branches), self.links, self.fresh_count, list(self.control),
        )  # fmt: skip

    @property
    def sp(self) -> int | None:
        """Bytes from r15 at entry to r15 now, or None when that is not a constant."""
        return offset_from(self.gpr[15], OLD_R15)

    def fresh(self, name: str, width: int, origin: Origin, note: str = "") -> Term:
        """A new unknown, numbered along the path."""
        self.fresh_count += 1
        return leaf(f"{name}#{self.fresh_count}", width, origin, note)

    def set_cc(self, code: Term) -> None:
        """Set the condition code to a 2-bit term."""
        zero = const(0, 64)
        self.cc = (const(CC_GIVEN, 64), zero_extend(code, 64), zero, zero)

    def load(self, address: Term, size: int, guard: Term = TRUE) -> Term:
        """Load `size` bytes, big-endian; what it gives where `guard` does not hold means nothing."""
        offset = offset_from(address, OLD_R15)
        if offset is None:
            slot = address.leaf
            if slot is not None and slot.note.startswith(GOT_SLOT) and size == 8:
                return symbol_address(slot.note.removeprefix(GOT_SLOT))
            value = self.fresh(f"mem{8 * size}[{address}]", 8 * size, _origin_of_load(address))
            self.loads.append(Load(self.pc, address, value, None, guard))
            return value
        value = self.stack.read(offset, size, self.sp)
        if value.leaves() and any(_is_stale(unknown) for unknown in value.leaves()):
            self.loads.append(Load(self.pc, address, value, offset, guard))
        return value

    def store(self, address: Term, value: Term, guard: Term = TRUE) -> None:
        """Store a value of a whole number of bytes, big-endian, where `guard` holds; the trace keeps it."""
        if guard is FALSE:
            return
        offset, sp = offset_from(address, OLD_R15), self.sp
        self.stores.append(Store(self.pc, address, value, offset, sp, guard))
        if offset is not None:
            kept = value if guard is TRUE else ite(guard, value, self.stack.read(offset, value.width // 8, sp))
            self.stack.write(offset, kept, sp)

    def settle(self, sp_before: int | None) -> None:
        """After an instruction: what a risen r15 leaves below itself is given up."""
        sp = self.sp
        if sp == sp_before:
            return
        if sp is None:
            self.stack.drop_all()
        elif sp_before is None or sp > sp_before:
            self.stack.drop_below(sp)


def _origin_of_load(address: Term) -> Origin:
    """What is read through a garbage address, or from the stack at an unknown offset, may be garbage itself."""
    unknowns = address.leaves()
    garbage = OLD_R15 in unknowns or any(u.leaf is not None and u.leaf.origin in INDETERMINATE for u in unknowns)
    return Origin.STALE if garbage else Origin.LOAD


def _is_stale(unknown: Term) -> bool:
    return unknown.leaf is not None and unknown.leaf.origin is Origin.STALE


def entry_register(number: int) -> Term:
    """General register `number` at entry, 64 bits."""
    return OLD_R15 if number == 15 else leaf(f"old.r{number}", 64, Origin.ENTRY)


def entry_system_mask() -> Term:
    """The PSW mask at entry, 64 bits, without condition code and program mask; in the 64-bit addressing mode."""
    return psw.in_64_bit_mode(leaf("old.system_mask", 64, Origin.ENTRY))


def entry_psw_mask() -> Term:
    """The whole PSW mask at entry, 64 bits."""
    cc, program_mask = leaf("old.cc", 2, Origin.ENTRY), leaf("old.program_mask", 4, Origin.ENTRY)
    return psw.compose(entry_system_mask(), cc, program_mask)


@cache
def _entry_vectors() -> tuple[Term, ...]:
    halves = [f"old.v{n}.{half}" for n in range(32) for half in ("left", "right")]
    return tuple(leaf(name, 64, Origin.ENTRY) for name in halves)


def entry_state(pc: Term, defined: Ranges) -> State:
    """All registers unknown, 64-bit addressing mode; `defined` are the stack bytes with meaning at entry."""
    zero = const(0, 64)
    return State(
        gpr=[entry_register(n) for n in range(16)],
        vector=list(_entry_vectors()),
        access=[leaf(f"old.a{n}", 32, Origin.ENTRY) for n in range(16)],
        fpc=leaf("old.fpc", 32, Origin.ENTRY),
        cc=(const(CC_GIVEN, 64), zero_extend(leaf("old.cc", 2, Origin.ENTRY), 64), zero, zero),
        program_mask=leaf("old.program_mask", 4, Origin.ENTRY),
        system_mask=entry_system_mask(),
        stack=Stack(defined),
        pc=pc,
    )
