"""A harness under qemu-s390x in user mode, and whether it comes to the same end as the replay."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from verify.explain.harness import NOT_MAPPED, REPORT, Harness

NAME = "qemu-s390x"
MISSING = f"{NAME} is not installed (Debian package qemu-user): the harness was not run"
_TIMEOUT = 20  # seconds
_SIGILL = 4
_LOW = ("-B", "0x100000000000")  # guest address 0 is then not address 0 of the host


def options(harness: Harness) -> tuple[str, ...]:
    """What QEMU must be told for this harness."""
    return _LOW if harness.low else ()


def version() -> str | None:
    """QEMU's version; None where it is not installed."""
    if shutil.which(NAME) is None:
        return None
    done = subprocess.run([NAME, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[2] if len(words) > 2 else "of an unknown version"


def differences(file: Path, harness: Harness) -> list[str]:
    """Run the harness; what it came to that the replay did not."""
    command = [NAME, *options(harness), str(file.resolve()), "report"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False, cwd=file.resolve().parent)
    except subprocess.TimeoutExpired:
        return [f"it did not end within {_TIMEOUT} s"]
    if done.returncode == NOT_MAPPED:
        return ["the kernel gave no storage at an address of the replay"]
    if len(done.stdout) != REPORT.size:
        return [f"it ended with status {done.returncode} and no report"]
    return list(_compared(done.stdout, harness))


def _compared(raw: bytes, harness: Harness) -> Iterator[str]:
    registers, end = _report(raw)
    if end != harness.end:
        yield f"control leaves to {end:#x}, not {harness.end:#x}"
    for name, number in registers.items():
        if number != harness.registers[name]:
            yield f"{name} is {number:#x}, not {harness.registers[name]:#x}"


def _report(raw: bytes) -> tuple[Mapping[str, int], int]:
    """The registers and the address at which control was lost."""
    *numbers, fpc, status, signal, _, address = REPORT.unpack(raw)
    names = [pattern.format(n) for pattern in ("r{}", "v{}.left", "a{}") for n in range(16)]
    found = dict(zip(names, numbers, strict=True))
    found |= {"fpc": fpc, "cc": status >> 28 & 3, "program mask": status >> 24 & 15}
    # After an operation exception the PSW is behind the halfword of zeros.
    return found, address - 2 if signal == _SIGILL else address
