"""`verify check`, `verify config` and `verify init`: what a project claims, and how it is set up."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from verify import config as settings
from verify import library
from verify.cli import out
from verify.cli.group import group
from verify.cli.prove import prove
from verify.errors import UsageError
from verify.verdict import Exit


@group.command()
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


@group.command()
@click.option("--explain", is_flag=True, help="Tell all settings, and where each comes from.")
def config(explain: bool) -> None:
    """Show the settings of this project: verify.toml, or [tool.verify] of pyproject.toml."""
    from verify.report import settings as page

    bare = click.Context(prove)
    known = {one.opts[0].removeprefix("--"): one.get_default(bare) for one in prove.params}
    click.echo(page.render(settings.nearest(Path.cwd()), known, explain=explain), nl=False)


@group.command()
@click.option("--for", "kind", type=click.Choice(["kernel", "library"]), default="library", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=Path(settings.OWN), show_default=True)
def init(kind: str, output: Path) -> None:
    """Write a commented file of settings to start from."""
    from verify.report import settings as page

    if output.exists():
        raise UsageError(f"{output}: there is one already")
    out.write(output, page.TEMPLATES[kind])
    click.echo(f"{output}: written; name your objects in it, then run `verify prove`")
