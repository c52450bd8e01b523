"""The arrow of `verify robust`: source to objects, one for each moved layout, to proofs, to one verdict a routine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from verify import assemble, pipeline, routine
from verify.assemble import Assembler
from verify.contracts.asm_offsets import STRUCTS
from verify.contracts.expr import Expr
from verify.contracts.layout import Layout
from verify.contracts.schema import Contract
from verify.errors import InputError, Undecided, Unsupported, UsageError
from verify.objfile.image import Image
from verify.properties.layout_robust import PROPERTY
from verify.prove import workers
from verify.prove.decide import Decider
from verify.prove.smt import Solver, SolverLimit
from verify.report.localize import changed
from verify.report.progress import Watch
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.robust import headers
from verify.robust.bench import Bench, Request
from verify.robust.compare import Seen, Watcher, stayed
from verify.robust.headers import Header
from verify.robust.judge import Judge, Outcome
from verify.robust.origin import origin
from verify.robust.variants import FIXED, Variant, variants
from verify.semantics.code import Code
from verify.verdict import Verdict


@dataclass(frozen=True)
class Setting:
    """What is the same for all sources of a run."""

    tool: Assembler
    request: Request
    options: pipeline.Options
    headers: tuple[Header, ...]
    jobs: int
    timeout: float
    watch: Watch


def robust(
    sources: Sequence[Path], request: Request, options: pipeline.Options, jobs: int = 1,
    timeout: float = pipeline.TIMEOUT, watch: Watch | None = None,
) -> Report:  # fmt: skip
    """Prove each routine of each source in every moved layout. What is wrong with one source becomes a finding.

    Raises UsageError where there is no assembler or nothing that could move, InputError for a header that cannot be
    used, ContractError, and VerifyError where no process can be started.
    """
    if options.raw or options.base is not None or options.entry is not None or options.let:
        raise UsageError("--raw, --base, --entry and --let are for bare code, which is not assembled again")
    tool = assemble.find(request.assembler, request.bits)
    options.properties()
    found = tuple(headers.read(path) for path in dict.fromkeys(request.offsets))
    if not headers.structs(found) - FIXED:
        names = " and ".join(map(str, request.offsets))
        raise UsageError(f"{names}: names no field of a struct that could move, such as __PT_GPRS")
    setting = Setting(tool, request, options, found, jobs, timeout, Watch() if watch is None else watch)
    return Report(tuple(_file(path, setting) for path in sources), {**pipeline.versions(), "assembler": tool.name})


def _file(path: Path, setting: Setting) -> FileReport:
    """The report on one source; one that cannot be used is a finding that says so."""
    with TemporaryDirectory(prefix="verify-") as name:
        scratch = Path(name).resolve()
        try:
            report = FileReport(str(path), tuple(_routines(path, setting, scratch)))
        except InputError as problem:
            finding = Finding(str(path), None, None, None, Verdict.ERROR, str(problem))
            report = FileReport(str(path), troubles=(finding,))
        found: FileReport = changed(report, partial(_outside, scratch))
        return found


def _outside(scratch: Path, text: str) -> str:
    """A text in which a file of an overlay has its own name: relative, where it lies below the current directory."""
    if str(scratch) not in text:
        return text
    return re.sub(rf"{re.escape(str(scratch))}/\d+({re.escape(str(Path.cwd()))}/)?", "", text)


@dataclass(frozen=True)
class _Case:
    """A routine of the source as it is, and the moved layouts that its contract has something to say about."""

    choice: pipeline.Choice
    moves: tuple[Variant, ...]


def _routines(path: Path, setting: Setting, scratch: Path) -> Iterator[RoutineReport]:
    source = origin(path, Path.cwd())
    bench = Bench(setting.tool, source, setting.request, setting.headers, scratch, setting.options.level())
    image = bench.plain()
    source.check(image)
    remarks = [f"{one.given} is not included: its numbers are the layout, and none of its names is used"
               for one in bench.unread()]  # fmt: skip
    cases = [_Case(choice, tuple(_moves(choice.contract, setting.headers)))
             for choice in _choices(path, image, setting)]  # fmt: skip
    moves = list(dict.fromkeys(move for case in cases for move in case.moves))
    objects = dict(zip(moves, bench.moved(moves), strict=True))
    yield from _judged(path, setting, bench, image, cases, objects, remarks)


def _choices(path: Path, image: Image, setting: Setting) -> Iterator[pipeline.Choice]:
    """The routines under contracts whose layout is what the headers say. Raises InputError."""
    named = replace(image, path=path.with_suffix(".o"))  # claims go by the object's name
    try:
        found = pipeline.choose(named, setting.options)
    except InputError as problem:
        raise InputError(path, problem.reason) from problem
    for one in found:
        layout = headers.laid_out(one.contract.layout, setting.headers)
        words = one.reason if layout is one.contract.layout else f"{one.reason}, with the offsets of --offsets"
        yield replace(one, contract=one.contract.in_layout(layout), reason=words)


def _moves(contract: Contract, found: Iterable[Header]) -> Iterator[Variant]:
    """The changes of each struct that the contract speaks of and the headers have names for."""
    for name in sorted((headers.structs(found) & _spoken_of(contract)) - FIXED):
        yield from variants(contract.layout.structs[name])


def _spoken_of(contract: Contract) -> set[str]:
    """The structs of the layout that a contract hands out or names."""
    heads = {name.partition(".")[0] for expr in _expressions(contract) for name in expr.names}
    handed = set() if contract.handed is None else {contract.handed.type}
    return (heads | handed) & set(contract.layout.structs)


def _expressions(value: object) -> Iterator[Expr]:
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _expressions(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _expressions(item)
    elif is_dataclass(value) and not isinstance(value, Layout):
        for field in fields(value):
            yield from _expressions(getattr(value, field.name))


# Proofs ---------------------------------------------------------------------------------------------------------------


def _judged(
    path: Path, setting: Setting, bench: Bench, image: Image, cases: Sequence[_Case],
    objects: Mapping[Variant, Image | str], remarks: Sequence[str],
) -> Iterator[RoutineReport]:  # fmt: skip
    """Prove as it is, then in every moved layout; the verdicts."""
    alone = not any(case.moves for case in cases)
    yield from (_unmoved(path, case, setting.headers, alone) for case in cases if not case.moves)
    cases = [case for case in cases if case.moves]
    plain = _run(setting, [(case.choice, image) for case in cases], path, replay=True)
    seen = [_observed(image, case.choice) for case in cases]
    texts = bench.texts()
    made = {move: one for move, one in objects.items() if isinstance(one, Image)}
    tasks = [
        (number, move)
        for number, case in enumerate(cases)
        if _proved(plain[number])
        for move in case.moves
        if move in made
    ]
    work = [(_in_layout(cases[number].choice, move), made[move]) for number, move in tasks]
    # The witness is an instruction, so a counterexample is run on a machine only where none is found.
    proofs = dict(zip(tasks, _run(setting, work, path, replay=False), strict=True))
    for number, case in enumerate(cases):
        outcomes = [
            _outcome(move, proofs.get((number, move)), objects[move], image, case.choice.contract, seen[number])
            for move in case.moves
        ]
        broken = next((one for one in outcomes if one.broken()), None)
        if broken is not None and not any(one.witnesses for one in outcomes if one.broken()):
            work = [(_in_layout(case.choice, broken.variant), made[broken.variant])]
            outcomes[outcomes.index(broken)] = replace(broken, report=_run(setting, work, path, replay=True)[0])
        judge = Judge(path, image, case.choice.symbol, case.choice.contract, texts)
        yield judge.report(plain[number], outcomes, remarks)


def _in_layout(choice: pipeline.Choice, move: Variant) -> pipeline.Choice:
    return replace(choice, contract=choice.contract.in_layout(move.apply(choice.contract.layout)))


def _run(
    setting: Setting, work: Sequence[tuple[pipeline.Choice, Image]], path: Path, *, replay: bool
) -> list[RoutineReport]:
    """Prove each of these in worker processes, since lifter and solver may crash."""

    def prove(task: int) -> RoutineReport:
        choice, image = work[task]
        here = replace(choice, symbol=image.symbol(choice.symbol.name))
        return pipeline.prove_routine(pipeline.Subject(path, image, (here,)), here, options)

    options = replace(setting.options, replay=replay)
    setting.watch.expect(len(work))
    results = workers.run(prove, len(work), setting.jobs, setting.timeout, tick=setting.watch.tick)
    return [_told(path, *one, result) for one, result in zip(work, results, strict=True)]


def _told(path: Path, choice: pipeline.Choice, image: Image, result: RoutineReport | workers.Lost) -> RoutineReport:
    if isinstance(result, RoutineReport):
        return result
    what = f"the lifter or solver {result.reason}"
    return replace(routine.crashed(str(path), image, choice.symbol, choice.contract, what), reason=choice.reason)


def _proved(report: RoutineReport) -> bool:
    return bool(report.findings) and all(one.verdict is Verdict.PROVED for one in report.findings)


def _observed(image: Image, choice: pipeline.Choice) -> Seen:
    """The numbers of a routine that span stack addresses; none where the walk comes to nothing."""
    entry = choice.symbol.place
    assert entry is not None
    watcher = Watcher()
    try:
        decider = Decider(Solver(), routine.assumptions(choice.contract, Code(image), entry))
        paths = list(routine.walk(image, choice.contract, entry, decider, watcher))
    except (Unsupported, Undecided, SolverLimit):
        return Seen()  # the report on the routine as it is says so
    return watcher.seen(path.state.mode.offset(one) for path in paths if (one := path.history.struct) is not None)


def _outcome(
    move: Variant, proof: RoutineReport | None, made: Image | str, plain: Image, contract: Contract, seen: Seen
) -> Outcome:
    if isinstance(made, str):
        return Outcome(move, None, f"not assembled: {made}")
    handed = contract.handed
    witnesses = (
        tuple(stayed(plain, made, seen, contract.layout.structs[move.struct], move, handed.name))
        if handed is not None and handed.type == move.struct
        else ()
    )
    return Outcome(move, proof, None if proof else "the proof was not tried", witnesses)


def _unmoved(path: Path, case: _Case, found: Iterable[Header], alone: bool) -> RoutineReport:
    """The report on a routine for which nothing moves: a remark, unless no routine has anything that could."""
    choice = case.choice
    structs = sorted((_spoken_of(choice.contract) & STRUCTS) - FIXED)
    words = "the contract speaks of no struct whose fields could move"
    verdict = Verdict.VACUOUS
    if structs:
        names = ", ".join(str(one.given) for one in found)
        verdict, words = Verdict.UNKNOWN, f"not decided: no field of struct {structs[0]} has a name in {names}"
    finding = Finding(str(path), choice.symbol.name, choice.contract.name, PROPERTY.name, verdict, words)
    counts = alone or bool(structs)
    return RoutineReport(str(path), choice.symbol.name, choice.contract.name, choice.reason,
                         (finding,) if counts else (), remarks=() if counts else (words,))  # fmt: skip
