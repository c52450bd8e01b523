"""The command line: a file for each kind of command, and what they share."""

from __future__ import annotations

import atexit
import gc
import sys

import click

from verify.cli import cache, compare, counterexamples, look, project, prove
from verify.cli.group import group
from verify.errors import VerifyError
from verify.verdict import Exit

# A run is short and makes few cycles, while the imports of pyvex and z3 alone trigger a dozen full collections.
_GC_THRESHOLD = 500_000  # and the last collections, at exit, would take as long as a proof
_COMMANDS = (prove, cache, compare, counterexamples, project, look)  # imported for their registrations


def main() -> None:
    """Entry point: one sentence and exit code 2 for everything that the user can put right."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)
    try:
        group(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as problem:
        problem.show()
        sys.exit(Exit.BAD_INPUT)
    except (VerifyError, FileNotFoundError) as problem:
        click.echo(f"verify: {problem}", err=True)
        sys.exit(Exit.BAD_INPUT)
