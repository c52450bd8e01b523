"""The command line inside this process: what `verify ARGUMENTS` prints and returns."""

from __future__ import annotations

import contextlib
import gc
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from verify import cli

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


def verify(*arguments: object) -> Done:
    """Run the entry point. An exception that it lets through is a traceback to a user, and a failed test."""
    out, err = io.StringIO(), io.StringIO()
    threshold = gc.get_threshold()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["verify", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            gc.set_threshold(*threshold)
    assert isinstance(code, int)
    return Done(int(code), out.getvalue(), err.getvalue())
