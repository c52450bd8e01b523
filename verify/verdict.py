"""Verdicts and exit codes: what a run says, and how it says it to a shell.

Nothing here slides towards `proved`: a verdict is one of seven words, and all but one fail the gate.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntEnum


class Verdict(Enum):
    """What is known about one property of one routine."""

    PROVED = "proved"
    """For every start state and every handler that the contract admits, on every path."""

    REFUTED = "refuted"
    """A start state breaks it and a replay showed it, or an instruction of the code is the witness."""

    UNCONFIRMED = "unconfirmed"
    """The solver has a counterexample that was not reproduced by replay."""

    VACUOUS = "vacuous"
    """No start state reaches the place the claim speaks of, or the assumptions contradict."""

    UNKNOWN = "unknown"
    """A solver limit, a loop bound, or possible aliasing that nothing rules out."""

    UNSUPPORTED = "unsupported"
    """An instruction, relocation or construct that the semantics do not cover."""

    ERROR = "error"
    """Bad input (not ELF, wrong machine, truncated, no such symbol), or a crash while one routine was proved."""

    def __str__(self) -> str:
        return self.value


class Exit(IntEnum):
    """Process exit codes; of several that apply, the first in this order is used."""

    INTERRUPTED = 130
    """Ctrl-C or SIGTERM ended the run before all was proved: 128 + SIGINT, as shells have it."""

    BAD_INPUT = 2
    BROKEN = 1
    NOT_PROVED = 3
    PROVED = 0


_EXIT_OF = {
    Verdict.ERROR: Exit.BAD_INPUT,
    Verdict.REFUTED: Exit.BROKEN,
    Verdict.UNCONFIRMED: Exit.BROKEN,
    Verdict.VACUOUS: Exit.NOT_PROVED,
    Verdict.UNKNOWN: Exit.NOT_PROVED,
    Verdict.UNSUPPORTED: Exit.NOT_PROVED,
    Verdict.PROVED: Exit.PROVED,
}


def exit_code(verdicts: Iterable[Verdict], *, crashed: bool = False) -> Exit:
    """Return the exit code of a run; a run that found nothing to prove is not a pass.

    `crashed` says that some routine's proof crashed, which leaves that routine not proved; the `error` of such a
    routine is not among the `verdicts`, since its input is no bad one.
    """
    codes = {_EXIT_OF[verdict] for verdict in verdicts} | ({Exit.NOT_PROVED} if crashed else set())
    if not codes:
        return Exit.NOT_PROVED
    return next(code for code in Exit if code in codes)
