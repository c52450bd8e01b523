"""The reports of the parts of a run as the report of the whole: the same as if one process had done it all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

from verify.errors import UsageError
from verify.report.report import FileReport, Report


def share(files: Sequence[Path], shard: tuple[int, int] | None) -> Sequence[Path]:
    """The inputs of part i of n: every n-th, beginning with the i-th."""
    return files if shard is None else files[shard[0] - 1 :: shard[1]]


def merge(parts: Sequence[tuple[Path, Report]]) -> Report:
    """One report of several, each with the file it was read from. Raises UsageError.

    Parts made with `--shard i/n` must all be there, once; their inputs come in the order of the whole run. Others are
    put one behind another.
    """
    for path, part in parts:
        if part.versions != parts[0][1].versions:
            raise UsageError(f"{path}: was written by another version of verify, or of its solver, than {parts[0][0]}")
    interrupted = sum(part.interrupted for _, part in parts)
    return Report(tuple(_files(parts)), parts[0][1].versions, interrupted)


def _files(parts: Sequence[tuple[Path, Report]]) -> Sequence[FileReport]:
    if all(part.shard is None for _, part in parts):
        return [file for _, part in parts for file in part.files]
    placed: dict[int, tuple[Path, Report]] = {}
    counts = {part.shard[1] if part.shard else 0 for _, part in parts}
    if len(counts) != 1:
        raise UsageError(
            f"{parts[0][0]} and the others are not parts of one run: --shard has different numbers of parts"
        )
    (count,) = counts
    for path, part in parts:
        assert part.shard is not None
        number = part.shard[0]
        if number in placed:
            raise UsageError(f"{placed[number][0]} and {path} are both part {number} of {count}")
        placed[number] = (path, part)
    missing = [number for number in range(1, count + 1) if number not in placed]
    if missing:
        raise UsageError(f"part {missing[0]} of {count} is missing")
    turns = zip_longest(*[placed[number][1].files for number in sorted(placed)])
    return [file for file in chain.from_iterable(turns) if file is not None]
