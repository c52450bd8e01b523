"""The arrow of the charter as code: object file to report.

object file -> Image -> Routine (+ Contract) -> Path* -> Obligation* -> Query -> Answer -> Finding -> Report
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from verify import library, routine
from verify.choice import Choice, Refused, choose, contract_symbols
from verify.contracts.load import load_contract
from verify.errors import InputError, UsageError
from verify.objfile import raw
from verify.objfile.elf import load
from verify.objfile.image import Image
from verify.options import TIMEOUT, Options
from verify.prove import workers
from verify.report.progress import Watch
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.verdict import Verdict
from verify.versions import versions


@dataclass(frozen=True)
class Subject:
    """An input that could be read, the routines of it to prove, and what is wrong with the choice of others."""

    path: Path
    image: Image
    choices: tuple[Choice, ...]
    troubles: tuple[Finding, ...] = ()


def prove(
    paths: Sequence[Path], options: Options, jobs: int = 1, timeout: float = TIMEOUT, watch: Watch | None = None
) -> Report:
    """Prove every routine of every file, in worker processes: `jobs` routines at a time.

    Bad inputs become findings, and so does a crash inside one routine, or a hang of more than `timeout` seconds
    (0: no limit). `watch` is told how far it is. When Ctrl-C ends the run among the proofs, the report has what is
    proved by then. Raises ContractError and UsageError, and VerifyError where no process can be started.
    """
    seen = Watch() if watch is None else watch
    options.properties()
    options.level()
    options.model()
    if options.raw and len(paths) > 1:
        raise UsageError("--raw takes one file: no two pieces of code lie at one address")
    options.structs()
    options.version()
    if options.contract is not None and "{" not in "".join(contract_symbols(options.contract)):
        load_contract(library.library("models"), options.contract, options.structs())
    inputs = [_open(path, options) for path in paths]
    tasks = [(one, choice) for one in inputs if isinstance(one, Subject) for choice in one.choices]
    reports: dict[int, RoutineReport] = {}

    left = Counter(id(one) for one, _ in tasks)

    def heard(task: int, outcome: RoutineReport | workers.Lost) -> None:
        subject, choice = tasks[task]
        reports[task] = _told(subject, choice, outcome)
        seen.finished(reports[task])
        left[id(subject)] -= 1
        if not left[id(subject)]:
            whole = tuple(reports[one] for one in sorted(reports) if tasks[one][0] is subject)
            seen.whole(FileReport(str(subject.path), whole, subject.troubles))

    seen.expect(len(tasks))
    with suppress(KeyboardInterrupt):
        workers.run(lambda task: prove_routine(*tasks[task], options), len(tasks), jobs, timeout, heard, seen.tick)
    return Report(tuple(_files(inputs, reports)), versions(), interrupted=len(tasks) - len(reports))


def _files(inputs: Iterable[Subject | FileReport], reports: Mapping[int, RoutineReport]) -> Iterator[FileReport]:
    """The reports by file; those of an interrupted run lack routines."""
    tasks = count()
    for one in inputs:
        if isinstance(one, FileReport):
            yield one
        else:
            mine = islice(tasks, len(one.choices))
            yield FileReport(str(one.path), tuple(reports[task] for task in mine if task in reports), one.troubles)


def prove_file(path: Path, options: Options) -> FileReport:
    """Prove the routines of one file in this process, which a crash of the lifter or the solver ends."""
    subject = _open(path, options)
    if isinstance(subject, FileReport):
        return subject
    proved = tuple(prove_routine(subject, choice, options) for choice in subject.choices)
    return FileReport(str(path), proved, subject.troubles)


def _open(path: Path, options: Options) -> Subject | FileReport:
    """What there is to prove; for an unusable input the report that says so."""
    try:
        image = opened(path, options)
        refused: Refused = {}
        choices = tuple(choose(image, options, refused))
        return Subject(path, image, choices, tuple(_trouble(path, one) for one in refused.values()))
    except InputError as problem:
        return FileReport(str(path), troubles=(_trouble(path, problem),))


def opened(path: Path, options: Options) -> Image:
    """The input as an image: an object file, or with --raw a dump of code bytes. Raises InputError, UsageError."""
    if not options.raw:
        for name, value in (("--base", options.base), ("--entry", options.entry), ("--let", options.let or None)):
            if value is not None:
                raise UsageError(f"{name} is for bare code; say --raw, or leave it out")
        return load(path)
    return raw.load(path, options.base, options.entry or 0, options.symbol, options.let)


def _told(subject: Subject, choice: Choice, outcome: RoutineReport | workers.Lost) -> RoutineReport:
    """The report of a worker, or on its end."""
    if isinstance(outcome, RoutineReport):
        return outcome
    what = f"the lifter or solver {outcome.reason}"
    report = routine.crashed(str(subject.path), subject.image, choice.symbol, choice.contract, what)
    return replace(report, reason=choice.reason)


def _trouble(path: Path, problem: InputError) -> Finding:
    """Bad input or bad usage; an error with a routine of its own would be a crash in there."""
    return Finding(str(path), None, None, None, Verdict.ERROR, str(problem))


def prove_routine(subject: Subject, choice: Choice, options: Options) -> RoutineReport:
    """Prove one routine in this process; what goes wrong inside is a finding."""
    path, name = subject.path, choice.symbol.name
    try:
        outcome = routine.prove(
            str(path),
            subject.image,
            choice.symbol,
            choice.contract,
            [prop for prop in options.properties() if prop.name not in choice.ignore],
            details=options.details,
            replay=options.replay,
        )
    except Exception as crash:  # a crash costs one routine, never the run, and is never a pass
        finding = Finding(
            str(path), name, choice.contract.name, None, Verdict.UNKNOWN,
            f"internal error, please report it: {type(crash).__name__}: {crash}",
        )  # fmt: skip
        return RoutineReport(str(path), name, choice.contract.name, choice.reason, (finding,))
    return replace(outcome, reason=choice.reason)


__all__ = ["TIMEOUT", "Choice", "Options", "choose", "prove", "prove_file", "versions"]
