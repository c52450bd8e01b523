"""The command `verify` itself, which its subcommands belong to."""

from __future__ import annotations

from pathlib import Path

import click

from verify import __version__, config

_CONFIGURED = ("prove",)
"""The commands that heed a project's settings."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verify")
@click.pass_context
def group(context: click.Context) -> None:
    """Prove assembly trampolines on IBM Z correct."""
    if context.invoked_subcommand in _CONFIGURED:
        settings = config.nearest(Path.cwd())
        context.obj = settings
        context.default_map = {context.invoked_subcommand: config.defaults(settings)}
