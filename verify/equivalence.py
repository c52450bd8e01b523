"""`verify equiv`: which routine of one object is compared with which of another, under which contract; the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from verify import pipeline
from verify.equiv import prove as equiv
from verify.errors import InputError, UsageError
from verify.objfile.image import Image, Symbol
from verify.prove import workers
from verify.report.progress import Watch
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.verdict import Verdict


@dataclass(frozen=True)
class Pair:
    """Two routines and the contract that both are held to; `reason` says why this one."""

    old: equiv.Subject
    new: equiv.Subject
    choice: pipeline.Choice

    @property
    def reason(self) -> str:
        """What the report says of the choice."""
        return f"beside {self.old.symbol.name} of {self.old.file}; {self.choice.reason}"


def compare(
    old: Path, new: Path, options: pipeline.Options, symbol_new: str | None = None, *, strict: bool = False,
    jobs: int = 1, timeout: float = pipeline.TIMEOUT, watch: Watch | None = None,
) -> Report:  # fmt: skip
    """Compare the routines of two objects, in worker processes.

    An unusable input becomes a finding. Raises ContractError and UsageError, and VerifyError where no process can be
    started.
    """
    seen = Watch() if watch is None else watch
    options.level()
    options.model()
    options.version()
    try:
        pairs, troubles = choose(old, new, options, symbol_new)
    except InputError as problem:
        return Report((_unusable(problem),), pipeline.versions())
    reports: dict[int, RoutineReport] = {}

    def heard(task: int, outcome: RoutineReport | workers.Lost) -> None:
        reports[task] = _told(pairs[task], outcome)
        seen.finished(reports[task])

    def work(task: int) -> RoutineReport:
        return compared(pairs[task], options, strict=strict)

    seen.expect(len(pairs))
    with suppress(KeyboardInterrupt):
        workers.run(work, len(pairs), jobs, timeout, heard, seen.tick)
    done = tuple(reports[task] for task in range(len(pairs)) if task in reports)
    file = FileReport(str(new), done, troubles)
    return Report((file,), pipeline.versions(), interrupted=len(pairs) - len(reports))


def compared(pair: Pair, options: pipeline.Options, *, strict: bool = False) -> RoutineReport:
    """Compare one pair in this process, which a crash of the lifter or the solver ends."""
    old, new, contract = pair.old, pair.new, pair.choice.contract
    try:
        report = equiv.prove(old, new, contract, strict=strict, details=options.details, replay=options.replay)
    except Exception as crash:  # a crash costs one pair, never the run, and is never a pass
        text = f"internal error, please report it: {type(crash).__name__}: {crash}"
        finding = Finding(new.file, new.symbol.name, contract.name, None, Verdict.UNKNOWN, text)
        return RoutineReport(new.file, new.symbol.name, contract.name, pair.reason, (finding,))
    return replace(report, reason=pair.reason)


def _told(pair: Pair, outcome: RoutineReport | workers.Lost) -> RoutineReport:
    if isinstance(outcome, RoutineReport):
        return outcome
    what = f"the lifter or solver {outcome.reason}"
    return replace(equiv.crashed(pair.old, pair.new, pair.choice.contract, what), reason=pair.reason)


def _unusable(problem: InputError) -> FileReport:
    return FileReport(problem.path, troubles=(Finding(problem.path, None, None, None, Verdict.ERROR, str(problem)),))


# Which routine beside which -------------------------------------------------------------------------------------------


def choose(
    old: Path, new: Path, options: pipeline.Options, symbol_new: str | None = None
) -> tuple[list[Pair], tuple[Finding, ...]]:
    """The pairs of routines, and a finding for each routine of the old object that the new one has not.

    The contract is the one that the old routine would be proved under. Raises InputError and UsageError.
    """
    first = pipeline.opened(old, options)
    second = first if new.resolve() == old.resolve() else pipeline.opened(new, options)
    choices = pipeline.choose(first, options)
    if symbol_new is not None and len(choices) != 1:
        raise UsageError("--symbol-new names one routine: choose the old one with --symbol")
    pairs, missing = [], []
    for choice in choices:
        symbol = _counterpart(second, choice.symbol, first, symbol_new, alone=len(choices) == 1)
        if symbol is None:
            text = f"{new}: defines no routine named {choice.symbol.name!r}, as {old} does"
            missing.append(Finding(str(new), None, None, None, Verdict.ERROR, text))
        else:
            sides = equiv.Subject(str(old), first, choice.symbol), equiv.Subject(str(new), second, symbol)
            pairs.append(Pair(*sides, choice))
    return pairs, tuple(missing)


def _counterpart(new: Image, symbol: Symbol, old: Image, wanted: str | None, *, alone: bool) -> Symbol | None:
    """The new routine that an old one is compared with: as asked for, else of the same name. Raises NoSuchSymbol."""
    if wanted is not None or alone:
        return new.symbol(wanted or symbol.name)
    names = [symbol.name, *(old.aliases(symbol.place) if symbol.place is not None else ())]
    return next(_routines(new, names), None)


def _routines(image: Image, names: Sequence[str]) -> Iterator[Symbol]:
    for name in names:
        for symbol in image.symbols:
            if symbol.name == name and symbol.place is not None and image.code(symbol.place, 1):
                yield symbol


__all__ = ["Pair", "choose", "compare", "compared"]
