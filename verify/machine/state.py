"""The state of one CPU on one path: registers, PSW, storage, and what happened so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from verify.errors import Unsupported
from verify.machine import psw
from verify.machine.mode import MODE_64, Mode
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
    split,
    zero_extend,
)

# How the condition code is given: VEX's own numbers 0-62, and one more for a code that is known as a value.
CC_GIVEN = 255

OLD_R15 = MODE_64.r15
"""r15 at entry in the 64-bit addressing mode."""

Constants = Callable[[Term, int], Term | None]
"""What so many bytes at an address of the image hold for good; None where nothing says so."""

GOT_SLOT = "GOT slot of "


def symbol_address(name: str, mode: Mode = MODE_64) -> Term:
    """The address of a symbol that this image does not place."""
    return leaf(f"&{name}", mode.bits, Origin.SYMBOL)


def got_slot(name: str, mode: Mode = MODE_64) -> Term:
    """The address of the GOT entry that holds the address of a symbol (psABI, "Global Offset Table")."""
    return leaf(f"&GOT[{name}]", mode.bits, Origin.SYMBOL, GOT_SLOT + name)


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
    """One load from outside the protected stack, or of stack bytes that nothing wrote; `guard` as in `Store`.

    `stores` is the number of stores of the same path that came before it.
    """

    at: Term
    address: Term
    value: Term
    offset: int | None
    guard: Term = TRUE
    stores: int = 0


@cache
def _entry_controls() -> tuple[Term, ...]:
    return tuple(leaf(f"old.c{n}", 64, Origin.ENTRY) for n in range(16))


@dataclass
class State:
    """Mutable while a path is walked; `copy` at a fork.

    gpr: 16 terms of 64 bits. vector: 64 terms of 64 bits, the left and right halves of v0-v31, so that f0-f15 are
    entries 0, 2, .. 30. access: 16 terms of 32 bits. cc: VEX's thunk (operation, dep1, dep2, ndep), 64 bits each.
    control: 16 terms of 64 bits. links: return addresses that a linking branch made and that control has not come
    back to yet. mode: the addressing mode, which pc and all addresses of loads and stores are as wide as. constants:
    what of the image's own storage is known.
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
    mode: Mode = MODE_64
    constants: Constants | None = None

    def copy(self) -> State:
        """A copy that shares only immutable terms."""
        return State(
            list(self.gpr), list(self.vector), list(self.access), self.fpc, self.cc, self.program_mask,
            self.system_mask, self.stack.copy(), self.pc, list(self.conditions), list(self.stores),
            list(self.loads), list(self.branches), self.links, self.fresh_count, list(self.control),
            self.mode, self.constants,
        )  # fmt: skip

    @property
    def sp(self) -> int | None:
        """Bytes from r15 at entry to r15 now, or None when that is not a constant."""
        return self.mode.offset(self.gpr[15])

    def seen(self, number: int) -> Term:
        """A general register as the ABI knows it: bits 32-63 of it in 31-bit code."""
        return self.mode.seen(self.gpr[number])

    def set_seen(self, number: int, value: Term) -> None:
        """Replace what the ABI knows of a general register; in 31-bit code bits 0-31 stay."""
        self.gpr[number] = self.mode.changed(self.gpr[number], value)

    def fresh(self, name: str, width: int, origin: Origin, note: str = "") -> Term:
        """A new unknown, numbered along the path."""
        self.fresh_count += 1
        return leaf(f"{name}#{self.fresh_count}", width, origin, note)

    def set_cc(self, code: Term) -> None:
        """Set the condition code to a 2-bit term."""
        zero = const(0, 64)
        self.cc = (const(CC_GIVEN, 64), zero_extend(code, 64), zero, zero)

    def load(self, address: Term, size: int, guard: Term = TRUE) -> Term:
        """Load `size` bytes, big-endian; what it gives where `guard` does not hold means nothing.

        The address may be wider than the addressing mode's. Raises Unsupported.
        """
        address = self.mode.address(address)
        offset = offset_from(address, self.mode.stack)
        if offset is None:
            slot = address.leaf
            if slot is not None and slot.note.startswith(GOT_SLOT) and 8 * size == self.mode.word:
                return zero_extend(symbol_address(slot.note.removeprefix(GOT_SLOT), self.mode), 8 * size)
            constant = None if self.constants is None else self.constants(address, size)
            if constant is not None:
                return constant
            value = self.fresh(f"mem{8 * size}[{address}]", 8 * size, self._origin_of_load(address))
            self.loads.append(Load(self.pc, address, value, None, guard, len(self.stores)))
            return value
        self._check_end(offset, size)
        value = self.stack.read(offset, size, self.sp)
        if value.leaves() and any(_is_stale(unknown) for unknown in value.leaves()):
            self.loads.append(Load(self.pc, address, value, offset, guard))
        return value

    def store(self, address: Term, value: Term, guard: Term = TRUE) -> None:
        """Store a value of a whole number of bytes, big-endian, where `guard` holds; the trace keeps it."""
        if guard is FALSE:
            return
        address = self.mode.address(address)
        offset, sp = offset_from(address, self.mode.stack), self.sp
        self.stores.append(Store(self.pc, address, value, offset, sp, guard))
        if offset is None:
            self.stack.event(value.width // 8)
        else:
            self._check_end(offset, value.width // 8)
            kept = value if guard is TRUE else ite(guard, value, self.stack.read(offset, value.width // 8, sp))
            self.stack.write(offset, kept, sp)

    def _check_end(self, offset: int, size: int) -> None:
        """Bytes on both sides of the point opposite to r15 would have two names each."""
        if offset + size > 1 << (self.mode.bits - 1):
            raise Unsupported("an operand half the address space away from the stack has no semantics here")

    def _origin_of_load(self, address: Term) -> Origin:
        """What is read through a garbage address, or from the stack at an unknown offset, may be garbage itself."""
        unknowns = address.leaves()
        garbage = self.mode.r15 in unknowns or any(
            u.leaf is not None and u.leaf.origin in INDETERMINATE for u in unknowns
        )
        return Origin.STALE if garbage else Origin.LOAD

    def settle(self, sp_before: int | None) -> None:
        """After an instruction: what a risen r15 leaves below itself is given up."""
        sp = self.sp
        if sp == sp_before:
            return
        if sp is None:
            if not self._on_another_stack():
                self.stack.drop_all()
        elif sp_before is None or sp > sp_before:
            self.stack.drop_below(sp)

    def _on_another_stack(self) -> bool:
        base, _ = split(self.gpr[15])
        return self.stack.switches and base is not None and base.leaf is not None and base.leaf.origin is Origin.LOAD


def _is_stale(unknown: Term) -> bool:
    return unknown.leaf is not None and unknown.leaf.origin is Origin.STALE


def entry_register(number: int, mode: Mode = MODE_64) -> Term:
    """What the ABI knows of general register `number` at entry, `mode.word` bits."""
    return mode.entry(number)


def entry_system_mask(mode: Mode = MODE_64) -> Term:
    """The PSW mask at entry, 64 bits, without condition code and program mask; in the given addressing mode."""
    return mode.system(leaf("old.system_mask", 64, Origin.ENTRY))


def entry_psw_mask(mode: Mode = MODE_64) -> Term:
    """The PSW mask at entry; of 31-bit code the 32 bits that its PSW of eight bytes has in front of the address."""
    cc, program_mask = leaf("old.cc", 2, Origin.ENTRY), leaf("old.program_mask", 4, Origin.ENTRY)
    return mode.psw_mask(psw.compose(entry_system_mask(mode), cc, program_mask))


@cache
def _entry_vectors() -> tuple[Term, ...]:
    halves = [f"old.v{n}.{half}" for n in range(32) for half in ("left", "right")]
    return tuple(leaf(name, 64, Origin.ENTRY) for name in halves)


def entry_state(pc: Term, defined: Ranges, mode: Mode = MODE_64, constants: Constants | None = None) -> State:
    """All registers unknown, in that addressing mode; `defined` are the stack bytes with meaning at entry."""
    zero = const(0, 64)
    return State(
        gpr=[mode.register(n) for n in range(16)],
        vector=list(_entry_vectors()),
        access=[leaf(f"old.a{n}", 32, Origin.ENTRY) for n in range(16)],
        fpc=leaf("old.fpc", 32, Origin.ENTRY),
        cc=(const(CC_GIVEN, 64), zero_extend(leaf("old.cc", 2, Origin.ENTRY), 64), zero, zero),
        program_mask=leaf("old.program_mask", 4, Origin.ENTRY),
        system_mask=entry_system_mask(mode),
        stack=Stack(defined, cell=mode.word // 8),
        pc=pc,
        mode=mode,
        constants=constants,
    )
