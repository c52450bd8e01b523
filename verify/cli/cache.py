"""`verify cache`: what is kept, and forgetting it."""

from __future__ import annotations

from pathlib import Path

import click

from verify.cli import shared
from verify.cli.group import group
from verify.errors import VerifyError


@group.command()
@click.argument("what", type=click.Choice(["info", "clear"]))
@click.option("--cache-dir", metavar="DIR", type=click.Path(path_type=Path), envvar="VERIFY_CACHE_DIR",
              help="The cache of this directory, not the user's.")  # fmt: skip
def cache(what: str, cache_dir: Path | None) -> None:
    """Tell what the cache of verdicts holds, or clear it."""
    store = shared.store(cache_dir, no_cache=False)
    assert store is not None
    if what == "clear":
        try:
            store.clear()
        except OSError as problem:
            raise VerifyError(f"{store.path}: cannot be removed: {problem.strerror}") from problem
        click.echo(f"{store.path}: cleared")
        return
    size = store.size() if store.path.exists() else None
    if store.trouble:
        raise VerifyError(store.trouble)
    click.echo(f"{store.path}: {'nothing yet' if size is None else f'{size.entries} files, {size.bytes} bytes'}")
