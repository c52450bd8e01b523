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
    """A call: whom the contract takes it for, and the machine as the callee finds it.

    `promised` is what is assumed of the callee when it returns.
    """

    spec: Call
    at: Place
    target: Term
    back: Term
    state: State
    before: History
    struct: Term | None
    promised: tuple[Term, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Patched:
    """A choice of what stands at the places that the kernel patches.

    `on` are the patch sites of the contract that are not as assembled, `half` those that another CPU has written in
    part; `texts` says all of it to people.
    """

    on: tuple[str, ...] = ()
    half: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def excludes(self, site: str | None) -> bool:
        """Whether a call that is made only where the site is switched on cannot be made."""
        return site is not None and site not in self.on and site not in self.half

    def requires(self, site: str | None) -> bool:
        """Whether a call that belongs to the site (or to none) must be made; half written it may or may not be."""
        return site is None or site in self.on


@dataclass(frozen=True)
class Path:
    """One way through the routine under one choice of patches.

    `out_of_line` are the targets of execute instructions; `trusted` says what was taken
    at their contract's word.
    """

    code: Code
    choice: Patched
    places: tuple[Place, ...]
    out_of_line: tuple[Place, ...]
    state: State
    calls: tuple[CallMade, ...]
    history: History
    end: Exit | Stop
    trusted: tuple[str, ...] = ()

    @property
    def patched(self) -> tuple[str, ...]:
        """The patch sites that are switched on."""
        return self.choice.on

    def describe(self) -> str:
        """The path as labels of the places where it branched, called and left."""
        label = self.code.image.label
        jumps = [
            f"{label(a)} to {label(b)}"
            for a, b in pairwise(self.places)
            if not 0 < b.offset - a.offset <= 6 or a.space != b.space
        ]
        calls = [f"call of {made.spec.name} at {label(made.at)}" for made in self.calls]
        parts = [
            *([", ".join(self.choice.texts)] if self.choice.texts else []),
            *calls,
            *jumps,
            f"exit at {label(self.end.at)}",
        ]
        return "; ".join(parts)
