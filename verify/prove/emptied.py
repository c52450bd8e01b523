"""No assumption of a contract takes paths away by contradicting itself: what lies behind it would not be judged.

Assumptions about the start are vacuous all at once, which is seen. Those that take effect on the way are not: what is
assumed of a callee when it returns, and that regions do not overlap. The paths behind them would be out of reach, and
the others alone would carry the verdict.
"""

from __future__ import annotations

from verify.errors import Undecided
from verify.machine.term import Term
from verify.properties.base import Run
from verify.prove.decide import Decider
from verify.walk.path import CallMade, Path


def check(decider: Decider, run: Run) -> None:
    """Raises Undecided for an assumption on the way that nothing can meet, SolverLimit where that is not known."""
    for made in _promises(run.paths):
        before = [*decider.assumptions, *made.state.conditions]
        if _impossible(decider, [*before, *made.promised]) and not _impossible(decider, before):
            raise Undecided(
                f"what is assumed of {made.spec.name} when it returns contradicts itself, or what came before it"
            )
    if run.contract.regions:
        asked = {tuple(run.at_exit(path).regions_apart()) for path in run.exits()}
        for apart in sorted(asked, key=len):
            if apart and _impossible(decider, [*decider.assumptions, *apart]):
                raise Undecided("the regions of the contract overlap, and it says that they do not")


def _promises(paths: tuple[Path, ...]) -> list[CallMade]:
    """The calls of which something is assumed, each beginning of a path once."""
    found = {
        (tuple(made.state.conditions), made.promised): made for path in paths for made in path.calls if made.promised
    }
    return list(found.values())


def _impossible(decider: Decider, conditions: list[Term]) -> bool:
    return decider.solver.satisfy(conditions) is None
