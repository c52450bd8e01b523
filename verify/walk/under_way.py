"""A path under way, and the ground that all paths of a routine walk on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from verify.contracts.schema import Contract
from verify.contracts.scope import History, Moment
from verify.machine.state import State
from verify.machine.term import Term
from verify.objfile.image import Place
from verify.semantics.code import Code
from verify.walk.path import CallMade, Patched

LINK = 14  # the register that a call leaves its return address in
Feasible = Callable[[list[Term]], bool]
Watch = Callable[[State, Code, Place], None]
"""Told of every instruction before it is executed."""


@dataclass
class Walk:
    """A path under way."""

    state: State
    places: list[Place] = field(default_factory=list)
    out_of_line: list[Place] = field(default_factory=list)
    visits: Counter[Place] = field(default_factory=Counter)
    calls: list[CallMade] = field(default_factory=list)
    history: History = field(default_factory=History)
    linked_at: dict[Term, Place] = field(default_factory=dict)
    trusted: list[str] = field(default_factory=list)

    def fork(self) -> Walk:
        """The same path so far, to be followed another way."""
        return Walk(
            self.state.copy(),
            list(self.places),
            list(self.out_of_line),
            self.visits.copy(),
            list(self.calls),
            self.history,
            dict(self.linked_at),
            list(self.trusted),
        )


class Ground:
    """What all paths have in common: the code, its contract, what is patched; and the steps taken on all of them."""

    def __init__(
        self, code: Code, contract: Contract, choice: Patched, feasible: Feasible, watch: Watch | None
    ) -> None:
        self.code, self.contract, self.choice, self.feasible, self.watch = code, contract, choice, feasible, watch
        self.steps = 0
        # Functions that the contract names are called by their contract, also where the image contains them.
        self.named = {
            code.symbol(spec.to.text.removeprefix("symbol."))
            for spec in contract.calls
            if spec.to is not None and spec.to.names == (spec.to.text,) and spec.to.text.startswith("symbol.")
        }

    def moment(self, walk: Walk) -> Moment:
        """What the expressions of the contract mean where the path has come to."""
        return Moment(self.contract, self.code.symbol, walk.state, walk.history)

    def is_named_call(self, state: State) -> bool:
        """Whether control is about to enter, by a call, a function that the contract names."""
        return state.pc in self.named and self.code.mode.address(state.gpr[LINK]) in state.links


def known(place: Place | None) -> Place:
    """A place that a path has come to. Raises ValueError for one that has not begun."""
    if place is None:
        raise ValueError("a path ended before its first instruction")
    return place
