"""A replay that can be told to another machine: its start, its callees, its end.

A replay puts what the path reads where it is about to look. Elsewhere nobody does that, so each such byte is moved
back in time: into the last callee before it, or to the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from verify.contracts.schema import Contract
from verify.explain.elfwriter import PAGE
from verify.explain.emulator import Emulator
from verify.explain.placed import Placed, Unplaced
from verify.explain.replay import Replay
from verify.machine.term import Term
from verify.walk.path import CallMade, Path


class Recorder(Emulator):
    """A machine that can list its storage, and what is written to it from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[int, bytes]] = []

    def write(self, address: int, data: bytes) -> None:
        """As ever, and remember it."""
        super().write(address, data)
        self.heard.append((address, data))

    def pages(self) -> dict[int, bytes]:
        """All storage there is, by page."""
        return {page: self.read(page, PAGE) for page in sorted(self._pages)}


@dataclass
class Callee:
    """A callee as it ran: where it was called and went back to, the registers it set, the bytes it stored."""

    name: str
    event: int
    at: int
    back: int
    registers: Mapping[str, int]
    stores: dict[int, int] = field(default_factory=dict)


class Recorded(Replay):
    """A replay with a memory; the fields below are right after `run` found no difference."""

    def __init__(
        self, machine: Recorder, placed: Placed, contract: Contract, path: Path, values: Mapping[Term, int], seed: str
    ) -> None:
        super().__init__(machine, placed, contract, path, values, seed)
        self.recorder = machine
        self.storage: dict[int, bytes] = {}
        """The pages at the start."""
        self.registers: dict[str, int] = {}
        """At the start."""
        self.callees: list[Callee] = []
        self.thunks: dict[int, int] = {}
        """Thunks of other objects that ran: their address, and the register that they branch to."""
        self._served: list[tuple[int, int, int]] = []

    def end(self) -> int:
        """The address to which control leaves."""
        return self.value(self.path.state.pc)

    # Listening

    def _serve(self, pc: int) -> None:
        del self.recorder.heard[:]
        super()._serve(pc)
        if not self.registers:
            self.registers = self.recorder.registers()
            self.storage = self.recorder.pages()
            return
        for at, data in self.recorder.heard:
            self._served += [(len(self.events), at + n, byte) for n, byte in enumerate(data)]

    def _thunk(self, pc: int) -> int | None:
        number = super()._thunk(pc)
        if number is not None:
            self.thunks[pc] = number
        return number

    def _return(self, made: CallMade) -> int:
        at = self.value(made.target)
        back = super()._return(made)
        event = self.events[-1]
        stores = {address: value for address, _, value in event.stores}
        changed = {name: new for name, (_, new) in event.changed.items()}
        name = self.placed.names.get(at, made.spec.name)
        self.callees.append(Callee(name, len(self.events) - 1, at, back, changed, stores))
        return back

    # Moving back in time

    def settle(self) -> None:
        """Move what was served to the start or into callees. Raises Unplaced where that changes what happens."""
        start = {page: bytearray(content) for page, content in self.storage.items()}
        for page in self.recorder.pages():
            start.setdefault(page, bytearray(PAGE))
        now: dict[int, int] = {}
        settled: dict[int, float] = {}  # the event since which a byte is needed as it is
        served = sorted(self._served)
        for number, event in enumerate(self.events):
            while served and served[0][0] == number:
                _, at, byte = served.pop(0)
                if now.get(at, start[at & -PAGE][at % PAGE]) != byte:
                    self._put(start, number, at, byte, settled.get(at))
                now[at], settled[at] = byte, number - 0.5
            for at, size, value in event.stores:
                for index, byte in enumerate(value.to_bytes(size, "big")):
                    now[at + index], settled[at + index] = byte, number
        self.storage = {page: bytes(content) for page, content in start.items()}

    def _put(self, start: dict[int, bytearray], number: int, at: int, byte: int, since: float | None) -> None:
        fitting = [one for one in self.callees if one.event < number and (since is None or one.event >= since)]
        if fitting:
            fitting[-1].stores[at] = byte
        elif since is None:
            start[at & -PAGE][at % PAGE] = byte
        else:
            raise Unplaced(f"another CPU changes the byte at {self.named(at)} between two instructions of the routine")
