"""How far a long run is: a bar on a terminal, else a line now and then; a short run says nothing, and loads nothing.

Nothing here has a thread of its own, since worker processes are forked meanwhile: the run calls `tick`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from verify.report import terminal
from verify.report.report import FileReport, RoutineReport
from verify.verdict import Verdict

if TYPE_CHECKING:
    from rich.progress import Progress

_FIRST_BAR, _NEXT_BAR = 1.0, 0.1  # seconds from the start to the first sight of it, and from one drawing to the next
_FIRST_LINE, _NEXT_LINE = 10.0, 10.0


class Watch:
    """Sees a run go on. This one does nothing about it."""

    def expect(self, count: int) -> None:
        """So many routines are to be proved."""

    def finished(self, report: RoutineReport) -> None:
        """One of them is done."""

    def whole(self, report: FileReport) -> None:
        """All routines of one file are done."""

    def tick(self) -> None:
        """Time has passed; called at least every few seconds."""


class Meter(Watch):
    """Tells on a stream how far the run is, from the time on when that is worth telling; a context manager.

    `clock` gives seconds. One routine alone makes no progress that could be told.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock = stream, clock
        self.total = self.done = self.bad = 0
        self.bar: Progress | None = None
        self.on_terminal = terminal.is_terminal(stream)
        self.wait = _NEXT_BAR if self.on_terminal else _NEXT_LINE
        self.next = clock() + (_FIRST_BAR if self.on_terminal else _FIRST_LINE)

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def expect(self, count: int) -> None:
        """So many routines are to be proved."""
        self.total = count

    def finished(self, report: RoutineReport) -> None:
        """One of them is done."""
        self.done += 1
        self.bad += any(finding.verdict is not Verdict.PROVED for finding in report.findings)

    def tick(self) -> None:
        """Draw the bar or write a line, if it is time to."""
        now = self.clock()
        if now < self.next or self.total in (1, self.done):
            return
        self.next = now + self.wait
        if self.on_terminal:
            self._draw()
        else:
            self.stream.write(f"{self.words()}\n")
            self.stream.flush()

    def words(self) -> str:
        """How far the run is."""
        return f"{self.done} of {self.total} routines, {self.bad} not proved"

    def _draw(self) -> None:
        if self.bar is None:
            self.bar = _bar(self.stream, self.total)
            self.bar.start()
        self.bar.update(self.bar.task_ids[0], completed=self.done, description=self.words())
        self.bar.refresh()


def _bar(stream: TextIO, total: int) -> Progress:
    """A bar that is wiped off when it stops."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=stream, force_terminal=True, no_color=not terminal.coloured(stream))
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(
        *columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    )
    bar.add_task("", total=total)
    return bar
