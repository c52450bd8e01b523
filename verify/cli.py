"""The commands: `verify prove`, `robust`, `replay`, `list`, `rule`, `show`, `semantics` and others."""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from verify import __version__, library
from verify import config as config_file
from verify.errors import UsageError, VerifyError
from verify.report import formats, terminal
from verify.verdict import Exit, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verify.report.report import Report
    from verify.semantics import isa

# A run is short and makes few cycles, while the imports of pyvex and z3 alone trigger a dozen full collections.
_GC_THRESHOLD = 500_000  # and the last collections, at exit, would take as long as a proof
_COLOURS = {Verdict.PROVED: "green", Verdict.VACUOUS: "yellow", Verdict.UNKNOWN: "yellow",
            Verdict.UNSUPPORTED: "yellow"}  # fmt: skip

_CONFIGURED = ("prove",)
"""The commands that heed a project's settings."""

Command = TypeVar("Command", bound="Callable[..., None]")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verify")
@click.pass_context
def cli(context: click.Context) -> None:
    """Prove assembly trampolines on IBM Z correct."""
    if context.invoked_subcommand in _CONFIGURED:
        settings = config_file.nearest(Path.cwd())
        context.obj = settings
        context.default_map = {context.invoked_subcommand: config_file.defaults(settings)}


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not names:  # an empty variable in a CI script must not change what is proved
        raise click.BadParameter("names no property")
    return names


def _targets(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[formats.Target, ...]:
    try:
        return tuple(map(formats.target, values))
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from problem


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    return None if value is None else _number(value)


def _lets(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for value in values:
        name, equals, number = value.partition("=")
        if not (equals and name.isidentifier()):
            raise click.BadParameter(f"{value!r} is not NAME=NUMBER")
        if found.setdefault(name, _number(number)) != _number(number):
            raise click.BadParameter(f"{name} is given twice")
    return tuple(found.items())


def _number(text: str) -> int:
    """A number of 64 bits, hexadecimal after 0x."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        raise click.BadParameter(f"{text!r} is not a number of 64 bits, such as 0x3ff80012340")
    return number


def _choosing(command: Command) -> Command:
    """Options that choose a routine and what it is held to; each is a field of pipeline.Options by its name."""
    for option in reversed(_CHOOSING):
        command = option(command)
    return command


_CHOOSING = (
    click.option("--symbol", metavar="S", help="Only the routine of this name."),
    click.option("--contract", metavar="NAME", help="Hold it to this contract (see `verify list contracts`)."),
    click.option("--kernel", metavar="VERSION", help="Choose the contracts of this kernel (5.10, 6.12.94, ..)."),
    click.option("--layout", metavar="NAME", help="Use this struct layout instead of the contract's own."),
    click.option(
        "--asm-offsets",
        metavar="HEADER",
        type=click.Path(path_type=Path),
        help="Use the struct layout of the kernel with this include/generated/asm-offsets.h.",
    ),
    click.option(
        "--dwarf",
        metavar="VMLINUX",
        type=click.Path(path_type=Path),
        help="Use the struct layout that the debugging information of this image, module or object describes.",
    ),
    click.option("--arch", metavar="M", help="The machine the code is built for (z10, ..): flag newer instructions."),
    click.option("--handler", metavar="NAME", help="Only for handlers of this kind (see `verify list handlers`)."),
    click.option("--raw", is_flag=True, help="The files are bare code (a JIT dump, binary or in hexadecimal)."),
    click.option("--base", metavar="ADDR", callback=_address, help="The address at which raw code lies."),
    click.option("--entry", metavar="OFFSET", callback=_address, help="Where the routine begins in raw code (0)."),
    click.option(
        "--let",
        multiple=True,
        callback=_lets,
        metavar="NAME=NUMBER",
        help="What a name in the contract of raw code stands for, such as a function's address; may be repeated.",
    ),
)


def _part(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    number, _, count = value.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise click.BadParameter(f"{value!r} is no part I/N of a run, such as 1/4")
    return int(number), int(count)


def _verdicts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[Verdict, ...]:
    """The verdicts that do not fail the run, from those that do."""
    words = _names(_context, _parameter, value)
    for word in words:
        if word not in map(str, formats.FAILING):
            raise click.BadParameter(
                f"{word!r} is no verdict that fails; there are {', '.join(map(str, formats.FAILING))}"
            )
    return tuple(verdict for verdict in formats.FAILING if words and str(verdict) not in words)


def _gating(command: Command) -> Command:
    """Options that say what makes a run fail."""
    for option in reversed(_GATING):
        command = option(command)
    return command


_GATING = (
    click.option(
        "--baseline",
        metavar="REPORT",
        type=click.Path(path_type=Path),
        help="A JSON report of an earlier run: what it has is told, and does not fail this one.",
    ),
    click.option(
        "--fail-on",
        "tolerated",
        callback=_verdicts,
        metavar="VERDICT,..",
        help="Fail only on these verdicts, and on bad input (default: on all but proved).",
    ),
)


def _reporting(command: Command) -> Command:
    """Options that say in which formats a report is written, and where."""
    for option in reversed(_REPORTING):
        command = option(command)
    return command


_REPORTING = (
    click.option(
        "--format",
        "reports",
        multiple=True,
        callback=_targets,
        metavar="NAME[=FILE]",
        help=f"Report format: {formats.NAMES} (default: text). With =FILE into that file; may be given several times.",
    ),
    click.option("--output", type=click.Path(path_type=Path), help="File for the report whose --format names none."),
    click.option("--quiet", is_flag=True, help="Say nothing about what is proved."),
)


@cli.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@_choosing
@click.option("--select", metavar="P,..", callback=_names, help="Only these properties.")
@click.option("--ignore", metavar="P,..", callback=_names, help="All properties but these.")
@_reporting
@_gating
@click.option("--shard", callback=_part, metavar="I/N", help="Only every N-th file, beginning with the I-th.")
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Prove N routines at a time.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=300.0,
    metavar="SECONDS",
    show_default=True,
    help="Give a routine up, as an error, after this time; 0: never.",
)
@click.option("--no-replay", is_flag=True, help="Run no counterexample on the emulator: they stay unconfirmed.")
def prove(
    files: tuple[Path, ...], select: tuple[str, ...], ignore: tuple[str, ...], reports: tuple[formats.Target, ...],
    output: Path | None, quiet: bool, baseline: Path | None, tolerated: tuple[Verdict, ...],
    shard: tuple[int, int] | None, jobs: int, timeout: float, no_replay: bool, **choosing: Any,
) -> None:  # fmt: skip
    """Prove the routines of s390x object files.

    Exit code: 0 all proved, 1 something refuted or unconfirmed, 3 something not proved, 2 bad usage or input, 130
    interrupted.
    """
    from verify import pipeline
    from verify.prove import workers
    from verify.report import merge as merging
    from verify.report import progress

    targets = formats.targets(reports, output)
    known = _known(baseline)
    details = formats.details(targets)
    options = pipeline.Options(**choosing, select=select, ignore=ignore, details=details, replay=not no_replay)
    settings = click.get_current_context().find_object(config_file.Config) or config_file.Config()
    mine = merging.share(files or settings.objects(), shard)
    with workers.terminable(), nullcontext() if quiet else progress.Meter(sys.stderr) as meter:
        report = pipeline.prove(mine, options, jobs, timeout, meter)
    _tell(_gated(replace(report, shard=shard), known, tolerated), targets, quiet)


@cli.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@_choosing
@click.option("--symbol-new", metavar="T", help="The routine of NEW, where it has another name than that of OLD.")
@click.option("--strict", is_flag=True, help="Compare all general registers and the condition code, scratch included.")
@_reporting
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Compare N pairs at a time.")
@click.option("--timeout", type=click.FloatRange(0), default=300.0, metavar="SECONDS", show_default=True,
              help="Give a pair up, as an error, after this time; 0: never.")  # fmt: skip
@click.option("--no-replay", is_flag=True, help="Run no counterexample on the emulator: they stay unconfirmed.")
def equiv(
    old: Path, new: Path, symbol_new: str | None, strict: bool, reports: tuple[formats.Target, ...],
    output: Path | None, quiet: bool, jobs: int, timeout: float, no_replay: bool, **choosing: Any,
) -> None:  # fmt: skip
    """Prove that routines of two objects behave alike, or show a start state from which they do not.

    Both are held to the contract of the routine in OLD; without --symbol every routine of OLD is compared with that
    of the same name in NEW.

    Exit code: 0 all alike, 1 some differ, 3 something not decided, 2 bad usage or input, 130 interrupted.
    """
    from verify import equivalence, pipeline
    from verify.prove import workers
    from verify.report import progress

    targets = formats.targets(reports, output)
    options = pipeline.Options(**choosing, details=formats.details(targets), replay=not no_replay)
    with workers.terminable(), nullcontext() if quiet else progress.Meter(sys.stderr) as meter:
        report = equivalence.compare(
            old, new, options, symbol_new, strict=strict, jobs=jobs, timeout=timeout, watch=meter
        )
    _tell(report, targets, quiet)


@cli.command()
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@_reporting
@_gating
def merge(
    parts: tuple[Path, ...], reports: tuple[formats.Target, ...], output: Path | None, quiet: bool,
    baseline: Path | None, tolerated: tuple[Verdict, ...],
) -> None:  # fmt: skip
    """Make one report of the JSON reports of a run's parts (`verify prove --shard I/N --format json=I.json`).

    It is the report, and the exit code is that, of the whole run; only the drawings of HTML are not in it.
    """
    from verify.report import merge as merging
    from verify.report import read

    targets, known = formats.targets(reports, output), _known(baseline)
    whole = merging.merge([(part, read.report(part)) for part in parts])
    _tell(_gated(whole, known, tolerated), targets, quiet)


def _known(baseline: Path | None) -> Report | None:
    if baseline is None:
        return None
    from verify.report import read

    return read.report(baseline)


def _gated(report: Report, known: Report | None, tolerated: tuple[Verdict, ...]) -> Report:
    """The report, with what does not fail the run."""
    from verify.report.baseline import mark

    return replace(report if known is None else mark(report, known), tolerated=tolerated)


def _tell(report: Report, targets: Sequence[formats.Target], quiet: bool) -> NoReturn:
    """Write a report wherever it should go, and end with its exit code."""
    # Standard output comes last: what cannot be written ends the command with one sentence and nothing else.
    for target in sorted(targets, key=lambda one: one.file is None):
        text = _rendered(target, report, quiet)
        if target.file is None:
            click.echo(text, nl=False, color=terminal.coloured(sys.stdout))
        else:
            _write(target.file, text)
    sys.exit(report.exit_code())


def _rendered(target: formats.Target, report: Report, quiet: bool) -> str:
    if target.form != "text":
        return formats.renderer(target.form)(report)
    from verify.report import text

    colour = target.file is None and terminal.coloured(sys.stdout)
    return text.render(report, _paint if colour else text.plain, quiet=quiet)


def _paint(text: str, verdict: Verdict) -> str:
    return click.style(text, fg=_COLOURS.get(verdict, "red"), bold=verdict is not Verdict.PROVED)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise VerifyError(f"{path}: cannot be written: {problem.strerror}") from problem


@cli.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.argument("finding", required=False)
def explain(report: Path, finding: str | None) -> None:
    """Tell the counterexamples of a JSON report again, with every step.

    FINDING is a fingerprint (or how it begins), a property, or a routine; without it all that failed are told.
    """
    from verify.report import read, text

    failed = [one for one in read.findings(report) if one.verdict is not Verdict.PROVED]
    wanted = [
        one
        for one in failed
        if finding is None or finding in (one.property, one.routine) or one.fingerprint().startswith(finding)
    ]
    if not wanted:
        raise UsageError(
            f"{report}: holds no finding {finding!r} that failed" if finding else f"{report}: nothing failed"
        )
    paint = _paint if terminal.coloured(sys.stdout) else text.plain
    click.echo("\n".join(text.story_of(one, paint) for one in wanted), nl=False, color=terminal.coloured(sys.stdout))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_choosing
@click.option("--property", "prop", metavar="P", help="A counterexample to this property.")
@click.option("--number", type=click.IntRange(1), default=1, metavar="N", help="The N-th of them, not the first.")
@click.option("--output", metavar="HARNESS", type=click.Path(path_type=Path), help="Keep the executable here.")
def replay(file: Path, prop: str | None, number: int, output: Path | None, **choosing: Any) -> None:
    """Replay a counterexample, also as a static s390x executable that runs in user mode.

    The routine is proved again. Step the executable with `qemu-s390x -g 1234 HARNESS` and `gdb-multiarch HARNESS`.

    Exit code: 0 the same end everywhere, 1 something differs, 3 it cannot be had in user mode, 2 bad usage or input.
    """
    from verify import pipeline, routine
    from verify.explain import again, rerun

    options = pipeline.Options(**choosing, select=(prop,) if prop else ())
    image, properties = pipeline.opened(file, options), options.properties()
    found = (
        one
        for choice in pipeline.choose(image, options)
        for one in again.failures(image, choice.symbol, choice.contract, properties, routine.walk, routine.assumptions)
    )
    lines, code = rerun.run(file, found, number, output)
    click.echo("\n".join(lines))
    sys.exit(code)


@cli.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SOURCE...")
@click.option(
    "--offsets",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The generated header (asm-offsets.h), or an include with `.equ`; may be repeated.",
)
@click.option("-I", "includes", multiple=True, metavar="DIR", type=click.Path(path_type=Path), help="As for cc and as.")
@click.option("-D", "defines", multiple=True, metavar="SYM[=VAL]", help="As for cc, and as .equ for as.")
@click.option("-m31", "narrow", is_flag=True, help="The source is 31-bit code.")
@click.option("--assembler", metavar="NAME", help="s390x-linux-gnu-as, clang or ziglang (default: the first there is).")
@_choosing
@_reporting
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Prove N routines at a time.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=300.0,
    metavar="SECONDS",
    show_default=True,
    help="Give a proof up, as an error, after this time; 0: never.",
)
def robust(
    sources: tuple[Path, ...], offsets: tuple[Path, ...], includes: tuple[Path, ...], defines: tuple[str, ...],
    assembler: str | None, narrow: bool, reports: tuple[formats.Target, ...], output: Path | None, quiet: bool,
    jobs: int, timeout: float, **choosing: Any,
) -> None:  # fmt: skip
    """Prove routines again in layouts whose struct fields moved (layout-robust).

    Each SOURCE (assembly, or an object whose DWARF names it) is assembled against moved variants of FILE. Where the
    proof breaks, the offset that was written as a number is named with its line.

    Exit code: 0 robust, 1 refuted, 3 not proved or not decided, 2 bad usage or input, 130 interrupted.
    """
    from verify import pipeline
    from verify.prove import workers
    from verify.report import progress
    from verify.robust.bench import Request
    from verify.robust.run import robust as run

    targets = formats.targets(reports, output)
    options = pipeline.Options(**choosing, details=formats.details(targets))
    request = Request(offsets, includes, defines, assembler, 31 if narrow else 64)
    with workers.terminable(), nullcontext() if quiet else progress.Meter(sys.stderr) as meter:
        report = run(sources, request, options, jobs, timeout, meter)
    _tell(report, targets, quiet)


@cli.command()
@click.option("--update", is_flag=True, help="Prove all claims, and write the receipts and the index anew.")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, metavar="N", help="With --update: prove N routines at a time."
)
def check(update: bool, jobs: int) -> None:
    """Compare the claims under proofs/ with their receipts; prove nothing.

    Exit code: 0 all as it was, 3 something has changed and must be proved again, 2 bad input.
    """
    from verify import ledger, pipeline

    proofs = library.library("proofs")
    found = list(ledger.objects(proofs))
    if not found:
        raise UsageError(f"{proofs}: beside it there is none of the objects that it speaks of")
    if update:
        ledger.write(proofs, pipeline.prove(found, pipeline.Options(), jobs))
    sentences = list(ledger.check(proofs))
    click.echo("\n".join(sentences) or f"{len(found)} objects match their receipts")
    sys.exit(Exit.NOT_PROVED if sentences else Exit.PROVED)


@cli.command()
@click.option("--explain", is_flag=True, help="Tell all settings, and where each comes from.")
def config(explain: bool) -> None:
    """Show the settings of this project: verify.toml, or [tool.verify] of pyproject.toml."""
    from verify.report import settings

    bare = click.Context(prove)
    known = {one.opts[0].removeprefix("--"): one.get_default(bare) for one in prove.params}
    click.echo(settings.render(config_file.nearest(Path.cwd()), known, explain=explain), nl=False)


@cli.command()
@click.option("--for", "kind", type=click.Choice(["kernel", "library"]), default="library", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=Path(config_file.OWN), show_default=True)
def init(kind: str, output: Path) -> None:
    """Write a commented file of settings to start from."""
    from verify.report import settings

    if output.exists():
        raise UsageError(f"{output}: there is one already")
    _write(output, settings.TEMPLATES[kind])
    click.echo(f"{output}: written; name your objects in it, then run `verify prove`")


@cli.command("list")
@click.argument("what", type=click.Choice(["contracts", "properties", "layouts", "handlers"]))
@click.option("--kernel", metavar="VERSION", help="Only the contracts of this kernel.")
def list_(what: str, kernel: str | None) -> None:
    """List the contracts, properties, struct layouts or handler models there are."""
    if kernel is not None and what != "contracts":
        raise UsageError(f"--kernel chooses among contracts, not {what}")
    for name, summary in _contracts(kernel) if what == "contracts" else _listing(what):
        click.echo(f"{name:<34} {summary}")


def _contracts(kernel: str | None) -> list[tuple[str, str]]:
    """All contracts with the kernels they are for, or those of one kernel."""
    from verify.contracts import selection
    from verify.contracts.kernels import Fit, version

    try:
        wanted = None if kernel is None else version(kernel)
    except ValueError as problem:
        raise UsageError(str(problem)) from problem
    return [
        (one.name, one.summary if one.kernels is None else f"{one.summary} ({one.kernels.describe()})")
        for one in selection.summaries(library.library("models"))
        if wanted is None or (one.kernels is not None and one.kernels.fit(wanted) is not Fit.NO)
    ]


def _listing(what: str) -> list[tuple[str, str]]:
    from verify.contracts.handlers import handler_names, load_handler
    from verify.contracts.layout import load_layout
    from verify.contracts.load import layout_names

    root = library.library("models")
    if what == "handlers":
        return [(name, load_handler(root, name).summary) for name in handler_names(root)]
    if what == "layouts":
        return [(name, load_layout(root, name).summary) for name in layout_names(root)]
    from verify.properties import PROPERTIES

    return [(prop.name, prop.statement) for prop in PROPERTIES]


@cli.command()
@click.argument("name", metavar="CONTRACT")
def contract(name: str) -> None:
    """Print a contract with all that it inherits, as one TOML file.

    Save it, change it, and name the file: `verify prove F.o --contract mine.toml`.
    """
    from verify.report import contract as page

    click.echo(page.render(library.library("models"), name), nl=False)


@cli.command()
@click.argument("name", required=False)
def rule(name: str | None) -> None:
    """Explain a rule: a property, or `routine`; without a name, list all rules."""
    from verify.report import rules

    if name is None:
        click.echo(rules.listing(), nl=False)
        return
    bold = terminal.coloured(sys.stdout)
    text = rules.render(rules.load_rule(name), terminal.width(sys.stdout), _heading if bold else rules.plain)
    click.echo(text, nl=False, color=bold)


def _heading(text: str) -> str:
    return click.style(text, bold=True)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--symbol", metavar="S", help="Only the routine of this name.")
@click.option("--dot", is_flag=True, help="Print the control-flow graph as Graphviz DOT and nothing else.")
@click.option(
    "--cfg",
    "graphs",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the control-flow graph to FILE.svg, FILE.dot or FILE.graphml, and print nothing; may be repeated.",
)
def show(file: Path, symbol: str | None, dot: bool, graphs: tuple[Path, ...]) -> None:
    """Show a routine: disassembly, and its control-flow graph in text and Graphviz DOT."""
    from verify.objfile.elf import load
    from verify.report import cfgfile, listing

    wanted = [cfgfile.checked(path) for path in graphs]
    image = load(file)
    chosen = [image.symbol(symbol)] if symbol else image.routines()
    for path in wanted:
        _write(path, cfgfile.render(path, image, chosen))
    if not wanted:
        click.echo(listing.render(image, chosen, dot_only=dot), nl=False)


@cli.command()
@click.argument("mnemonics", nargs=-1, metavar="[MNEMONIC]...")
@click.option("--source", type=click.Choice(["vex", "zarch", "-"]), help="Only those; -: no semantics.")
@click.option("--arch", metavar="M", help="Only the instructions that this machine has (z10, ..).")
def semantics(mnemonics: tuple[str, ...], source: str | None, arch: str | None) -> None:
    """List the instructions, or tell what some of them do.

    Each with its source (vex, zarch or -), the manual's chapter, the machine that introduced it, how often it was
    compared with another machine, and the last result.
    """
    from verify.report import instructions
    from verify.semantics import isa, levels

    if mnemonics:
        found = [_row(name) for name in mnemonics]
        click.echo("\n".join(map(instructions.one, found)), nl=False)
        return
    level = levels.named(arch) if arch else isa.LEVELS[-1]
    rows = [
        spec
        for spec in isa.specs()
        if source in (None, spec.source) and isa.LEVELS.index(spec.level) <= isa.LEVELS.index(level)
    ]
    click.echo(instructions.table(sorted(rows, key=lambda spec: spec.mnemonic)), nl=False)


def _row(name: str) -> isa.Spec:
    import difflib

    from verify.semantics import disassemble, isa

    rows = isa.by_mnemonic()
    found = rows.get(name.upper()) or disassemble.extended().get(name.lower())
    if found is not None:
        return found
    near = difflib.get_close_matches(name.upper(), rows, 1)
    hint = f"; did you mean {near[0].lower()}?" if near else ""
    raise UsageError(f"no basic mnemonic {name!r}{hint}")


def main() -> None:
    """Entry point: one sentence and exit code 2 for everything that the user can put right."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as problem:
        problem.show()
        sys.exit(Exit.BAD_INPUT)
    except (VerifyError, FileNotFoundError) as problem:
        click.echo(f"verify: {problem}", err=True)
        sys.exit(Exit.BAD_INPUT)
