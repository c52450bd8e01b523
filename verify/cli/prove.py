"""`verify prove`, and `verify merge`, which puts its parts together."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from verify.cli import out, shared
from verify.cli.group import group
from verify.config import Config
from verify.report import formats
from verify.verdict import Verdict

if TYPE_CHECKING:
    from verify.report.report import Report


@group.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@shared.choosing
@click.option("--select", metavar="P,..", callback=shared.names, help="Only these properties.")
@click.option("--ignore", metavar="P,..", callback=shared.names, help="All properties but these.")
@shared.reporting
@shared.gating
@click.option("--since", metavar="REV", help="Only files that changed in git since this revision.")
@click.option("--shard", callback=shared.part, metavar="I/N", help="Only every N-th file, beginning with the I-th.")
@shared.running("routine")
@shared.caching
@click.option("--no-replay", is_flag=True, help="Run no counterexample on the emulator: they stay unconfirmed.")
def prove(
    files: tuple[Path, ...], select: tuple[str, ...], ignore: tuple[str, ...], reports: tuple[formats.Target, ...],
    output: Path | None, quiet: bool, baseline: Path | None, tolerated: tuple[Verdict, ...],
    since: str | None, shard: tuple[int, int] | None, jobs: int, timeout: float, cache_dir: Path | None,
    no_cache: bool, no_replay: bool, **choosing: Any,
) -> None:  # fmt: skip
    """Prove the routines of s390x object files.

    Exit code: 0 all proved, 1 something refuted or unconfirmed, 3 something not proved, 2 bad usage or input, 130
    interrupted.
    """
    from verify import changed, gate
    from verify.options import Options
    from verify.prove import workers
    from verify.report import merge as merging
    from verify.report import progress

    targets = formats.targets(reports, output)
    known = _known(baseline)
    context = click.get_current_context()
    settings = context.find_object(Config) or Config()
    named = context.get_parameter_source("contract") is ParameterSource.COMMANDLINE
    options = Options(
        **choosing,
        select=select,
        ignore=ignore,
        details=formats.details(targets),
        replay=not no_replay,
        overrides=() if named else settings.overrides,
    )
    if not (files or settings.values.get("objects")):
        raise click.UsageError("no files to prove: name some, or name `objects` in verify.toml (verify init)")
    chosen = files or settings.objects()
    mine = merging.share(chosen if since is None else changed.since(since, chosen), shard)
    if since is not None and not mine:
        out.nothing(targets, f"none of {len(chosen)} files has changed since {since}")
    store = shared.store(cache_dir, no_cache)
    with workers.terminable(), nullcontext() if quiet else progress.Meter(sys.stderr) as meter:
        report = gate.prove(mine, options, store, jobs, timeout, meter)
    if store is not None and store.trouble:
        click.echo(f"verify: {store.trouble}", err=True)
    out.tell(_gated(replace(report, shard=shard), known, tolerated), targets, quiet)


@group.command()
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@shared.reporting
@shared.gating
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
    out.tell(_gated(whole, known, tolerated), targets, quiet)


def _known(baseline: Path | None) -> Report | None:
    if baseline is None:
        return None
    from verify.report import read

    return read.report(baseline)


def _gated(report: Report, known: Report | None, tolerated: tuple[Verdict, ...]) -> Report:
    """The report, with what does not fail the run."""
    from verify.report.baseline import mark

    return replace(report if known is None else mark(report, known), tolerated=tolerated)
