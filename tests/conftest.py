"""One seed for all random campaigns of a session, said at its end together with the tools that are missing."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.semantics import qemu_machine
from verify import choice, library

SEED = "COSIM_SEED"


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist starts its workers, which inherit the environment."""
    os.environ.setdefault(SEED, secrets.token_hex(4))
    os.environ["VERIFY_NO_CACHE"] = "1"  # tests change the program under their own feet


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    if not any("test_campaign" in report.nodeid for report in reports):
        return
    missing = qemu_machine.available()
    machines = "unicorn alone" if missing else f"unicorn and {qemu_machine.NAME} {qemu_machine.version()}"
    terminalreporter.write_line(f"co-simulation: seed {os.environ[SEED]} ({SEED} repeats it), against {machines}")
    if missing:
        terminalreporter.write_line(f"co-simulation: MISSING {missing}")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of models/ and proofs/ to make mistakes in, which is used instead of them."""
    for name in ("models", "proofs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setattr(library, "library", lambda name: tmp_path / name)
    for value in vars(choice).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()
            monkeypatch.setattr(choice, value.__name__, value.__wrapped__)
    return tmp_path / "models"
