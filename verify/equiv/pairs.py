"""Every path of one routine beside every path of the other that the same start state takes: do they agree?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from verify.equiv.compare import Difference, Track, differences
from verify.machine.term import FALSE, INDETERMINATE, TRUE, Origin, Term, and_, not_
from verify.prove.smt import Model, Solver, SolverLimit
from verify.verdict import Verdict

MOST_PAIRS = 4096
_FIELD = re.compile(r"\w+\.\w")
_PERHAPS = "no contract says whether anybody looks at it"


@dataclass(frozen=True)
class Disagreement:
    """A difference that some start state shows, or that was not decided; `model` numbers the common names."""

    verdict: Verdict
    difference: Difference
    one: Track
    other: Track
    model: Model | None
    note: str = ""


@dataclass
class Judgement:
    """What became of all pairs: how many can be taken, the disagreements, and what was not decided at all."""

    pairs: int = 0
    found: list[Disagreement] = field(default_factory=list)
    undecided: list[tuple[Track, str]] = field(default_factory=list)


class Judge:
    """Decides pairs of paths under the contract's assumptions."""

    def __init__(self, solver: Solver, assumptions: Sequence[Term]) -> None:
        self.solver, self.assumptions = solver, tuple(assumptions)
        self.judgement = Judgement()
        self._told: set[tuple[str, Verdict]] = set()

    def judge(self, olds: Sequence[Track], news: Sequence[Track]) -> None:
        """Judge the paths of both sides in one state of the patch sites."""
        for one in olds:
            try:
                self._beside(one, news)
            except SolverLimit as limit:
                self.judgement.undecided.append((one, f"the solver gave up: {limit}"))

    def possible(self, conditions: Iterable[Term]) -> bool:
        """Whether some start state meets conditions under common names. Raises SolverLimit."""
        return self.solver.satisfy([*self.assumptions, *conditions]) is not None

    def _beside(self, one: Track, news: Sequence[Track]) -> None:
        if not self.possible(one.conditions):
            return
        refused = {not_(condition) for condition in one.conditions}
        for other in news:
            if refused.isdisjoint(other.conditions) and self.possible([*one.conditions, *other.conditions]):
                self.judgement.pairs += 1
                if self.judgement.pairs > MOST_PAIRS:
                    self.judgement.undecided.append((one, f"more than {MOST_PAIRS} pairs of paths"))
                    return
                self._pair(one, other)
        if not _complete(one.conditions, [other.conditions for other in news]) and self.possible(
            [*one.conditions, *(not_(and_(*other.conditions)) for other in news)]
        ):
            self.judgement.undecided.append((one, "no path of the new routine is known for some start states"))

    def _pair(self, one: Track, other: Track) -> None:
        premises = [*self.assumptions, *one.conditions, *other.conditions]
        compared = differences(one, other, lambda condition: self._settled(condition, premises))
        open_ = [each for each in compared if each.goal is not TRUE]
        open_ = [each for each in open_ if (_key(each), Verdict.UNCONFIRMED) not in self._told]
        if not open_:
            return
        if self._all_alike(premises, open_):
            return
        for each in open_:
            if (_key(each), Verdict.UNCONFIRMED) in self._told:
                continue
            try:
                model = self.solver.satisfy([*premises, not_(each.goal)])
            except SolverLimit as limit:
                note = f"the solver gave up: {limit}"
                self._tell(Disagreement(Verdict.UNKNOWN, each, one, other, None, note))
                continue
            if model is not None:
                self._tell(_disagreement(each, one, other, model))

    def _all_alike(self, premises: Sequence[Term], open_: Sequence[Difference]) -> bool:
        """Whether one query decides them all."""
        if any(each.goal is FALSE for each in open_):
            return False
        try:
            return self.solver.satisfy([*premises, not_(and_(*[each.goal for each in open_]))]) is None
        except SolverLimit:
            return False

    def _settled(self, condition: Term, premises: Sequence[Term]) -> Term:
        if condition.is_const:
            return condition
        try:
            if self.solver.satisfy([*premises, condition]) is None:
                return FALSE
            return TRUE if self.solver.satisfy([*premises, not_(condition)]) is None else condition
        except SolverLimit:
            return condition

    def _tell(self, found: Disagreement) -> None:
        """The same difference on several pairs is one: the first tells it."""
        key = _key(found.difference), found.verdict
        if key not in self._told:
            self._told.add(key)
            self.judgement.found.append(found)


def _key(each: Difference) -> str:
    """A field of a struct that differs at one call differs at the next, too: that is one difference."""
    return each.what.partition(" at the call of ")[0] if _FIELD.match(each.what) else each.what


def _disagreement(each: Difference, one: Track, other: Track, model: Model) -> Disagreement:
    unmatched = sorted(map(str, _unmatched(each, one, other)))
    if unmatched:
        note = f"it depends on {unmatched[0]}, which may be the same on the other side, or not"
        return Disagreement(Verdict.UNKNOWN, each, one, other, None, note)
    if each.perhaps:
        return Disagreement(Verdict.UNKNOWN, each, one, other, None, "" if each.reason else _PERHAPS)
    garbage = sorted(str(unknown) for unknown in each.goal.leaves() if _garbage(unknown, one, other))
    note = f"it depends on {garbage[0]}, which nothing defines" if garbage else ""
    return Disagreement(Verdict.UNCONFIRMED, each, one, other, model, note)


def _garbage(unknown: Term, one: Track, other: Track) -> bool:
    marks = (one.names.side.mark, other.names.side.mark)
    return unknown.leaf is not None and unknown.leaf.origin in INDETERMINATE and unknown.leaf.name.endswith(marks)


def _unmatched(each: Difference, one: Track, other: Track) -> Iterator[Term]:
    """What one side names by itself and the other may have, too: then that the values differ means nothing."""
    own = one.names.unmatched | other.names.unmatched
    if not own:
        return
    for condition in (*one.conditions, *other.conditions):
        yield from own & condition.leaves()
    old = None if each.old is None else one.names(each.old)
    new = None if each.new is None else other.names(each.new)
    for mine, theirs in ((old, new), (new, old)):
        for unknown in own & mine.leaves() if mine is not None else ():
            if not _is_address(unknown) or theirs is None or any(map(_has_name, theirs.leaves())):
                yield unknown


def _is_address(unknown: Term) -> bool:
    return unknown.leaf is not None and unknown.leaf.origin is Origin.CODE


def _has_name(unknown: Term) -> bool:
    """Whether an unknown may be an address of something that the other object has under another name."""
    return unknown.leaf is not None and unknown.leaf.origin in (Origin.CODE, Origin.SYMBOL, Origin.LOAD)


def _complete(given: Sequence[Term], rows: Sequence[Sequence[Term]]) -> bool:
    """Whether rows of conditions, which branch like a tree, leave nothing open where `given` holds."""
    return _tree(frozenset(given), [tuple(row) for row in rows])


def _tree(given: frozenset[Term], rows: list[tuple[Term, ...]]) -> bool:
    while rows:
        if any(not row for row in rows):
            return True
        first = rows[0][0]
        if first in given:
            rows = [row[1:] for row in rows if row[0] is first]
            continue
        opposite = not_(first)
        if opposite in given:
            rows = [row for row in rows if row[0] is not first]
            continue
        if any(row[0] is not first and row[0] is not opposite for row in rows):
            return False
        sides = [[row[1:] for row in rows if row[0] is side] for side in (first, opposite)]
        return all(_tree(given, side) for side in sides)
    return False
