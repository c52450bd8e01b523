"""The file system as it is, but for some files with another text.

An include is found by the current directory, by the including file's directory or by `-I`, and the rules of GNU as,
clang and the C preprocessor differ. So a moved variant of a header is not put in front of the others: the whole way
to it is shown again below a scratch directory, each directory on the way with links to all that is in the real one,
and the commands run in there. Whatever finds the header outside finds the variant inside, also by `../`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path


class Overlay:
    """A view of the directories that a source's build looks into, below `root`, which must be empty.

    `directories` are shown whole, and so is every directory above them; `replaced` are the files that `write` gives
    another text. All paths are real: absolute and free of symbolic links.
    """

    def __init__(self, root: Path, directories: Iterable[Path], replaced: Iterable[Path]) -> None:
        self.root = root.resolve()
        self.replaced = frozenset(replaced)
        starts = [*directories, *[path.parent for path in self.replaced]]
        self.directories = {parent for path in starts for parent in (path, *path.parents)}
        for directory in sorted(self.directories):
            self.path(directory).mkdir(exist_ok=True)
        own = frozenset(map(str, self.directories | self.replaced))
        for directory in self.directories:
            self._show(directory, own)

    def path(self, real: Path) -> Path:
        """Where a file or directory is seen in here."""
        return self.root / real.relative_to(real.anchor)

    def write(self, texts: Mapping[Path, str]) -> None:
        """Give replaced files their texts."""
        for path, text in texts.items():
            assert path in self.replaced
            self.path(path).write_text(text, encoding="utf-8", errors="surrogateescape")

    def _show(self, directory: Path, own: frozenset[str]) -> None:
        """Link to all that a directory has, but for `own`. A directory that cannot be listed shows less."""
        inside = str(self.path(directory))
        with suppress(PermissionError), os.scandir(directory) as entries:  # strings: there may be thousands
            for entry in entries:
                if entry.path not in own:
                    real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                    target = f"{self.root}{real}" if real in own else entry.path
                    os.symlink(target, f"{inside}/{entry.name}")
