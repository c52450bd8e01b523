"""Long runs: a bar or a line now and then, colours where they are wanted, and the report of an interrupted run."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import elf
from tests.command import ROOT, verify
from verify.prove import workers
from verify.report import terminal, text
from verify.report.progress import Meter
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.verdict import Exit, Verdict

GOOD = ROOT / "trampolines/expoline.o"
BROKEN = ROOT / "trampolines/broken/mcount-ip-adjust.o"
COLOUR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE")


def routines(path: Path, numbers: Sequence[int]) -> Path:
    """An object of routines f0, f1, .. that load a number into r0 and return."""
    code = b"".join(bytes.fromhex(f"a709{number:04x}") + elf.RETURN for number in numbers)
    symbols = [elf.Sym(f"f{n}", 1, 6 * n, elf.FUNC, size=6) for n in range(len(numbers))]
    path.write_bytes(elf.build([elf.Sec(".text", code)], symbols))
    return path


def told(name: str, verdict: Verdict = Verdict.PROVED) -> RoutineReport:
    return RoutineReport("x.o", name, "c", "", (Finding("x.o", name, "c", "expoline", verdict, "m"),))


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in COLOUR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


# Progress -------------------------------------------------------------------------------------------------------------


def test_lines_come_at_most_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    with Meter(stream, clock) as meter:
        meter.expect(400)
        for second in range(36):
            clock.now = second
            meter.finished(told("f", Verdict.UNKNOWN if second in (3, 5) else Verdict.PROVED))
            meter.tick()
    assert stream.getvalue().splitlines() == [
        "11 of 400 routines, 2 not proved",
        "21 of 400 routines, 2 not proved",
        "31 of 400 routines, 2 not proved",
    ]


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
@pytest.mark.parametrize(("count", "seconds"), [(400, 0.9), (1, 60)])
def test_short_runs_and_single_routines_show_nothing(stream: io.StringIO, count: int, seconds: float) -> None:
    clock = Clock()
    with Meter(stream, clock) as meter:
        meter.expect(count)
        clock.now = seconds
        meter.tick()
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_that_is_wiped_off(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COLUMNS", "100")
    stream, clock = Terminal(), Clock()
    with Meter(stream, clock) as meter:
        meter.expect(40)
        meter.finished(told("f", Verdict.REFUTED))
        clock.now = 1.5
        meter.tick()
        meter.finished(told("g"))
        clock.now = 1.52
        meter.tick()
        clock.now = 2
        meter.tick()
        assert "1 of 40 routines, 1 not proved" in stream.getvalue()
        assert "2 of 40 routines, 1 not proved" in stream.getvalue()
        drawn = stream.getvalue().count("not proved")
    assert drawn <= 4
    assert stream.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is back


def test_no_color_takes_the_colours_from_the_bar(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NO_COLOR", "1")
    stream, clock = Terminal(), Clock()
    with Meter(stream, clock) as meter:
        meter.expect(40)
        clock.now = 1.5
        meter.tick()
    assert "0 of 40" in stream.getvalue()
    assert "\x1b[38" not in stream.getvalue()
    assert "\x1b[3" not in stream.getvalue()


def test_a_dumb_terminal_gets_lines(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TERM", "dumb")
    stream, clock = Terminal(), Clock()
    with Meter(stream, clock) as meter:
        meter.expect(40)
        clock.now = 11
        meter.tick()
    assert stream.getvalue() == "0 of 40 routines, 0 not proved\n"


def test_the_run_tells_of_each_routine_and_of_the_time() -> None:
    heard: dict[int, object] = {}
    ticks = []
    found = workers.run(lambda task: task * task, 7, 2, heard=heard.__setitem__, tick=lambda: ticks.append(1))
    assert heard == dict(enumerate(found)) == {task: task * task for task in range(7)}
    assert ticks


def test_time_is_told_while_a_routine_takes_long() -> None:
    times = []
    workers.run(lambda _: time.sleep(2.5), 1, tick=lambda: times.append(time.monotonic()))
    assert len(times) >= 3


def test_without_fork_it_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    heard: dict[int, object] = {}
    workers.run(lambda task: task, 3, heard=heard.__setitem__)
    assert heard == {0: 0, 1: 1, 2: 2}


# Colours --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "variables", "wanted"),
    [
        (io.StringIO(), {}, False),
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"CLICOLOR_FORCE": "1"}, True),
        (io.StringIO(), {"CLICOLOR_FORCE": "0"}, False),
        (io.StringIO(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_who_wants_colours(stream: io.StringIO, variables: dict[str, str], wanted: bool) -> None:
    assert terminal.coloured(stream, variables) is wanted


@pytest.mark.parametrize("arguments", [("prove", GOOD), ("rule", "expoline")])
def test_colours_of_a_command(arguments: tuple[object, ...], environment: pytest.MonkeyPatch) -> None:
    bare = verify(*arguments).out
    environment.setenv("FORCE_COLOR", "1")
    forced = verify(*arguments).out
    assert "\x1b" not in bare
    assert "\x1b[" in forced
    environment.setenv("NO_COLOR", "1")
    assert verify(*arguments).out == bare


def test_a_file_has_no_colours(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FORCE_COLOR", "1")
    verify("prove", "--output", tmp_path / "report", GOOD)
    assert "\x1b" not in (tmp_path / "report").read_text(encoding="utf-8")


# Interruption ---------------------------------------------------------------------------------------------------------

# A `verify prove` whose lifter hangs when it meets lghi %r0,0x7abc, and says so in a file.
HANG = """
import pathlib, sys, time, pyvex
from verify import cli
note, real = pathlib.Path(sys.argv.pop(1)), pyvex.lift
def lift(raw, *arguments, **options):
    if raw == bytes.fromhex("a7097abc"):
        note.touch()
        time.sleep(600)
    return real(raw, *arguments, **options)
pyvex.lift = lift
cli.main()
"""
WAYS: dict[str, Callable[[int], None]] = {
    "Ctrl-C": lambda pid: os.killpg(pid, signal.SIGINT),
    "SIGINT": lambda pid: os.kill(pid, signal.SIGINT),
    "SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
    "SIGTERM to all": lambda pid: os.killpg(pid, signal.SIGTERM),
}


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """Five routines, of which the third hangs."""
    return routines(tmp_path / "five.o", [0, 1, 0x7ABC, 3, 4])


def interrupted(way: str, note: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What comes of `verify prove` that is interrupted while a routine hangs."""
    with subprocess.Popen(
        [sys.executable, "-c", HANG, note, "prove", *map(str, arguments)],
        cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        end = time.monotonic() + 30
        while not note.exists() and time.monotonic() < end:
            time.sleep(0.02)
        WAYS[way](process.pid)
        out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_run_reports_what_it_has(way: str, hanging: Path, tmp_path: Path) -> None:
    done = interrupted(way, tmp_path / "note", GOOD, hanging, BROKEN)
    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, "")
    lines = done.stdout.splitlines()
    whole = verify("prove", GOOD).out.splitlines()
    assert lines[:2] == whole[:2]
    assert [line.split()[1] for line in lines if line.startswith(str(hanging))] == ["f0", "f1"]
    assert not any(line.startswith(str(BROKEN)) for line in lines)
    assert lines[-1] == "interrupted: nothing is known about 4 more routines"


def test_json_of_an_interrupted_run_is_whole(hanging: Path, tmp_path: Path) -> None:
    done = interrupted("SIGINT", tmp_path / "note", "--format", "json", hanging)
    assert done.returncode == Exit.INTERRUPTED
    assert [one["routine"] for one in json.loads(done.stdout)["routines"]] == ["f0", "f1"]


def test_quiet_says_that_it_was_interrupted(hanging: Path, tmp_path: Path) -> None:
    done = interrupted("SIGINT", tmp_path / "note", "--quiet", hanging)
    assert done.stdout.splitlines()[-1] == "interrupted: nothing is known about 3 more routines"


def test_interruption_is_never_a_pass() -> None:
    report = Report((FileReport("x.o", (told("f"),)),), {}, interrupted=1)
    assert report.exit_code() is Exit.INTERRUPTED
    assert Report(report.files).exit_code() is Exit.PROVED
    assert text.render(report).splitlines()[-1] == "interrupted: nothing is known about 1 more routine"


def test_sigterm_does_again_what_it_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), workers.terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


# On a real terminal ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return routines(tmp_path / "eight.o", range(8))


SLOW = """
import sys, time, pyvex
from verify import cli
real = pyvex.lift
def lift(*arguments, **options):
    time.sleep(0.3)
    return real(*arguments, **options)
pyvex.lift = lift
cli.main()
"""


@pytest.mark.parametrize("quiet", [False, True])
def test_a_long_run_on_a_terminal(quiet: bool, slow: Path, environment: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SLOW, "prove", *["--quiet"] * quiet, str(slow)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False,
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        drawn = os.read(ours, 1 << 16).decode()
    except OSError:  # nothing was written
        drawn = ""
    os.close(ours)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert ("of 8 routines, 0 not proved" in drawn) is not quiet
