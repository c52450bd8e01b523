"""One path of a walk on a concrete machine: its start state, its callees, and whether the verifier told the truth.

The unknowns of a path get numbers (`Values`), an object linked at concrete addresses gets a start state from them
(`Replay.prepare`), and the machine runs while every unknown that is born on the way is put where the path says that
it appears: loaded storage just before it is read, what a callee leaves behind when it returns. At every call and at
the exit all that the verifier knows of the machine is compared with the machine (`Replay.compare`).

The machine is the one of the mutation tests, which shares nothing with `verify`; its surroundings are as hostile as
the contract allows: storage below r15 changes before every instruction, storage outside the stack at every call.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from unicorn import s390x_const as uc_names

from tests.mutation.machine import (
    CODE,
    CODE_SIZE,
    DATA,
    DATA_SIZE,
    ENTRY_R15,
    LOWCORE,
    LOWCORE_SIZE,
    STACK,
    STACK_SIZE,
    Crash,
    Machine,
    ObjectFile,
)
from tests.semantics.concrete import _operate
from verify.contracts import callee
from verify.contracts.schema import Contract
from verify.machine.state import GOT_SLOT, OLD_R15, Load, State, Store, entry_state, symbol_address
from verify.machine.storage import Stack
from verify.machine.term import Origin, Term, const, eq, extract, split
from verify.objfile.image import Image
from verify.prove.smt import Solver
from verify.semantics import cc
from verify.semantics.code import Code
from verify.semantics.decode import decode, encode
from verify.walk.path import CallMade, Path

ALL = (1 << 64) - 1
MODE_64 = 0x1_8000_0000
_STATUS = 0x3F << 40  # condition code and program mask inside the PSW mask (bits 18-23)
_ABOVE = 0x200  # bytes of the caller's frames that are compared
_BELOW = 0x200  # bytes that an interrupt uses
POINTED, POINTED_SIZE = 0x3FF_B000_0000, 0x8000  # what pointers at entry and in storage point at
_OUTSIDE = ((DATA, DATA_SIZE), (LOWCORE, LOWCORE_SIZE), (POINTED, POINTED_SIZE))
_THUNK = re.compile(r"__s390_indirect_jump_r(\d+)(use_r\d+)?$")


class Unplaced(Exception):
    """Something on the path cannot be had on the concrete machine; says what."""


# Values of unknowns ---------------------------------------------------------------------------------------------------

# Unknowns that not every number fits: the bits that may be one, and those that are. Fixed-point overflow (bit 20 of
# the PSW) would interrupt; the FPC has bits that are always zero, as have its flags and DXC (bits 8-23).
_DOMAINS = (
    (re.compile(r"old\.system_mask$"), 0x03F4 << 48, MODE_64),
    (re.compile(r"old\.program_mask$"), 0b0111, 0),
    (re.compile(r"old\.fpc$"), 0xF8F8FF70, 0),
    (re.compile(r"fpc flags after "), 0xF8FF, 0),
    (re.compile(r"regs\.psw\.mask#"), 0x03F4_3700 << 32, MODE_64),
)


class Values(dict[Term, int]):
    """Numbers for unknowns; one that nobody has chosen is drawn when it is first asked for."""

    def __init__(self, chosen: Mapping[Term, int], rng: random.Random) -> None:
        super().__init__(chosen)
        self.rng = rng

    def __missing__(self, term: Term) -> int:
        self[term] = number = draw(term, self.rng)
        return number


def draw(unknown: Term, rng: random.Random) -> int:
    """Any number that this unknown may be; addresses are even, so that control can go there."""
    assert unknown.leaf is not None, unknown
    number = rng.choice((rng.getrandbits(unknown.width), rng.getrandbits(unknown.width), 0))
    for pattern, free, ones in _DOMAINS:
        if pattern.match(unknown.leaf.name):
            return number & free | ones
    return number & ~1 if unknown.width == 64 else number


class Evaluation:
    """Terms to numbers. A value is kept for each term, so that none is worked out twice."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._known: dict[Term, int] = {}

    def __call__(self, term: Term) -> int:
        if term.op == "leaf":
            return self.values[term]
        found = self._known.get(term)
        if found is None:
            self._known[term] = found = _operate(term, [self(arg) for arg in term.args])
        return found


def unknowns(terms: Iterable[Term]) -> set[Term]:
    """All unknowns that occur in these terms."""
    return set().union(*(term.leaves() for term in terms))


# The object in storage ------------------------------------------------------------------------------------------------


def _of_origin(terms: Iterable[Term], origin: Origin) -> set[Term]:
    return {unknown for unknown in unknowns(terms) if unknown.leaf is not None and unknown.leaf.origin is origin}


def _addresses(path: Path) -> Iterator[Term]:
    yield from (access.address for access in (*path.state.loads, *path.state.stores))


class Linked:
    """An object at concrete addresses, with all symbols that these paths of one routine mention."""

    def __init__(self, image: Image, paths: Sequence[Path], assumptions: Sequence[Term] = ()) -> None:
        self.image = image
        data = {name_of(one) for path in paths for one in _of_origin(_addresses(path), Origin.SYMBOL)}
        mentioned = [term for path in paths for term in _mentioned(path)]
        names = {name_of(one) for one in _of_origin([*mentioned, *assumptions], Origin.SYMBOL)}
        parsed = ObjectFile.read(image.path)
        external = frozenset(names - parsed.symbols.keys())
        self.machine = Machine(parsed, external & data, external - data)
        self.machine.uc.mem_map(POINTED, POINTED_SIZE)

    def fixed(self, code: Code) -> dict[Term, int]:
        """The addresses of sections and symbols, as far as they are unknowns of the verifier."""
        machine = self.machine
        sections = {code.base(space): base for space, base in machine.bases.items()}
        names = (*machine.externals, *machine.object.symbols)
        return sections | {symbol_address(name): machine.address(name) for name in names}

    def load(self, code: Code) -> None:
        """Put the code into storage, as the kernel has patched it on these paths."""
        machine = self.machine
        machine.load([])
        for one in code.image.alternatives.entries:
            if one.feature in code.features:
                machine.poke_code(machine.bases[one.place.space] + one.place.offset, one.raw)
        for patch in code.patches:
            at = machine.bases[patch.at.space] + patch.at.offset
            for distance, byte in enumerate(patch.raw):
                if byte is not None:
                    machine.poke_code(at + distance, bytes([byte]))
            if patch.operand is not None:
                self._aim(at, len(patch.raw), patch.operand)

    def _aim(self, at: int, length: int, symbol: str) -> None:
        """Put the distance to a symbol into the instruction at an address."""
        machine = self.machine
        insn = decode(machine.read_bytes(at, length))
        assert insn is not None
        assert insn.format.relative is not None
        distance = (machine.address(symbol) - at) // 2
        machine.poke_code(at, encode(insn.spec, {**insn.fields, insn.format.relative: distance}))


def name_of(symbol: Term) -> str:
    """The symbol whose address an unknown is. Raises Unplaced for a slot of the GOT."""
    assert symbol.leaf is not None
    if symbol.leaf.note.startswith(GOT_SLOT):
        raise Unplaced(f"{symbol} needs a global offset table")
    return symbol.leaf.name.removeprefix("&")


def _mentioned(path: Path) -> Iterator[Term]:
    """All terms of a path that a replay evaluates, but for what callees leave behind."""
    for state in (path.state, *(made.state for made in path.calls)):
        yield from (*terms(state).values(), state.pc, *state.conditions)
        yield from (value for value, _ in state.stack.bytes.values())
    yield from (made.target for made in path.calls)
    for access in (*path.state.loads, *path.state.stores):
        yield from (access.address, access.value, access.guard)


# Registers by name ----------------------------------------------------------------------------------------------------


def _numbered(name: str, pattern: str, count: int) -> dict[str, int]:
    return {name.format(n): getattr(uc_names, f"UC_S390X_REG_{pattern.format(n)}") for n in range(count)}


_REGISTERS = {
    **_numbered("r{}", "R{}", 16), **_numbered("a{}", "A{}", 16), "fpc": uc_names.UC_S390X_REG_FPC,
    **_numbered("v{}.left", "F{}", 32), **_numbered("v{}.right", "F{}_HI", 32),
}  # fmt: skip
_PSW = {"cc": (44, 3), "program mask": (40, 15), "system mask": (0, ALL ^ _STATUS)}


def terms(state: State) -> dict[str, Term]:
    """All registers of the verifier's machine."""
    halves = ("left", "right")
    return {
        **{f"r{n}": term for n, term in enumerate(state.gpr)},
        **{f"a{n}": term for n, term in enumerate(state.access)},
        **{f"v{n // 2}.{halves[n % 2]}": term for n, term in enumerate(state.vector)},
        "fpc": state.fpc, "cc": cc.value(state),
        "program mask": state.program_mask, "system mask": state.system_mask,
    }  # fmt: skip


def read_registers(machine: Machine) -> dict[str, int]:
    """All registers of the concrete machine, by the same names."""
    found = dict(zip(_REGISTERS, machine.uc.reg_read_batch(list(_REGISTERS.values())), strict=True))
    mask = machine.psw_mask()
    return found | {name: mask >> shift & ones for name, (shift, ones) in _PSW.items()}


def write_registers(machine: Machine, wanted: Mapping[str, int]) -> None:
    """Set some registers of the concrete machine."""
    machine.uc.reg_write_batch([(_REGISTERS[name], number) for name, number in wanted.items() if name in _REGISTERS])
    mask = machine.psw_mask()
    for name, (shift, ones) in _PSW.items():
        if name in wanted:
            mask = mask & ~(ones << shift) | (wanted[name] & ones) << shift
    machine.uc.reg_write(uc_names.UC_S390X_REG_PSWM, mask)


# The run --------------------------------------------------------------------------------------------------------------


class Replay:
    """One path under one choice of values: the machine's start, its run, and the differences found on the way.

    `values` gives numbers to unknowns of the path, and must satisfy its conditions; the addresses of the object and
    r15 at entry are among them. Unknowns that it leaves open are drawn with `rng`.
    """

    def __init__(
        self, linked: Linked, contract: Contract, path: Path, values: Mapping[Term, int], rng: random.Random
    ) -> None:
        self.linked, self.machine, self.contract, self.path, self.rng = linked, linked.machine, contract, path, rng
        self.value = Evaluation(Values({**linked.fixed(path.code), **values}, rng))
        self.r15 = self.value(OLD_R15)
        self.differences: list[str] = []
        self.end: int | None = None
        """Where control went in the end."""
        self._loads: list[Load] = list(path.state.loads)
        self._stores: list[Store] = list(path.state.stores)
        self._calls: list[CallMade] = list(path.calls)
        self._placed: set[Term] = set()
        self._outside: dict[int, bytearray] = {}

    def run(self) -> list[str]:
        """Run the path from its entry to its exit; what the verifier says of it and the machine does not."""
        self.linked.load(self.path.code)
        self.prepare()
        try:
            self.end = self._follow()
        except Crash as crash:
            self.differences.append(f"the machine crashes: {crash}")
            return self.differences
        if not self.differences:
            self._finish()
        return self.differences

    # The start

    def prepare(self) -> None:
        """Give the machine its registers and storage at entry."""
        machine = self.machine
        write_registers(machine, {"system mask": MODE_64, **{n: self.value(t) for n, t in self._entry().items()}})
        machine.fill(self.rng, STACK, STACK + STACK_SIZE)
        self._change_outside()
        stack = Stack(self.path.state.stack.defined)
        for offset in range(_ABOVE):
            byte = stack.read(offset, 1, 0)
            if byte.args[0].leaf.origin is Origin.STORAGE:
                machine.write(self.r15 + offset, self.value(byte), 1)

    def _entry(self) -> dict[str, Term]:
        return terms(entry_state(self.path.state.pc, self.path.state.stack.defined))

    def _change_outside(self) -> None:
        """Storage outside the stack becomes anything: another CPU, or a callee, may write it."""
        for base, size in _OUTSIDE:
            self.machine.fill(self.rng, base, base + size)
            for at, raw in self.path.code.lowcore.items():  # but not what the contract says that the lowcore holds
                self.machine.write(at, int.from_bytes(raw, "big"), len(raw))
            self._outside[base] = bytearray(self.machine.read_bytes(base, size))

    # On the way

    def _follow(self) -> int:
        """Execute the instructions of the path; the address to which control leaves."""
        machine = self.machine
        pc = machine.bases[self.path.places[0].space] + self.path.places[0].offset
        for place in self.path.places:
            pc = self._elsewhere(pc)
            if machine.place(pc) != (place.space, place.offset):
                label = self.linked.image.label(place)
                self.differences.append(f"the machine goes to {pc:#x}, the path to {label}")
                return pc
            r15 = machine.gprs()[15]
            if r15 <= STACK + STACK_SIZE:
                machine.fill(self.rng, max(STACK, r15 - _BELOW), r15)
            self._serve(pc)
            following = machine._step(pc)
            self._store(pc)
            pc = following
        return self._elsewhere(pc)

    def _elsewhere(self, pc: int) -> int:
        """Play the callees and thunks of other objects until control is back, or leaves for good."""
        while True:
            if self._calls and pc == self.value(self._calls[0].target):
                pc = self._return(self._calls.pop(0))
            elif (number := self._thunk(pc)) is not None:
                pc = self.machine.gprs()[number]
            else:
                return pc

    def _thunk(self, pc: int) -> int | None:
        """The register that a thunk of another object branches to, where the contract takes thunks at their word."""
        name = next((name for name, address in self.machine.externals.items() if address == pc), "")
        match = _THUNK.match(name)
        if match is None or not self.contract.thunks:
            return None
        if match.group(2):
            raise Unplaced(f"{name} leaves something in a scratch register")
        return int(match.group(1))

    def _serve(self, pc: int) -> None:
        """Put what the path reads next where the instruction at `pc` is about to look.

        The loads of one instruction follow each other. Those of its next round in a loop are the same places again
        if they are to have other contents, so serving stops at the first byte that is served a second time.
        """
        served: set[int] = set()
        while self._loads and self.value(self._loads[0].at) == pc:
            load = self._loads[0]
            at, size = self.value(load.address), load.value.width // 8
            if served & set(range(at, at + size)):
                return
            self._loads.pop(0)
            if not self.value(load.guard):
                continue
            served |= set(range(at, at + size))
            for index in range(size):
                self._serve_byte(load, index, at + index)

    def _serve_byte(self, load: Load, index: int, at: int) -> None:
        """A byte that this load found out, not one that the routine or a callee has put there."""
        byte = _byte(load.value, index)
        new = all(one is load.value or one.leaf.origin is Origin.STALE for one in byte.leaves())
        if byte.is_const or not new or byte in self._placed:
            return
        self._placed.add(byte)
        if load.offset is None:
            self._outside_byte(at, self.value(byte))
        self.machine.write(at, self.value(byte), 1)

    def _outside_byte(self, at: int, number: int) -> None:
        for base, content in self._outside.items():
            if base <= at < base + len(content):
                content[at - base] = number
                return
        if not CODE <= at < CODE + CODE_SIZE:  # data in the code, which may change at any time
            raise Unplaced(f"there is no storage at {at:#x}")

    def _store(self, pc: int) -> None:
        """Note the bytes outside the stack that the path stores with the instruction at `pc`."""
        while self._stores and self.value(self._stores[0].at) == pc:
            store = self._stores.pop(0)
            if store.offset is not None or not self.value(store.guard):
                continue
            at = self.value(store.address)
            for index in range(store.value.width // 8):
                self._outside_byte(at + index, self.value(_byte(store.value, index)))

    # Callees

    def _return(self, made: CallMade) -> int:
        """Compare the machine at the call, do to it what the contract's callee does, and say where it goes on."""
        self.compare(made.state, f"at the call of {made.spec.name}")
        if len(self.path.state.loads) - len(self._loads) != len(made.state.loads):
            self.differences.append(f"the call of {made.spec.name} comes too early or too late")
        after = made.state.copy()
        callee.call(self.contract, made.spec, after, made.struct)
        before = terms(made.state)
        new = {name: self.value(term) for name, term in terms(after).items() if term is not before[name]}
        write_registers(self.machine, new)
        self._change_outside()
        self._change_stack(made.state, after)
        return self.value(made.back)

    def _change_stack(self, before: State, after: State) -> None:
        sp = before.sp
        assert sp is not None, "the walk gives up such a call"
        old, new = before.stack.copy(), after.stack.copy()
        for offset in range(sp, _ABOVE):
            byte = new.read(offset, 1, sp)
            if byte is not old.read(offset, 1, sp):
                self._placed.add(byte)
                self.machine.write(self.r15 + offset, self.value(byte), 1)

    # Comparison

    def compare(self, state: State, where: str) -> None:
        """Registers, stack and other storage, as the verifier knows them at this moment, with the machine."""
        found = read_registers(self.machine)
        wanted = terms(state)
        self._observe(wanted, found)
        for name, term in wanted.items():
            number = self.value(term) & (_PSW["system mask"][1] if name == "system mask" else ALL)
            if number != found[name]:
                self.differences.append(f"{name} {where} is {found[name]:#x}, not {number:#x} ({term})")
        self._compare_stack(state, where)
        for base, content in self._outside.items():
            now = self.machine.read_bytes(base, len(content))
            wrong = [base + n for n, (a, b) in enumerate(zip(now, content, strict=True)) if a != b]
            if wrong:
                self.differences.append(f"{len(wrong)} bytes from {wrong[0]:#x} differ {where}")

    def _observe(self, wanted: Mapping[str, Term], found: Mapping[str, int]) -> None:
        """What POP calls unpredictable is what this machine has there, from now on."""
        for name, term in wanted.items():
            if term.leaf is not None and term.leaf.origin is Origin.MACHINE and term not in self.value.values:
                self.value.values[term] = found[name]

    def _compare_stack(self, state: State, where: str) -> None:
        """Every byte from r15 up that the verifier gives a meaning."""
        sp = state.sp
        first = 0 if sp is None else sp
        stack = state.stack.copy()
        now = self.machine.read_bytes(self.r15 + first, _ABOVE - first)
        for offset in range(first, _ABOVE):
            byte = stack.read(offset, 1, sp)
            if self._meaningless(byte):
                continue
            wanted, found = self.value(byte), now[offset - first]
            if wanted != found:
                line = f"the byte at old.r15 {offset:+d} {where} is {found:#x}, not {wanted:#x} ({byte})"
                self.differences.append(line)

    def _meaningless(self, byte: Term) -> bool:
        """Storage that nothing wrote and nothing read: the verifier says nothing of it."""
        stale = any(
            one.leaf is not None and (one.leaf.origin is Origin.STALE or one.leaf.name.startswith("caller.mem["))
            for one in byte.leaves()
        )
        return stale and byte.op == "extract" and byte.args[0].op == "leaf" and byte not in self._placed

    def _finish(self) -> None:
        """At the exit everything has happened that the path tells."""
        end = self.value(self.path.state.pc)
        if self.end != end:
            self.differences.append(f"control leaves to {self.end:#x}, not {end:#x} ({self.path.state.pc})")
        for what, left in (("load", self._loads), ("store", self._stores), ("call", self._calls)):
            if left:
                self.differences.append(f"{len(left)} {what}s of the path did not happen, the first is {left[0]}")
        self.compare(self.path.state, "at the exit")


def _byte(term: Term, index: int) -> Term:
    low = term.width - 8 * (index + 1)
    return extract(term, low + 7, low)


# Values that take a path ----------------------------------------------------------------------------------------------


def _pointers(path: Path) -> dict[Term, int]:
    """Places for what unknowns point at that a path reads or writes through: a page for each."""
    bases = dict.fromkeys(base for address in _addresses(path) if (base := split(address)[0]) is not None)
    return {base: POINTED + 0x100 + 0x1000 * number for number, base in enumerate(filter(_points, bases))}


def _points(base: Term) -> bool:
    return base.leaf is not None and base is not OLD_R15 and base.leaf.origin in {Origin.ENTRY, Origin.LOAD}


class Chooser:
    """Start states (and effects of callees, contents of storage) that take one path."""

    def __init__(self, linked: Linked, path: Path, assumptions: Sequence[Term], rng: random.Random) -> None:
        self.linked, self.path, self.rng = linked, path, rng
        self.conditions = [*assumptions, *path.state.conditions]
        self.fixed = {**_pointers(path), **linked.fixed(path.code), OLD_R15: ENTRY_R15 + 8 * rng.randrange(64)}

    @cached_property
    def decided(self) -> list[Term]:
        """The unknowns on which the path's conditions depend."""
        return sorted(unknowns(self.conditions) - self.fixed.keys(), key=str)

    def solution(self, solver: Solver) -> dict[Term, int] | None:
        """Values that satisfy the path's conditions where everything lies as it does; None when there are none."""
        asked = unknowns(self.conditions)
        placed = [eq(one, const(number, one.width)) for one, number in self.fixed.items() if one in asked]
        model = solver.satisfy([*self.conditions, *placed])
        return None if model is None else self.fixed | {one: model.value(one) for one in self.decided}

    def vary(self, solution: Mapping[Term, int], tries: int = 200) -> Values:
        """As many other values as the conditions allow. Raises Unplaced when control cannot go where they say."""
        for _ in range(tries):
            values = Values(solution, self.rng)
            for one in self.rng.sample(self.decided, len(self.decided)):
                other = Values({**values, one: draw(one, self.rng)}, self.rng)
                if self._hold(other):
                    values = other
            if self._lead_out(values):
                return values
        raise Unplaced(f"no address outside the object was found for each of {', '.join(map(str, self._targets()))}")

    def _hold(self, values: Values) -> bool:
        evaluate = Evaluation(values)
        return all(evaluate(condition) for condition in self.conditions)

    def _targets(self) -> list[Term]:
        return [*(made.target for made in self.path.calls), self.path.state.pc]

    def _lead_out(self, values: Values) -> bool:
        """Whether control leaves to even addresses at which nothing is, where it leaves."""
        evaluate, machine = Evaluation(values), self.linked.machine
        found = [evaluate(target) for target in self._targets()]
        return all(not target & 1 and machine.place(target) is None for target in found)


__all__ = ["Chooser", "Evaluation", "Linked", "Replay", "Unplaced", "Values"]
