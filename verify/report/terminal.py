"""What a stream can show: whether it is a terminal, and whether colours are wanted on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

_OFF = ("", "0")
_WIDEST = 100  # columns that prose is easy to read in


def is_terminal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a person reads the stream, on a terminal that can do more than print lines."""
    return stream.isatty() and environment.get("TERM") != "dumb"


def coloured(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether to colour what goes to the stream: never with NO_COLOR (no-color.org), always with FORCE_COLOR or
    CLICOLOR_FORCE (bixense.com/clicolors), else on a terminal.
    """
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "") not in _OFF for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal(stream, environment)


def width(stream: TextIO) -> int:
    """Columns for prose: the terminal's, or COLUMNS, but no more than 100; 80 where there is no terminal."""
    import shutil

    return min(_WIDEST, shutil.get_terminal_size().columns) if is_terminal(stream) else 80
