"""`verify explain` and `verify replay`: a counterexample told again, and run again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from verify.cli import out, shared
from verify.cli.group import group
from verify.errors import UsageError
from verify.report import terminal
from verify.verdict import Verdict


@group.command()
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
    paint = out.paint if terminal.coloured(sys.stdout) else text.plain
    click.echo("\n".join(text.story_of(one, paint) for one in wanted), nl=False, color=terminal.coloured(sys.stdout))


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
@shared.choosing
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
