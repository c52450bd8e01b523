"""Where a number stands in the text, when the instruction comes from a macro.

Line numbers of an object name the line that uses the macro; who wants to repair a number needs the line inside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

_INCLUDE = re.compile(r"""^[ \t]*[.\#][ \t]*include[ \t]+["<]([^">]+)[">]""", re.MULTILINE)


@lru_cache(maxsize=64)
def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return ()


def files(source: Path, directories: Iterable[Path]) -> tuple[Path, ...]:
    """A source and all that it includes, as far as it is found in its own directory or in `directories`."""
    found: dict[Path, None] = {}
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += _included(path, directories)
    return tuple(found)


def _included(path: Path, directories: Iterable[Path]) -> Iterator[Path]:
    for name in _INCLUDE.findall("\n".join(_lines(path))):
        for directory in (path.parent, *directories):
            if (directory / name).is_file():
                yield Path(os.path.normpath(directory / name))
                break


def line(recorded: str | None, texts: Iterable[Path], mnemonic: str, operand: str) -> str | None:
    """FILE:LINE of an instruction whose operand is a number, where `recorded` is what the object says of it.

    The recorded line stays where it has the mnemonic itself, and where no line of these texts, or more than one, has
    both.
    """
    file, _, number = (recorded or "").rpartition(":")
    if recorded is None or not number.isdecimal():
        return recorded
    here = _lines(Path(file))
    name = re.compile(rf"(?<![\w.]){re.escape(mnemonic)}(?![\w.])")
    if not 0 < int(number) <= len(here) or name.search(here[int(number) - 1]):
        return recorded
    value = re.compile(rf"(?<![\w.+*/-]){re.escape(operand)}(?![\w+*/-])")
    found = [
        f"{path}:{at}"
        for path in texts
        for at, text in enumerate(_lines(path), 1)
        if name.search(text) and value.search(text)
    ]
    return f"{found[0]} (used at {recorded})" if len(found) == 1 else recorded
