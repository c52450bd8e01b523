"""What was proved once is not proved again: verdicts from the cache, and the rest from the pipeline.

A kept report is used for the same bytes under the same name, the same options and the same program (`cache.keys`), and
is the report that a proof would give. Where everything is kept, neither the lifter nor the solver is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from verify.cache import keys
from verify.cache.codec import Unreadable, decode, encode
from verify.cache.store import Store
from verify.options import TIMEOUT, Options
from verify.report.progress import Watch
from verify.report.report import FileReport, Report
from verify.verdict import Verdict
from verify.versions import versions

if TYPE_CHECKING:
    from verify.report.report import RoutineReport

_LARGEST = 64 << 20  # bytes: to hash a kernel image takes as long as to prove one routine of it
# A limit, a crash or a hang may end otherwise the next time.
_CERTAIN = {Verdict.PROVED, Verdict.REFUTED, Verdict.UNCONFIRMED, Verdict.VACUOUS, Verdict.UNSUPPORTED}


def prove(
    paths: Sequence[Path], options: Options, store: Store | None, jobs: int = 1, timeout: float = TIMEOUT,
    watch: Watch | None = None,
) -> Report:  # fmt: skip
    """As `pipeline.prove`, with what the store has. Raises what that raises."""
    seen = Watch() if watch is None else watch
    places = {} if store is None else _places(paths, options)
    kept = {} if store is None else _kept(store, places)
    missing = [path for path in paths if path not in kept]
    if not missing:
        return Report(tuple(kept[path] for path in paths), versions())
    from verify import pipeline  # which loads the lifter

    found = pipeline.prove(missing, options, jobs, timeout, seen if store is None else _Keeper(seen, store, places))
    proved = iter(found.files)
    return Report(
        tuple(kept[path] if path in kept else next(proved) for path in paths), found.versions, found.interrupted
    )


def _places(paths: Sequence[Path], options: Options) -> dict[Path, str]:
    """The key of each input that can be kept."""
    program, asked = keys.of_program(), keys.of_options(options)
    places = {}
    for path in dict.fromkeys(paths):
        try:
            if path.stat().st_size <= _LARGEST:
                places[path] = keys.of_file(path, path.read_bytes(), program, asked)
        except OSError:  # that is for the pipeline to tell
            continue
    return places


def _kept(store: Store, places: dict[Path, str]) -> dict[Path, FileReport]:
    entries = store.get(places.values())
    found = {}
    for path, key in places.items():
        try:
            if key in entries:
                found[path] = decode(entries[key])
        except Unreadable:  # proved again, and kept anew
            continue
    return found


class _Keeper(Watch):
    """Keeps the report on each file as soon as it is whole."""

    def __init__(self, watch: Watch, store: Store, places: dict[Path, str]) -> None:
        self.watch, self.store, self.places = watch, store, places

    def expect(self, count: int) -> None:
        """So many routines are to be proved."""
        self.watch.expect(count)

    def finished(self, report: RoutineReport) -> None:
        """One of them is done."""
        self.watch.finished(report)

    def tick(self) -> None:
        """Time has passed."""
        self.watch.tick()

    def whole(self, report: FileReport) -> None:
        """All of one file is done."""
        key = self.places.get(Path(report.file))
        if key is not None and {finding.verdict for finding in report.findings()} <= _CERTAIN:
            self.store.put({key: encode(report).encode()})
