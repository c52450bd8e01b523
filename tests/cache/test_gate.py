"""The gate: a run with a cache gives the report of a run without, proves nothing twice, and trusts no damaged entry."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, verify
from verify import pipeline
from verify.cache.store import FILE, Store
from verify.report.report import Report

INPUTS = [
    ROOT / "trampolines/expoline.o",
    ROOT / "trampolines/broken/mcount-ip-adjust.o",
    ROOT / "trampolines/ftrace-3.18.o",
    ROOT / "README.md",
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VERIFY_NO_CACHE")
    monkeypatch.setenv("VERIFY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files that the pipeline was asked to prove, run by run."""
    asked: list[list[str]] = []
    real: Callable[..., Report] = pipeline.prove

    def counted(paths: Sequence[Path], *rest: Any, **more: Any) -> Report:
        asked.append([path.name for path in paths])
        return real(paths, *rest, **more)

    monkeypatch.setattr(pipeline, "prove", counted)
    return asked


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_the_report_is_the_same_cold_warm_and_without(form: str, cache: Path, proved: list[list[str]]) -> None:
    arguments = ("prove", *INPUTS, "--format", form)
    cold, warm, without = verify(*arguments), verify(*arguments), verify(*arguments, "--no-cache")
    assert cold == warm == without
    assert cold.code == 2
    names = [path.name for path in INPUTS]
    assert proved == [names, ["README.md"], names]  # what could not be read is read again
    assert (cache / FILE).is_file()


def test_only_what_changed_is_proved(cache: Path, proved: list[list[str]], tmp_path: Path) -> None:
    for path in INPUTS[:3]:
        shutil.copy(path, tmp_path)
    files = [tmp_path / path.name for path in INPUTS[:3]]
    verify("prove", *files)
    shutil.copy(INPUTS[1], files[0])
    changed = verify("prove", *files)
    assert proved[1:] == [["expoline.o"]]
    assert changed == verify("prove", *files, "--no-cache")
    assert cache.is_dir()


@pytest.mark.parametrize(
    "more",
    [["--select", "psw-redirect"], ["--layout", "linux-6.12"], ["--arch", "z10"], ["--no-replay"], ["--kernel", "6.1"]],
    ids=lambda more: more[0],
)
def test_other_options_are_another_question(more: list[str], cache: Path, proved: list[list[str]]) -> None:
    verify("prove", INPUTS[2])
    asked = verify("prove", INPUTS[2], *more)
    assert len(proved) == 2
    assert asked == verify("prove", INPUTS[2], *more)
    assert asked == verify("prove", INPUTS[2], *more, "--no-cache")
    assert cache.is_dir()


def test_the_same_bytes_elsewhere_may_be_claimed_otherwise(
    cache: Path, proved: list[list[str]], tmp_path: Path
) -> None:
    verify("prove", INPUTS[2])
    other = shutil.copy(INPUTS[2], tmp_path)
    assert "no claim" in verify("prove", other).out
    assert len(proved) == 2
    assert cache.is_dir()


def test_a_damaged_entry_is_proved_again(cache: Path, proved: list[list[str]]) -> None:
    cold = verify("prove", *INPUTS[:3])
    with sqlite3.connect(cache / FILE) as connection:
        connection.execute("UPDATE entries SET value = CAST(replace(value, 'refuted', 'proved') AS BLOB)")
    assert verify("prove", *INPUTS[:3]) == cold
    assert proved[1:] == [["mcount-ip-adjust.o"]]  # the others have no such word, and are whole


def test_an_entry_that_is_no_report_is_proved_again(cache: Path, proved: list[list[str]]) -> None:
    cold = verify("prove", INPUTS[0])
    with sqlite3.connect(cache / FILE) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM entries")]
    Store(cache).put(dict.fromkeys(keys, b'["not", "a", "report"]'))
    assert verify("prove", INPUTS[0]) == cold
    assert len(proved) == 2


def test_a_cache_that_cannot_be_used_is_said_and_nothing_else_changes(cache: Path) -> None:
    cache.mkdir()
    (cache / FILE).write_bytes(b"no database" * 100)
    done, without = verify("prove", INPUTS[0]), verify("prove", INPUTS[0], "--no-cache")
    assert (done.code, done.out) == (without.code, without.out)
    assert done.err.startswith(f"verify: the cache {cache / FILE} is not used: ")


def test_what_may_end_otherwise_the_next_time_is_not_kept(
    cache: Path, proved: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("for this once")

    with monkeypatch.context() as patch:
        patch.setattr("verify.routine.prove", crash)
        assert verify("prove", INPUTS[0]).code == 3
    assert verify("prove", INPUTS[0]).code == 0
    assert len(proved) == 2
    assert cache.is_dir()


def test_a_warm_run_loads_neither_lifter_nor_solver(cache: Path) -> None:
    code = (
        "import sys\nfrom verify import cli\n"
        "try:\n    cli.main()\nfinally:\n"
        "    print([name for name in ('pyvex', 'z3', 'cle', 'unicorn') if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "prove", *map(str, INPUTS[:3]), "--quiet"]
    cold = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    warm = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "pyvex" in cold.stderr
    assert warm.stderr == "[]\n"
    assert (warm.returncode, warm.stdout) == (cold.returncode, cold.stdout)
    assert cache.is_dir()


def test_kills_at_any_moment_leave_a_cache_to_go_on_with(cache: Path, tmp_path: Path) -> None:
    chance = random.Random(2)
    files = [str(shutil.copy(INPUTS[0], tmp_path / f"{number}.o")) for number in range(40)]
    command = [sys.executable, "-m", "verify", "prove", *files, "--format", "json", "--contract", "linux/expoline"]
    undisturbed = verify(*command[3:], "--no-cache")
    for _ in range(8):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.2, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert verify(*command[3:]) == undisturbed
    assert verify(*command[3:]) == undisturbed
    ((verdict,),) = sqlite3.connect(cache / FILE).execute("PRAGMA integrity_check")
    assert verdict == "ok"


# verify cache ---------------------------------------------------------------------------------------------------------


def test_info_and_clear(cache: Path) -> None:
    assert verify("cache", "info").out == f"{cache / FILE}: nothing yet\n"
    verify("prove", *INPUTS)
    assert verify("cache", "info").out.startswith(f"{cache / FILE}: 3 files, ")
    assert verify("cache", "clear").out == f"{cache / FILE}: cleared\n"
    assert verify("cache", "info").out == f"{cache / FILE}: nothing yet\n"
    assert list(cache.iterdir()) == []


def test_info_on_what_is_no_cache(cache: Path) -> None:
    cache.mkdir()
    (cache / FILE).write_bytes(b"no database" * 100)
    done = verify("cache", "info")
    assert (done.code, done.out) == (2, "")
    assert str(cache / FILE) in done.err
