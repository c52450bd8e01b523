"""One path of a walk on a concrete machine: its start, its callees, and whether the machine does what the path says.

Every unknown that is born on the way is put where the path says that it appears: loaded storage just before it is
read, what a callee leaves behind when it returns. The surroundings are as hostile as the contract allows: what lies
below r15 changes before every instruction, and a callee clobbers all that it may. At every call and at the exit all
registers, and the stack as far as the verifier knows it, are compared with the machine.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from verify.contracts import callee
from verify.contracts.schema import Contract
from verify.explain import liberties
from verify.explain.compared import ABOVE, Comparison, terms
from verify.explain.emulator import MODES, Crash, Emulator
from verify.explain.placed import Placed, Unplaced
from verify.explain.values import Values
from verify.machine.evaluate import Evaluation
from verify.machine.state import Load, State, Store, entry_state
from verify.machine.storage import Stack
from verify.machine.term import Origin, Term, extract
from verify.objfile.image import Place
from verify.walk.path import CallMade, Path

_BELOW = 0xC0  # bytes below r15 that an interrupt uses
_THUNK = re.compile(r"__s390x?_indirect_jump_r(?P<scratch>\d+use_r)?(?P<target>\d+)$")
_UNREPLAYED = frozenset({"SVC", "LPSW", "MVCLE"})


@dataclass
class Event:
    """An instruction or a call as it happened: the registers that changed, and the bytes that were stored.

    `stores` are (address, size, value); `callee` names the function that ran instead of an instruction.
    """

    place: Place | None
    changed: dict[str, tuple[int, int]]
    stores: list[tuple[int, int, int]] = field(default_factory=list)
    callee: str = ""


class Replay:
    """A path under one choice of values, which must satisfy its conditions; what they leave open is drawn."""

    def __init__(
        self, emulator: Emulator, placed: Placed, contract: Contract, path: Path, values: Mapping[Term, int], seed: str
    ) -> None:
        self.machine, self.placed, self.contract, self.path = emulator, placed, contract, path
        self.mode, self.r15 = placed.mode, placed.r15
        self.rng = random.Random(seed)
        self.value = Evaluation(Values({**values, **placed.fixed}, self.rng))
        self.differences: list[str] = []
        self.events: list[Event] = []
        self.effects: list[tuple[str, Term]] = []
        """The unknowns that callees left behind, with the callee's name."""
        self._loads: list[Load] = list(path.state.loads)
        self._stores: list[Store] = list(path.state.stores)
        self._calls: list[CallMade] = list(path.calls)
        self._placed: set[Term] = set()
        self._now: dict[str, int] = {}

    def run(self) -> list[str]:
        """Run the path from entry to exit; what the verifier says of it and the machine does not. Raises Unplaced."""
        for place in (*self.path.places, *self.path.out_of_line):
            if self.path.code.fetch(place).mnemonic in _UNREPLAYED:
                raise Unplaced(f"{self.path.code.fetch(place).mnemonic.lower()} is not replayed")
        self.machine.reset()
        self.placed.load(self.machine, {*self.path.places, *self.path.out_of_line})
        try:
            self._prepare()
            end = self._follow()
        except Crash as crash:
            self.differences.append(f"the machine is interrupted: {crash}")
            return self.differences
        if not self.differences:
            self._finish(end)
        return self.differences

    # The start

    def _prepare(self) -> None:
        machine = self.machine
        start = entry_state(self.path.state.pc, self.path.state.stack.defined, self.mode)
        machine.set_registers({"system mask": MODES[self.mode.bits]})
        machine.set_registers({name: self.value(term) for name, term in terms(start).items()})
        machine.write(self.r15 - 0x1000, self.rng.randbytes(0x1000 + ABOVE))
        stack = start.stack
        for cell in range(0, ABOVE, stack.cell):
            size = stack.cell if stack.defined.covers(cell, stack.cell) else 1
            for offset in range(cell, cell + stack.cell, size):
                if stack.defined.covers(offset, size):
                    machine.write(self.r15 + offset, self.value(stack.read(offset, size, 0)).to_bytes(size, "big"))
        self._now = machine.registers()

    # On the way

    def _follow(self) -> int:
        pc = self.placed.address(self.path.places[0])
        for place in self.path.places:
            pc = self._elsewhere(pc)
            if pc != self.placed.address(place):
                label = self.placed.image.label(place)
                self.differences.append(f"the machine goes to {self.named(pc)}, the path to {label}")
                return pc
            pc = self._step(place, pc)
        return self._elsewhere(pc)

    def _step(self, place: Place, pc: int) -> int:
        machine, before = self.machine, self._now
        r15 = before["r15"] & (1 << self.mode.bits) - 1
        if self.r15 - 0x1000 + _BELOW <= r15 <= self.r15 + ABOVE:
            machine.write(r15 - _BELOW, self.rng.randbytes(_BELOW))
        self._serve(pc)
        insn = self.path.code.fetch(place)
        executes = liberties.executes(self.path, place)
        following = machine.step(pc, executes=executes)
        following &= (1 << self.mode.bits) - 1  # of a register branched to, the machine keeps all 64 bits
        liberties.poison(machine, self.path, insn, self.value, self.rng)
        if self.mode.narrow:
            liberties.correct(machine, insn, before)
        after = self._now = machine.registers()
        event = Event(place, self._difference(before, after))
        event.stores += self._stored(pc)
        self.events.append(event)
        return following

    def _difference(self, before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """The registers that changed, as far as the ABI knows them."""
        ones = (1 << self.mode.word) - 1
        pairs = {
            name: (before[name] & ones, after[name] & ones) if name[0] == "r" else (before[name], after[name])
            for name in after
            if after[name] != before[name]
        }
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}

    def _elsewhere(self, pc: int) -> int:
        """Play the callees and thunks of other objects until control is back, or leaves for good."""
        while True:
            if self._calls and pc == self.value(self._calls[0].target):
                pc = self._return(self._calls.pop(0))
            elif (number := self._thunk(pc)) is not None:
                pc = self.machine.registers()[f"r{number}"]
            else:
                return pc

    def _thunk(self, pc: int) -> int | None:
        match = _THUNK.match(self.placed.names.get(pc, ""))
        if match is None or not self.contract.thunks:
            return None
        if match["scratch"]:
            raise Unplaced(f"{self.placed.names[pc]} leaves something in a scratch register")
        return int(match["target"])

    def _serve(self, pc: int) -> None:
        """Put what the path reads next where the instruction at `pc` is about to look.

        The loads of one instruction follow each other. Those of its next round in a loop are the same places again
        if they are to have other contents, so serving stops at the first byte that is served a second time.
        """
        for store in self._stores:
            if self.value(store.at) != pc:
                break
            self.machine.ensure(self.value(store.address), store.value.width // 8)
        served: set[int] = set()
        while self._loads and self.value(self._loads[0].at) == pc:
            load = self._loads[0]
            at, size = self.value(load.address), load.value.width // 8
            if served & set(range(at, at + size)):
                return
            self._loads.pop(0)
            if self.value(load.guard):
                served |= set(range(at, at + size))
                for index in range(size):
                    self._serve_byte(load, index, at + index)

    def _serve_byte(self, load: Load, index: int, at: int) -> None:
        """A byte that this load found out, not one that the routine or a callee has put there."""
        byte = _byte(load.value, index)
        new = all(one is load.value or (one.leaf and one.leaf.origin is Origin.STALE) for one in byte.leaves())
        if not byte.is_const and new and byte not in self._placed:
            self._placed.add(byte)
            self.machine.write(at, self.value(byte).to_bytes(1, "big"))

    def _stored(self, pc: int) -> Iterator[tuple[int, int, int]]:
        """What the path stores with the instruction at `pc`, compared at once."""
        while self._stores and self.value(self._stores[0].at) == pc:
            store = self._stores.pop(0)
            if not self.value(store.guard):
                continue
            at, size, value = self.value(store.address), store.value.width // 8, self.value(store.value)
            found = int.from_bytes(self.machine.read(at, size), "big")
            if found != value and not self._overwritten(at, size, pc):
                self.differences.append(f"{size} bytes at {self.named(at)} are {found:#x}, not {value:#x}")
            yield at, size, value

    def _overwritten(self, at: int, size: int, pc: int) -> bool:
        """Whether the same instruction goes on to store there again, byte by byte."""
        return any(self.value(store.at) == pc and self.value(store.address) < at + size for store in self._stores[:256])

    # Callees

    def _return(self, made: CallMade) -> int:
        """Compare the machine at the call, do to it what the contract's callee does, and say where it goes on."""
        name = made.spec.name
        self._compare(made.state, f"at the call of {name}")
        if len(self.path.state.loads) - len(self._loads) != len(made.state.loads):
            self.differences.append(f"the call of {name} comes too early or too late")
        after = made.state.copy()
        callee.call(self.contract, made.spec, after, made.struct)
        before, new = terms(made.state), terms(after)
        changed = {register: term for register, term in new.items() if term is not before[register]}
        event = Event(None, {}, callee=name)
        old = self._now
        numbers = {register: self.value(term) for register, term in changed.items()}
        self.machine.set_registers(numbers)
        event.changed = {register: (old[register], number) for register, number in numbers.items()}
        if self.mode.narrow:
            event.changed = self._difference({register: old[register] for register in numbers}, numbers)
        self.effects += [(name, unknown) for term in changed.values() for unknown in term.leaves()]
        self._change_stack(made, after, event)
        self.events.append(event)
        self._now = self.machine.registers()
        return self.value(made.back)

    def _change_stack(self, made: CallMade, after: State, event: Event) -> None:
        sp = made.state.sp
        if sp is None:
            raise Unplaced("a call with a stack pointer that is not r15 at entry plus a constant")
        old, new = made.state.stack.copy(), after.stack.copy()
        for offset in _changed(old, new, sp):
            byte = new.read(offset, 1, sp)
            if byte is not old.read(offset, 1, sp):
                self._placed.add(byte)
                value = self.value(byte)
                self.machine.write(self.r15 + offset, value.to_bytes(1, "big"))
                event.stores.append((self.r15 + offset, 1, value))
                self.effects += [(made.spec.name, unknown) for unknown in byte.leaves()]

    # The end

    def _compare(self, state: State, where: str) -> None:
        comparison = Comparison(self.machine, self.value, self.r15, self._placed)
        self.differences += comparison.differences(state, where)

    def _finish(self, end: int) -> None:
        wanted = self.value(self.path.state.pc)
        if end != wanted:
            self.differences.append(f"control leaves to {self.named(end)}, not {self.named(wanted)}")
        for what, left in (("load", self._loads), ("store", self._stores), ("call", self._calls)):
            if left:
                self.differences.append(f"{len(left)} {what}s of the path did not happen")
        self._compare(self.path.state, "at the exit")

    def named(self, address: int) -> str:
        """An address as people would name it; in 31-bit code perhaps with the bit for the addressing mode."""
        if self.mode.narrow and address >> 31 == 1 and not (name := self.named(address ^ 1 << 31)).startswith("0x"):
            return f"{name} + {1 << 31:#x}"
        if address in self.placed.names:
            return self.placed.names[address]
        distance = address - self.r15
        if abs(distance) < 0x1000:
            return f"old.r15{distance:+d}" if distance else "old.r15"
        return self.placed.label(address) or f"{address:#x}"

    def told(self, width: int, number: int) -> str:
        """A number as people would write it: one as wide as a register or an address may be an address."""
        return self.named(number) if width in (self.mode.word, self.mode.bits) else f"{number:#x}"


def _changed(old: Stack, new: Stack, sp: int) -> Iterable[int]:
    """Offsets at which two stacks may differ."""
    if new.escaped or old.escaped or old.caller != new.caller:
        return range(sp, ABOVE)
    offsets = old.bytes.keys() | new.bytes.keys()
    return sorted(n for n in offsets if n >= sp and old.bytes.get(n) != new.bytes.get(n))


def _byte(term: Term, index: int) -> Term:
    low = term.width - 8 * (index + 1)
    return extract(term, low + 7, low)
