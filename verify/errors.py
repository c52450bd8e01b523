"""The tree of errors that reach a user, each as one sentence.

VerifyError
├── InputError          an input file that cannot be used          (exit code 2)
│   ├── NotElf          not an ELF file, or cut short
│   ├── WrongMachine    ELF, but not 64-bit big-endian s390
│   └── NoSuchSymbol    the object does not define the routine
├── ContractError       a contract, layout or claim, with its line  (exit code 2)
├── UsageError          options that contradict each other          (exit code 2)
├── Unsupported         the semantics do not cover a construct     (verdict `unsupported`)
└── Undecided           a bound, or aliasing nothing rules out     (verdict `unknown`)
"""

from __future__ import annotations

from pathlib import Path


class VerifyError(Exception):
    """Root of all errors that this package raises on purpose."""


class InputError(VerifyError):
    """An input file that cannot be used; the sentence starts with the file's name."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class NotElf(InputError):
    """The file is not an ELF file, or it ends before its own headers say it does."""


class WrongMachine(InputError):
    """An ELF file for another machine, or for 31-bit s390."""


class NoSuchSymbol(InputError):
    """The object defines no routine of the name that was asked for."""


class ContractError(VerifyError):
    """A mistake in a contract, layout or claim; names the file and, where known, the line."""

    def __init__(self, path: Path | str, line: int | None, reason: str) -> None:
        self.path = str(path)
        self.line = line
        self.reason = reason
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {reason}")


class UsageError(VerifyError):
    """Command-line options that cannot be honoured together."""


class Unsupported(VerifyError):
    """A construct outside the semantics: it ends its path, and is never stepped over."""


class Undecided(VerifyError):
    """Something that may be right but was not decided: a loop bound, possible aliasing, a solver limit."""
