"""Which objects changed in git since a revision; all of them, where the contracts they are held to may have changed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from verify.errors import UsageError

_DECIDING = ("models", "proofs", "verify.toml", "pyproject.toml")
"""What decides beside the bytes of an object: directories and files at the top of a repository."""


def since(revision: str, files: Sequence[Path]) -> list[Path]:
    """The files that differ from the revision's, or are not in it, in order. Raises UsageError without git or it.

    All of them, where models/, proofs/ or the settings differ.
    """
    if not files:
        return []
    top = Path(_git(files[0].resolve().parent, "rev-parse", "--show-toplevel")[0])
    _git(top, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", problem=f"{revision!r} is no revision here")
    differ = set(_git(top, "diff", "--name-only", "-z", revision, "--"))
    differ |= set(_git(top, "ls-files", "--others", "-z"))
    if any(name.split("/")[0] in _DECIDING for name in differ):
        return list(files)
    return [path for path in files if _name(path, top) in differ]


def _name(path: Path, top: Path) -> str:
    try:
        return path.resolve().relative_to(top).as_posix()
    except ValueError as problem:
        raise UsageError(f"{path}: --since wants files of one repository, and this is not below {top}") from problem


def _git(place: Path, *arguments: str, problem: str | None = None) -> list[str]:
    command = ["git", "-C", str(place), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, errors="surrogateescape")
    except OSError as missing:
        raise UsageError(f"--since needs git: {missing.strerror}") from missing
    if done.returncode:
        raise UsageError(f"--since: {problem or done.stderr.strip() or 'git failed'}")
    return [name for name in done.stdout.replace("\0", "\n").split("\n") if name]
