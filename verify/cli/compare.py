"""`verify equiv` and `verify robust`: one routine against another, and against itself in other layouts."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from verify.cli import out, shared
from verify.cli.group import group
from verify.report import formats


@group.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@shared.choosing
@click.option("--symbol-new", metavar="T", help="The routine of NEW, where it has another name than that of OLD.")
@click.option("--strict", is_flag=True, help="Compare all general registers and the condition code, scratch included.")
@shared.reporting
@shared.running("pair")
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
    out.tell(report, targets, quiet)


@group.command()
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
@shared.choosing
@shared.reporting
@shared.running("proof")
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
    out.tell(report, targets, quiet)
