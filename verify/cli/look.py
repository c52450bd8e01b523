"""Commands that only show: contracts and other lists, rules, disassembly, the instruction table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from verify import library
from verify.cli import out
from verify.cli.group import group
from verify.errors import UsageError
from verify.report import terminal

if TYPE_CHECKING:
    from verify.semantics import isa


@group.command("list")
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


@group.command()
@click.argument("name", metavar="CONTRACT")
def contract(name: str) -> None:
    """Print a contract with all that it inherits, as one TOML file.

    Save it, change it, and name the file: `verify prove F.o --contract mine.toml`.
    """
    from verify.report import contract as page

    click.echo(page.render(library.library("models"), name), nl=False)


@group.command()
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


@group.command()
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
        out.write(path, cfgfile.render(path, image, chosen))
    if not wanted:
        click.echo(listing.render(image, chosen, dot_only=dot), nl=False)


@group.command()
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
