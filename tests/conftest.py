"""One seed for all random campaigns of a session, said at its end together with the tools that are missing."""

from __future__ import annotations

import os
import secrets

import pytest

from tests.semantics import qemu_machine

SEED = "COSIM_SEED"


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist starts its workers, which inherit the environment."""
    os.environ.setdefault(SEED, secrets.token_hex(4))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    if not any("test_campaign" in report.nodeid for report in reports):
        return
    missing = qemu_machine.available()
    machines = "unicorn alone" if missing else f"unicorn and {qemu_machine.NAME} {qemu_machine.version()}"
    terminalreporter.write_line(f"co-simulation: seed {os.environ[SEED]} ({SEED} repeats it), against {machines}")
    if missing:
        terminalreporter.write_line(f"co-simulation: MISSING {missing}")
