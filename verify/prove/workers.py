"""Tasks in worker processes: a crash or a hang inside native code costs one task, and never the run.

The lifter and the solver are native code that meets hostile bytes. A worker is a fork of this process, so it has all
that is imported and loaded already; it is told the number of a task, sends back the pickled result, and is told the
next. Nobody knows what a crash leaves behind in a process, so a worker that crashed or hangs is replaced.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NoReturn, TypeVar

from verify.errors import VerifyError

Result = TypeVar("Result")

_ORDER, _LENGTH, _CHUNK = 4, 8, 1 << 16  # bytes of a task's number, of an answer's length, and read at a time
_NEVER = float("inf")
_TICK = 1.0  # the longest wait, in seconds: what takes much longer is no wait
_NO_RESULT = 70  # exit code of a worker whose task raised an exception (EX_SOFTWARE of <sysexits.h>)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
_SIGNALS = {one.value: one.name for one in signal.Signals}


@dataclass(frozen=True)
class Lost:
    """A task that has no result; `reason` says what became of its worker, as the end of a sentence."""

    reason: str


@dataclass(frozen=True)
class _Done(Generic[Result]):
    result: Result


def run(
    work: Callable[[int], Result], count: int, jobs: int = 1, seconds: float = 0,
    heard: Callable[[int, Result | Lost], None] = lambda _task, _outcome: None, tick: Callable[[], None] = lambda: None,
) -> list[Result | Lost]:  # fmt: skip
    """The results of `work(0)` to `work(count - 1)`, in this order, by at most `jobs` workers at a time.

    A task is Lost when its worker dies, or is not done after `seconds` of wall-clock time (0: no limit). A death is
    held against a task only where the worker did nothing before it; else it is tried again in a new one, so that the
    results do not depend on which worker did what. Where processes cannot fork, all is done in this one, unprotected.
    `heard` is told of each result as it comes, and `tick` is called at least every few seconds. What they or a signal
    raise ends all workers. Raises VerifyError when no worker can be started.
    """
    results: dict[int, Result | Lost] = {}

    def keep(task: int, outcome: Result | Lost) -> None:
        results[task] = outcome
        heard(task, outcome)

    if not hasattr(os, "fork"):
        for task in range(count):
            keep(task, work(task))
            tick()
        return [results[task] for task in range(count)]
    waiting = deque(range(count))
    with _Team(work, jobs, seconds) as team:
        while len(results) < count:
            while waiting and (worker := team.available()):
                worker.give(waiting.popleft())
            for worker in team.news():
                task, outcome = worker.task, team.hear(worker)
                if isinstance(outcome, _Done):
                    keep(task, outcome.result)
                elif isinstance(outcome, Lost) and (worker.late or not worker.done):
                    keep(task, outcome)
                elif outcome:
                    waiting.appendleft(task)
            tick()
    return [results[task] for task in range(count)]


# The parent's side ----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Worker:
    """A worker as its parent sees it: its process, the line to it, and what it is doing."""

    pid: int
    line: socket.socket
    seconds: float
    task: int = -1
    """The task it is at; -1 for none."""
    deadline: float = _NEVER
    done: int = 0
    """Tasks that it has answered."""
    received: bytearray = field(default_factory=bytearray)

    @property
    def late(self) -> bool:
        """Whether its task has used up its time."""
        return time.monotonic() >= self.deadline

    def give(self, task: int) -> None:
        """Order a task."""
        self.task = task
        self.deadline = time.monotonic() + self.seconds if self.seconds else _NEVER
        with contextlib.suppress(ConnectionError):  # it died just now: that shows when its answer is read
            self.line.sendall(task.to_bytes(_ORDER, "big"))

    def answer(self) -> bytes | None:
        """Read what there is; the whole answer, when it is complete. Raises EOFError when there will be none."""
        try:
            chunk = self.line.recv(_CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionError:
            chunk = b""
        if not chunk:
            raise EOFError
        self.received += chunk
        length = int.from_bytes(self.received[:_LENGTH], "big")
        return bytes(self.received[_LENGTH:]) if len(self.received) >= _LENGTH + length else None

    def rest(self) -> None:
        """It has answered."""
        self.received.clear()
        self.task, self.deadline, self.done = -1, _NEVER, self.done + 1

    def kill(self) -> None:
        """End it, if it still runs."""
        os.kill(self.pid, signal.SIGKILL)  # it was not waited for yet, so the number is still its own
        self.line.close()

    def status(self) -> int:
        """Wait for its end; how it died."""
        return os.waitpid(self.pid, 0)[1]


class _Team(Generic[Result]):
    """The workers there are; none outlives the `with` block."""

    def __init__(self, work: Callable[[int], Result], jobs: int, seconds: float) -> None:
        self.work, self.jobs, self.seconds = work, jobs, seconds
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()

    def __enter__(self) -> _Team[Result]:
        return self

    def __exit__(self, *_: object) -> None:
        with _uninterrupted():
            self.selector.close()
            for worker in self.workers:
                worker.kill()
            for worker in self.workers:
                worker.status()

    def available(self) -> _Worker | None:
        """A worker without a task, a new one where there may be more. Raises VerifyError when there is none at all."""
        if len(self.workers) < self.jobs:
            try:
                return self.hire()
            except OSError as problem:
                if not self.workers:
                    raise VerifyError(f"no worker process can be started: {problem.strerror}") from problem
        return next((worker for worker in self.workers if worker.task < 0), None)

    def hire(self) -> _Worker:
        """Fork a worker. Raises OSError."""
        parent, (ours, theirs) = os.getpid(), socket.socketpair()
        with theirs, _uninterrupted():
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                for line in (ours, *(worker.line for worker in self.workers)):
                    line.close()
                _serve(self.work, theirs, parent)
            worker = _Worker(pid, ours, self.seconds)
            self.workers.append(worker)
        self.selector.register(worker.line, selectors.EVENT_READ, worker)
        return worker

    def news(self) -> list[_Worker]:
        """Wait until some worker has something to say or is late; those workers."""
        start = time.monotonic()
        first = min(worker.deadline for worker in self.workers)
        heard = [key.data for key, _ in self.selector.select(min(_TICK, max(0.0, first - start)))]
        asleep = time.monotonic() - start - _TICK
        if asleep > _TICK:  # this process was stopped (Ctrl-Z), and with it the workers: that time does not count
            for worker in self.workers:
                worker.deadline += asleep
        return heard + [worker for worker in self.workers if worker.late and worker not in heard]

    def hear(self, worker: _Worker) -> _Done[Result] | Lost | None:
        """What became of the worker's task; None while that is open."""
        try:
            answer = worker.answer()
        except EOFError:
            idle, reason = worker.task < 0, _death(self.dismiss(worker))
            return None if idle else Lost(reason)
        if answer is not None:
            return self._opened(worker, answer)
        if worker.late:
            self.dismiss(worker)
            return Lost(f"did not finish within {self.seconds:g} seconds")
        return None

    def _opened(self, worker: _Worker, answer: bytes) -> _Done[Result] | Lost:
        try:
            result = pickle.loads(answer)
        except Exception:  # native code may have written anything, to anywhere: the line, or Python's own objects
            self.dismiss(worker)
            return Lost("sent back what is no result")
        worker.rest()
        return _Done(result)

    def dismiss(self, worker: _Worker) -> int:
        """Part with a worker, dead or alive; its wait status."""
        self.selector.unregister(worker.line)
        self.workers.remove(worker)
        worker.kill()
        return worker.status()


def _death(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended its process (exit code {code})"
    if -code == signal.SIGKILL:
        return "was killed (SIGKILL), perhaps for want of memory"
    return f"crashed ({_SIGNALS.get(-code, f'signal {-code}')})"


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM is Ctrl-C meanwhile. Only for the main thread, which alone may set what a signal does."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """No signal between a fork and the moment when its process is known to this one, and does not heed it any more."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# The worker's side ----------------------------------------------------------------------------------------------------


def _serve(work: Callable[[int], object], line: socket.socket, parent: int) -> NoReturn:
    """Do what is ordered until the line is closed; leave without the parent's clean-up, output buffers and handlers."""
    code = _NO_RESULT
    try:
        _settle(parent)
        while order := line.recv(_ORDER):
            body = pickle.dumps(work(int.from_bytes(order, "big")), pickle.HIGHEST_PROTOCOL)
            line.sendall(len(body).to_bytes(_LENGTH, "big") + body)
        code = 0
    finally:
        os._exit(code)


def _settle(parent: int) -> None:
    """What a new worker does first: die with its parent and by its hand, and share its memory as long as it can."""
    gc.freeze()  # a collection writes to every object
    for number in _INTERRUPTS:  # they may go to the whole group; the parent sees to the workers
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    if sys.platform == "linux":  # elsewhere an orphan ends with its task
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError(parent)
