"""The arrow of the charter as code: object file to report.

object file -> Image -> Routine (+ Contract) -> Path* -> Obligation* -> Query -> Answer -> Finding -> Report
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, islice
from pathlib import Path

from verify import library, routine
from verify.contracts.claims import ProofClaim, load_claims
from verify.contracts.load import contract_names, inherited, load_contract, symbol_numbers
from verify.contracts.schema import Contract
from verify.errors import ContractError, InputError, UsageError
from verify.objfile.elf import load
from verify.objfile.image import Image, Symbol
from verify.properties import PROPERTIES, Property
from verify.prove import workers
from verify.report.progress import Watch
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.semantics import levels
from verify.verdict import Verdict

_KERNEL_SECTIONS = ("__ftrace", ".modinfo", "__ksymtab", ".s390_", ".kprobes.text", ".altinstr", "__bug_table",
                    "___kcrctab", ".discard", ".init.text", ".noinstr.text")  # fmt: skip


TIMEOUT = 300.0
"""Seconds of wall-clock time for one routine, unless something else is asked for."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    symbol: str | None = None
    contract: str | None = None
    layout: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    arch: str | None = None
    details: bool = False
    replay: bool = True

    def level(self) -> str | None:
        """The machine that the code is built for, by its usual name. Raises UsageError for a name that is none."""
        return None if self.arch is None else levels.named(self.arch)

    def properties(self) -> tuple[Property, ...]:
        """The chosen properties. Raises UsageError for a name that is none."""
        known = {prop.name for prop in PROPERTIES}
        for name in (*self.select, *self.ignore):
            if name not in known:
                raise UsageError(f"there is no property {name!r}; known: {', '.join(sorted(known))}")
        chosen = tuple(
            prop
            for prop in PROPERTIES
            if (not self.select or prop.name in self.select) and prop.name not in self.ignore
        )
        if not chosen:
            raise UsageError("--select and --ignore leave no property to prove")
        return chosen


@dataclass(frozen=True)
class Choice:
    """A routine, the contract it is held to, and why this one."""

    symbol: Symbol
    contract: Contract
    reason: str


@dataclass(frozen=True)
class Subject:
    """An input that could be read, and the routines of it to prove."""

    path: Path
    image: Image
    choices: tuple[Choice, ...]


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
    if options.contract is not None and "{" not in "".join(_contract_symbols(options.contract)):
        load_contract(library.library("models"), options.contract, options.layout)
    inputs = [_open(path, options) for path in paths]
    tasks = [(one, choice) for one in inputs if isinstance(one, Subject) for choice in one.choices]
    reports: dict[int, RoutineReport] = {}

    def heard(task: int, outcome: RoutineReport | workers.Lost) -> None:
        reports[task] = _told(*tasks[task], outcome)
        seen.finished(reports[task])

    seen.expect(len(tasks))
    with suppress(KeyboardInterrupt):
        workers.run(lambda task: _prove_routine(*tasks[task], options), len(tasks), jobs, timeout, heard, seen.tick)
    return Report(tuple(_files(inputs, reports)), versions(), interrupted=len(tasks) - len(reports))


def _files(inputs: Iterable[Subject | FileReport], reports: Mapping[int, RoutineReport]) -> Iterator[FileReport]:
    """The reports by file; those of an interrupted run lack routines."""
    tasks = count()
    for one in inputs:
        if isinstance(one, FileReport):
            yield one
        else:
            mine = islice(tasks, len(one.choices))
            yield FileReport(str(one.path), tuple(reports[task] for task in mine if task in reports))


def prove_file(path: Path, options: Options) -> FileReport:
    """Prove the routines of one file in this process, which a crash of the lifter or the solver ends."""
    subject = _open(path, options)
    if isinstance(subject, FileReport):
        return subject
    return FileReport(str(path), tuple(_prove_routine(subject, choice, options) for choice in subject.choices))


def _open(path: Path, options: Options) -> Subject | FileReport:
    """What there is to prove; for an unusable input the report that says so."""
    try:
        image = load(path)
        return Subject(path, image, tuple(choose(image, options)))
    except InputError as problem:
        return FileReport(str(path), troubles=(_trouble(path, problem),))


def _told(subject: Subject, choice: Choice, outcome: RoutineReport | workers.Lost) -> RoutineReport:
    """The report of a worker, or on its end."""
    if isinstance(outcome, RoutineReport):
        return outcome
    what = f"the lifter or solver {outcome.reason}"
    report = routine.crashed(str(subject.path), subject.image, choice.symbol, choice.contract, what)
    return replace(report, reason=choice.reason)


def _trouble(path: Path, problem: InputError) -> Finding:
    return Finding(str(path), None, None, None, Verdict.ERROR, str(problem))


def _prove_routine(subject: Subject, choice: Choice, options: Options) -> RoutineReport:
    path, name = subject.path, choice.symbol.name
    try:
        outcome = routine.prove(
            str(path),
            subject.image,
            choice.symbol,
            choice.contract,
            options.properties(),
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


# Which routines, under which contracts --------------------------------------------------------------------------------


def choose(image: Image, options: Options) -> list[Choice]:
    """The routines to prove. Raises InputError when there are none, or when the choice is not clear."""
    routines = image.routines()
    if not routines:
        raise InputError(image.path, "defines no routine (no function symbol in an executable section)")
    if options.symbol is not None:
        chosen = image.symbol(options.symbol)
        return [_choice(image, chosen, options)]
    if options.contract is not None:
        return [_choice(image, symbol, options) for symbol in _for_contract(image, routines, options.contract)]
    inner = _inner_labels(image, routines)
    return [_choice(image, symbol, options) for symbol in routines if not inner & set(_names(image, symbol))]


def _names(image: Image, symbol: Symbol) -> tuple[str, ...]:
    if symbol.place is None:
        return (symbol.name,)
    return tuple(dict.fromkeys((symbol.name, *image.aliases(symbol.place))))


def _for_contract(image: Image, routines: Sequence[Symbol], contract: str) -> list[Symbol]:
    """The routines that a contract names, or the only one there is; a contract that names none is for all."""
    patterns = _contract_symbols(contract)
    if not patterns:
        return list(routines)
    named = [s for s in routines if any(_fits(patterns, name) for name in _names(image, s))]
    if named:
        return named
    if len(routines) == 1:
        return [routines[0]]
    names = ", ".join(symbol.name for symbol in routines[:8])
    raise InputError(image.path, f"which routine is held to {contract}? choose with --symbol: {names}")


def _fits(patterns: Iterable[str], name: str) -> bool:
    patterns = list(patterns)
    return name in patterns or bool(symbol_numbers(patterns, name))


@cache
def _contract_symbols(name: str) -> tuple[str, ...]:
    """The symbols that a contract says it is for."""
    return inherited(library.library("models"), name, "symbols")


@cache
def _claims() -> tuple[ProofClaim, ...]:
    return load_claims(library.library("proofs"))


def _claims_on(image: Image) -> list[ProofClaim]:
    parts = image.path.resolve().parts
    return [claim for claim in _claims() if claim.covers_file(parts)]


def _inner_labels(image: Image, routines: Sequence[Symbol]) -> set[str]:
    """Labels inside routines: named by a contract for a routine of this image, and claimed by nobody."""
    root = library.library("models")
    claims = _claims_on(image)
    names = {name for symbol in routines for name in _names(image, symbol)}
    contracts = {claim.contract for claim in claims} or {
        name for name in contract_names(root) if any(_fits(_contract_symbols(name), symbol) for symbol in names)
    }
    found = {label for contract in contracts for label in inherited(root, contract, "inner")}
    return {label for label in found if not any(claim.covers([label]) for claim in claims)}


def _choice(image: Image, symbol: Symbol, options: Options) -> Choice:
    root = library.library("models")
    names = _names(image, symbol)
    if options.contract is not None:
        fitting = next((n for n in names if _fits(_contract_symbols(options.contract), n)), symbol.name)
        contract = load_contract(root, options.contract, options.layout, fitting)
        return Choice(symbol, _built_for(contract, options), "asked for with --contract")
    for claim in _claims_on(image):
        if claim.covers(names):
            contract = load_contract(root, claim.contract, _layout(options, claim), symbol.name)
            contract = _built_for(replace(contract, arch=claim.arch or contract.arch), options)
            return Choice(symbol, contract, f"claimed in proofs/{claim.source.name}")
    name, why = _default(image)
    return Choice(symbol, _built_for(load_contract(root, name, options.layout), options), why + _hint(names))


def _built_for(contract: Contract, options: Options) -> Contract:
    level = options.level()
    return contract if level is None else replace(contract, arch=level)


def _layout(options: Options, claim: ProofClaim) -> str | None:
    return claim.layout if options.layout is None else options.layout


def _default(image: Image) -> tuple[str, str]:
    """The ABI contract for a routine that nothing is claimed about."""
    for section in image.section_names():
        if section.startswith(_KERNEL_SECTIONS):
            return "abi/s390x-linux-kernel", f"no claim; kernel code, since there is a section {section}"
    return "abi/s390x-elf", "no claim; user code, since there is no section that only kernels have"


def _hint(names: tuple[str, ...]) -> str:
    root = library.library("models")
    fitting = [c for c in contract_names(root) if any(_fits(_contract_symbols(c), name) for name in names)]
    return f"; --contract knows {', '.join(fitting)}" if fitting else ""


def versions() -> dict[str, str]:
    """Versions of this tool and of what its verdicts rest on."""
    from importlib.metadata import version

    from verify import __version__

    return {"version": __version__, **{name: version(name) for name in ("pyvex", "cle", "z3-solver")}}


__all__ = ["TIMEOUT", "Choice", "ContractError", "Options", "choose", "prove", "prove_file", "versions"]
