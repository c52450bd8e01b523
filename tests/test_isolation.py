"""A crash or a hang of the lifter or the solver costs one routine, never the run, and leaves nothing behind."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import pyvex

from tests import elf
from tests.command import ROOT, verify
from verify import pipeline
from verify.errors import VerifyError
from verify.prove import workers
from verify.prove.workers import Lost
from verify.report.report import Report
from verify.semantics.vex.lift import lift as cached_lift
from verify.verdict import Exit, Verdict

GOOD = ROOT / "trampolines/ftrace-6.12.o"
BROKEN = ROOT / "trampolines/broken/mcount-ip-adjust.o"
POISON = bytes.fromhex("a7097abc")  # lghi %r0,0x7abc: no other test lifts it


def objects(bodies: list[str]) -> bytes:
    """An object with the routines f0, f1, .. of these bodies; each returns."""
    codes = [bytes.fromhex(body) + elf.RETURN for body in bodies]
    starts = [sum(map(len, codes[:number])) for number in range(len(codes))]
    symbols = [
        elf.Sym(f"f{number}", 1, start, elf.FUNC, size=len(code))
        for number, (start, code) in enumerate(zip(starts, codes, strict=True))
    ]
    return elf.build([elf.Sec(".text", b"".join(codes))], symbols)


def poisoned(count: int, *at: int) -> bytes:
    return objects([POISON.hex() if number in at else f"a709{number:04x}" for number in range(count)])


@pytest.fixture
def one_of_five(tmp_path: Path) -> Path:
    path = tmp_path / "five.o"
    path.write_bytes(poisoned(5, 2))
    return path


@pytest.fixture
def lifter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Sets what the lifter does when it meets the poison."""

    def install(action: Callable[[], object]) -> None:
        real = pyvex.lift

        def lift(raw: bytes, *arguments: object, **options: object) -> object:
            if raw == POISON:
                faulthandler.disable()  # pytest's: it would tell of each crash
                action()
            return real(raw, *arguments, **options)

        monkeypatch.setattr(pyvex, "lift", lift)
        cached_lift.cache_clear()

    return install


def die(number: signal.Signals) -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), number)


def outcomes(report: Report) -> dict[str | None, set[Verdict]]:
    found: dict[str | None, set[Verdict]] = {}
    for finding in report.findings():
        found.setdefault(finding.routine, set()).add(finding.verdict)
    return found


# One routine ----------------------------------------------------------------------------------------------------------

DEATHS = {
    "SIGSEGV": (die(signal.SIGSEGV), "the lifter or solver crashed (SIGSEGV)"),
    "SIGABRT": (die(signal.SIGABRT), "the lifter or solver crashed (SIGABRT)"),
    "SIGBUS": (die(signal.SIGBUS), "the lifter or solver crashed (SIGBUS)"),
    "abort": (os.abort, "the lifter or solver crashed (SIGABRT)"),
    "SIGKILL": (die(signal.SIGKILL), "the lifter or solver was killed (SIGKILL), perhaps for want of memory"),
    "exit 0": (lambda: os._exit(0), "the lifter or solver ended its process (exit code 0)"),
    "exit 3": (lambda: os._exit(3), "the lifter or solver ended its process (exit code 3)"),
    "hang": (lambda: time.sleep(60), "the lifter or solver did not finish within 3 seconds"),
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("death", DEATHS)
def test_a_crash_costs_one_routine(death: str, jobs: int, one_of_five: Path, lifter: Callable) -> None:
    action, sentence = DEATHS[death]
    options = pipeline.Options()
    healthy = pipeline.prove([one_of_five], options)
    lifter(action)
    report = pipeline.prove([one_of_five], options, jobs, timeout=3 if death == "hang" else 60)
    (found,), (wanted,) = report.files, healthy.files
    assert [one.routine for one in found.routines] == ["f0", "f1", "f2", "f3", "f4"]
    assert [one for one in found.routines if one.routine != "f2"] == [
        one for one in wanted.routines if one.routine != "f2"
    ]
    (finding,) = found.routines[2].findings
    assert (finding.verdict, finding.property) == (Verdict.ERROR, None)
    assert finding.message == f"{one_of_five}: f2: {sentence}"
    assert finding.address == ".text+0xc"
    assert found.routines[2].reason == wanted.routines[2].reason
    assert (found.routines[2].executed, found.routines[2].unexecuted) == ((), (".text+0xc..0x12",))
    assert report.exit_code() is Exit.NOT_PROVED


def test_a_crash_of_each_routine(tmp_path: Path, lifter: Callable) -> None:
    path = tmp_path / "all.o"
    path.write_bytes(poisoned(4, 0, 1, 2, 3))
    lifter(die(signal.SIGSEGV))
    report = pipeline.prove([path, path], pipeline.Options(), jobs=3)
    assert [finding.verdict for finding in report.findings()] == [Verdict.ERROR] * 8


def test_a_crash_inside_one_routine_is_exit_code_3(one_of_five: Path, tmp_path: Path, lifter: Callable) -> None:
    bad = tmp_path / "bad.o"
    bad.write_bytes(b"no object")
    lifter(die(signal.SIGSEGV))
    done = verify("prove", one_of_five)
    assert (done.code, done.err) == (Exit.NOT_PROVED, "")
    assert f"  error        routine            {one_of_five}: f2: the lifter or solver crashed (SIGSEGV)" in done.out
    assert verify("prove", GOOD, one_of_five).code == Exit.NOT_PROVED
    assert verify("prove", one_of_five, BROKEN).code == Exit.BROKEN
    assert verify("prove", one_of_five, bad).code == Exit.BAD_INPUT
    assert verify("prove", "--symbol", "f1", one_of_five).code == Exit.PROVED


def test_the_time_is_an_option(one_of_five: Path, lifter: Callable) -> None:
    lifter(lambda: time.sleep(60))
    done = verify("prove", "--timeout", "0.3", one_of_five)
    assert done.code == Exit.NOT_PROVED
    assert "did not finish within 0.3 seconds" in done.out
    assert verify("prove", "--timeout", "-1", one_of_five).code == Exit.BAD_INPUT
    assert "--timeout SECONDS" in verify("prove", "--help").out
    assert verify("prove", "--timeout", "0", "--symbol", "f1", one_of_five).code == Exit.PROVED


def test_a_crash_that_another_routine_prepared_is_not_held_against_this_one(tmp_path: Path, lifter: Callable) -> None:
    """The second poison that a process lifts kills it."""
    path = tmp_path / "three.o"
    path.write_bytes(poisoned(12, 1, 4, 6, 7, 11))
    met: list[int] = []

    def second() -> None:
        met.append(1)
        if len(met) > 1:
            os.kill(os.getpid(), signal.SIGSEGV)

    healthy = pipeline.prove([path], pipeline.Options())
    lifter(second)
    for jobs in (1, 2, 3):
        assert pipeline.prove([path], pipeline.Options(), jobs) == healthy


# The same report ------------------------------------------------------------------------------------------------------


def test_workers_change_nothing(tmp_path: Path) -> None:
    many = tmp_path / "many.o"
    many.write_bytes(objects([f"a709{number:04x}" + "a7690001" * (number % 3 == 0) for number in range(40)]))
    bad = tmp_path / "bad.o"
    bad.write_bytes(b"no object")
    paths, options = [GOOD, bad, many, BROKEN, many], pipeline.Options()
    alone = Report(tuple(pipeline.prove_file(path, options) for path in paths), pipeline.versions())
    assert len(outcomes(alone)) > 40
    for jobs in (1, 2, 5):
        assert pipeline.prove(paths, options, jobs) == alone


@pytest.mark.parametrize("form", ["text", "json"])
def test_jobs_change_no_byte(form: str, one_of_five: Path, lifter: Callable) -> None:
    lifter(die(signal.SIGSEGV))
    done = [verify("prove", "--format", form, "--jobs", jobs, one_of_five, GOOD, one_of_five) for jobs in (1, 2, 4)]
    assert done[0] == done[1] == done[2]
    assert done[0].code == Exit.NOT_PROVED


def test_a_counterexample_does_not_depend_on_what_was_proved_before() -> None:
    paths = sorted((ROOT / "trampolines/broken").glob("matrix-*.o"))[::8]  # which all are proved elsewhere
    forwards = pipeline.prove(paths, pipeline.Options())
    backwards = pipeline.prove(paths[::-1], pipeline.Options())
    assert "for example" in str(forwards)
    assert forwards.files == backwards.files[::-1]


# Workers --------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The processes that a test forked: none is left, not even unburied, and no file is left open."""
    forked: list[int] = []
    real, open_files = os.fork, os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []

    def fork() -> int:
        pid = real()
        if pid:
            forked.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    yield forked
    for pid in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    if open_files:
        assert os.listdir("/proc/self/fd") == open_files


def test_results_keep_the_order_of_the_tasks(children: list[int]) -> None:
    def work(task: int) -> int:
        time.sleep(0.02 * (task % 3 == 0))
        return task * task

    assert workers.run(work, 20, jobs=3) == [task * task for task in range(20)]
    assert len(children) == 3


def test_no_more_workers_than_tasks(children: list[int]) -> None:
    assert workers.run(lambda task: task, 2, jobs=9) == [0, 1]
    assert len(children) == 2
    assert workers.run(lambda task: task, 0, jobs=9) == []
    assert len(children) == 2


def test_a_large_result_arrives_whole() -> None:
    found = workers.run(lambda task: bytes([task]) * 3_000_000, 3, jobs=2)
    assert found == [bytes([task]) * 3_000_000 for task in range(3)]


def test_tasks_run_beside_each_other() -> None:
    start = time.monotonic()
    workers.run(lambda _: time.sleep(0.4), 4, jobs=4)
    assert time.monotonic() - start < 1.2


def test_time_in_which_everything_was_stopped_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-Z and `fg`: the clock has moved on by more than a task may take."""
    stopped = 0.0
    real = time.monotonic

    def stop() -> None:
        nonlocal stopped
        stopped = 1000.0

    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: real() + stopped))
    timer = threading.Timer(0.2, stop)
    timer.start()
    assert workers.run(lambda task: time.sleep(0.5) or task, 2, jobs=2, seconds=60) == [0, 1]
    timer.join()
    assert stopped


def test_an_exception_is_no_result() -> None:
    def work(task: int) -> int:
        return 10 // task

    assert workers.run(work, 2) == [Lost("ended its process (exit code 70)"), 10]


def test_a_result_of_none_is_one() -> None:
    assert workers.run(lambda _: None, 2) == [None, None]


def test_half_an_answer_is_none() -> None:
    class Never:
        def __reduce__(self) -> tuple:
            raise AssertionError

    assert workers.run(lambda task: Never() if task else b"x" * 100_000, 2)[1] == Lost(
        "ended its process (exit code 70)"
    )


def test_garbage_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def dumps(value: object, *_: object) -> bytes:
        return b"garbage" if value == 1 else pickle.dumps(value)

    monkeypatch.setattr(workers, "pickle", SimpleNamespace(dumps=dumps, loads=pickle.loads, HIGHEST_PROTOCOL=5))
    assert workers.run(lambda task: task, 4) == [0, Lost("sent back what is no result"), 2, 3]


def test_a_worker_that_dies_idle_is_replaced() -> None:
    def work(task: int) -> int:
        if task == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
        else:
            time.sleep(0.3)
        return task

    assert workers.run(work, 4, jobs=2) == [0, 1, 2, 3]


def test_without_fork_all_is_done_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert workers.run(lambda task: (task, os.getpid()), 2, jobs=2) == [(0, os.getpid()), (1, os.getpid())]


def test_no_worker_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(VerifyError, match="no worker process can be started: Resource temporarily unavailable"):
        workers.run(lambda task: task, 2)


def test_fewer_workers_than_wanted_will_do(monkeypatch: pytest.MonkeyPatch, children: list[int]) -> None:
    real = os.fork

    def fork() -> int:
        if children:
            raise OSError(11, "Resource temporarily unavailable")
        return real()

    monkeypatch.setattr(os, "fork", fork)
    assert workers.run(lambda task: task, 5, jobs=3) == [0, 1, 2, 3, 4]
    assert len(children) == 1


# Ctrl-C ---------------------------------------------------------------------------------------------------------------

# A `verify prove` whose lifter notes its process in a file, and hangs.
HANG = """
import os, pathlib, sys, time, pyvex
from verify import cli
notes = pathlib.Path(sys.argv.pop(1))
def lift(*_, **__):
    (notes / str(os.getpid())).touch()
    time.sleep(60)
pyvex.lift = lift
cli.main()
"""
WAYS = {
    "Ctrl-C": lambda parent: os.killpg(parent, signal.SIGINT),
    "SIGINT to the parent": lambda parent: os.kill(parent, signal.SIGINT),
    "SIGTERM to the parent": lambda parent: os.kill(parent, signal.SIGTERM),
    "SIGKILL to the parent": lambda parent: os.kill(parent, signal.SIGKILL),
}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def waits_for(what: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an orphan ends with its task")
@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_the_run_is_the_end_of_its_workers(way: str, tmp_path: Path, one_of_five: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    arguments = [notes, "prove", "--jobs", "2", one_of_five]
    with subprocess.Popen(
        [sys.executable, "-c", HANG, *arguments],
        cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert waits_for(lambda: len(list(notes.iterdir())) == 2)
        pids = [int(path.name) for path in notes.iterdir()]
        assert all(map(alive, pids))
        WAYS[way](parent.pid)
        out, err = parent.communicate(timeout=30)
    assert waits_for(lambda: not any(map(alive, pids)), 5)
    if "SIGKILL" not in way:
        assert (parent.returncode, err) == (Exit.INTERRUPTED, "")
        assert out.splitlines()[-1] == "interrupted: nothing is known about 5 more routines"
