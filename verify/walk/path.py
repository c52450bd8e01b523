"""What one walk through the code leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from verify.contracts.schema import Call
from verify.contracts.scope import History
from verify.machine.state import State
from verify.machine.term import Term
from verify.objfile.image import Place
from verify.semantics.code import Code
from verify.verdict import Verdict


@dataclass(frozen=True)
class CallMade:
    """A call: whom the contract takes it for, and the machine as the callee finds it."""

    spec: Call
    at: Place
    target: Term
    back: Term
    state: State
    before: History
    struct: Term | None


@dataclass(frozen=True)
class Exit:
    """Control left the routine for good; the state's pc is where it went."""

    at: Place


@dataclass(frozen=True)
class Stop:
    """The path was given up; nothing on it counts as proved."""

    verdict: Verdict
    reason: str
    at: Place


@dataclass(frozen=True)
class Path:
    """One way through the routine under one choice of run-time patches.

    `out_of_line` are the targets of execute instructions; `trusted` says what was taken
    at their contract's word.
    """

    code: Code
    patched: tuple[str, ...]
    places: tuple[Place, ...]
    out_of_line: tuple[Place, ...]
    state: State
    calls: tuple[CallMade, ...]
    history: History
    end: Exit | Stop
    trusted: tuple[str, ...] = ()

    def describe(self) -> str:
        """The path as labels of the places where it branched, called and left."""
        patches = ", ".join(self.patched)
        label = self.code.image.label
        jumps = [
            f"{label(a)} to {label(b)}"
            for a, b in pairwise(self.places)
            if not 0 < b.offset - a.offset <= 6 or a.space != b.space
        ]
        calls = [f"call of {made.spec.name} at {label(made.at)}" for made in self.calls]
        parts = [
            *([f"{patches} switched on"] if patches else []),
            *calls,
            *jumps,
            f"exit at {label(self.end.at)}",
        ]
        return "; ".join(parts)
