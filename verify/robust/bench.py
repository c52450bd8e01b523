"""One source on the bench: assembled as it is, and once for each moved layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from verify.assemble import Assembler, NotAssembled, Source
from verify.contracts.asm_offsets import meaning
from verify.errors import InputError
from verify.objfile.elf import load
from verify.objfile.image import Image
from verify.robust.headers import POISON, Header, moved
from verify.robust.headers import structs as headers_of
from verify.robust.origin import Origin
from verify.robust.overlay import Overlay
from verify.robust.variants import FIXED, Variant
from verify.robust.written import files

_AT_A_TIME = 2  # assemblers


@dataclass(frozen=True)
class Request:
    """How a source is assembled: headers with offsets, include directories, NAME or NAME=VALUE, assembler, 31 or 64."""

    offsets: tuple[Path, ...]
    includes: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    assembler: str | None = None
    bits: int = 64


class Bench:
    """A source and all that is needed to assemble it, in a scratch directory; `level` is the machine's, for -march."""

    def __init__(
        self, tool: Assembler, origin: Origin, request: Request, headers: Sequence[Header], scratch: Path,
        level: str | None = None,
    ) -> None:  # fmt: skip
        self.tool, self.path, self.headers, self.scratch = tool, origin.path, tuple(headers), scratch
        self.real, self.directory = origin.path.resolve(), origin.directory.resolve()
        self.includes = tuple(one.resolve() for one in request.includes)
        self.defines, self.level, self.bits = request.defines, level, request.bits
        for one, given in zip(self.includes, request.includes, strict=True):
            if not one.is_dir():
                raise InputError(given, "no such directory")
        shown = [self.directory, self.real.parent, *self.includes]
        self.overlays = [self._overlay(scratch / str(number), shown) for number in range(_AT_A_TIME)]

    def _overlay(self, root: Path, shown: Iterable[Path]) -> Overlay:
        root.mkdir()
        overlay = Overlay(root, shown, [header.path for header in self.headers])
        overlay.write({header.path: header.text for header in self.headers})
        return overlay

    def plain(self) -> Image:
        """The object as the headers are. Raises InputError."""
        self._assemble(self.overlays[0], output := self.scratch / "plain.o")
        return load(output)

    def moved(self, variants: Sequence[Variant]) -> list[Image | str]:
        """An object for each variant; where there is none, why not."""
        overlays: SimpleQueue[Overlay] = SimpleQueue()
        for one in self.overlays:
            overlays.put(one)

        def assemble(number: int) -> Path | str:
            overlay = overlays.get()
            try:
                overlay.write({one.path: moved(one, variants[number]) for one in self.headers})
                self._assemble(overlay, output := self.scratch / f"moved{number}.o")
            except NotAssembled as problem:
                return problem.reason
            finally:
                overlays.put(overlay)
            return output

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            found = list(pool.map(assemble, range(len(variants))))
        return [one if isinstance(one, str) else load(one) for one in found]

    def _assemble(self, overlay: Overlay, output: Path) -> None:
        try:
            self.tool.assemble(self._source(overlay), output)
        except NotAssembled as problem:
            raise NotAssembled(self.path, problem.reason) from problem

    def _source(self, overlay: Overlay) -> Source:
        includes = tuple(map(overlay.path, self.includes))
        return Source(
            overlay.path(self.real), overlay.path(self.directory), includes, self.defines, self.level, self.bits
        )

    def texts(self) -> tuple[Path, ...]:
        """The source and what it includes, where they are seen by the assembler."""
        overlay = self.overlays[0]
        return files(overlay.path(self.real), [overlay.path(one) for one in (self.directory, *self.includes)])

    # Which headers the source reads

    def unread(self) -> list[Header]:
        """The headers that the source does not include: their numbers say what the layout is, but cannot move.

        Raises InputError where the source has the name of an offset from elsewhere: it would not move with the others,
        and its right use would look like a number.
        """
        unread = [header for header in self.headers if not self._reads(header)]
        texts = [header.text for header in self.headers if header not in unread]
        structs = headers_of(self.headers) - FIXED
        for name in sorted(self._defined()):
            known, word = meaning(name), re.compile(rf"\b{re.escape(name)}\b")
            if known is not None and known[0] in structs and not any(map(word.search, texts)):
                raise InputError(self.path, f"has {name} from a file that --offsets does not name: name that one too")
        return unread

    def _reads(self, header: Header) -> bool:
        overlay = self.overlays[0]
        overlay.write({header.path: header.poisoned()})
        try:
            self._assemble(overlay, self.scratch / "poisoned.o")
        except NotAssembled as problem:
            if POISON not in problem.reason:
                raise
            return True
        finally:
            overlay.write({header.path: header.text})
        return False

    def _defined(self) -> set[str]:
        """The names that the source gives numbers: absolute symbols of the object, and macros."""
        source = self._source(self.overlays[0])
        symbols = {one.name for one in load(self.scratch / "plain.o").symbols if one.absolute is not None}
        return symbols | set(self.tool.defined(source))
