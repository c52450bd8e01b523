"""What `verify replay` does and says."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from verify.errors import UsageError, VerifyError
from verify.explain import again, emulator, harness, usermode
from verify.explain.again import Found
from verify.explain.harness import Harness
from verify.explain.placed import Unplaced
from verify.explain.recorded import Recorded
from verify.machine.show import show
from verify.verdict import Exit

_NUMBERED = re.compile(r"#\d+")


def run(file: Path, there: Iterable[Found], number: int, output: Path | None) -> tuple[list[str], Exit]:
    """Replay the counterexample of this number, from 1, and run its harness, which is kept at `output` if at all.

    The lines to print, and the exit code. 0: all came to the same end, or QEMU is not installed; 1: something differs;
    3: it cannot be had in user mode. Raises VerifyError where there is no such counterexample, or no way to write.
    """
    found = chosen(file, there, number)
    lines = [f"{file}: {found.symbol.name}: {found.property.name}: {found.failure.obligation.claim}"]
    try:
        replay = again.replay(found)
    except Unplaced as problem:
        return [*lines, f"not replayed: {problem}"], Exit.NOT_PROVED
    except again.Unconfirmed as problem:
        return [*lines, f"{emulator.version()}: not confirmed: {problem}"], Exit.BROKEN
    lines.append(f"replayed on {emulator.version()}: {len(replay.events)} steps, then {_end(replay)}")
    try:
        made = harness.build(replay)
    except Unplaced as problem:
        return [*lines, f"no harness: {problem}"], Exit.NOT_PROVED
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "harness") if output is None else output
        _write(path, made.file)
        told, code = _compared(path, made)
    return [*lines, *([] if output is None else _use(output, made)), told], code


def chosen(file: Path, there: Iterable[Found], number: int) -> Found:
    """The counterexample of this number, from 1. Raises UsageError where there are not so many."""
    count = 0
    for count, found in enumerate(there, 1):
        if count == number:
            return found
    many = {0: "no counterexample", 1: "1 counterexample"}.get(count, f"{count} counterexamples")
    raise UsageError(f"{file}: the solver finds {many}" + (f", not {number}" if count else " to what was chosen"))


def _end(replay: Recorded) -> str:
    term, named = replay.path.state.pc, replay.named(replay.end())
    meaning = _NUMBERED.sub("", show(term))
    return f"control leaves to {named}" + (
        f", which is {meaning}" if term.leaf is not None and meaning != named else ""
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
        path.chmod(0o755)
    except OSError as problem:
        raise VerifyError(f"{path}: cannot be written: {problem.strerror}") from problem


def _use(output: Path, made: Harness) -> list[str]:
    command = " ".join([usermode.NAME, *usermode.options(made), "-g", "1234", str(output)])
    return [f"{output}: step it with `{command}` and `gdb-multiarch -ex 'target remote :1234' {output}`"]


def _compared(path: Path, made: Harness) -> tuple[str, Exit]:
    version = usermode.version()
    if version is None:
        return usermode.MISSING, Exit.PROVED
    differences = usermode.differences(path, made)
    if not differences:
        return f"{usermode.NAME} {version}: same end", Exit.PROVED
    more = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
    return f"{usermode.NAME} {version}: {differences[0]}{more}", Exit.BROKEN
