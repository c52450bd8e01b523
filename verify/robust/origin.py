"""An object instead of a source: the source that its DWARF names, and whether that still makes the same code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verify.errors import InputError
from verify.objfile.elf import load
from verify.objfile.image import Image, Target
from verify.objfile.lines import recorded_sources

_MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Origin:
    """A source, the directory that the names in it start from, and the object that it was found by, if it was."""

    path: Path
    directory: Path
    object: Image | None = None

    def check(self, plain: Image) -> None:
        """Raises InputError where the object that was assembled is other code than the one that was given."""
        if self.object is not None and _code(self.object) != _code(plain):
            raise InputError(
                self.object.path, f"is not what {self.path} gives when it is assembled here: what -I, -D, --arch or "
                "--assembler was it built with, and from which offsets?"
            )  # fmt: skip


def origin(path: Path, here: Path) -> Origin:
    """What is to be assembled for an input, which is a source or an object; `here` is the current directory.

    Raises InputError, with what is missing.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return Origin(path, here)
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem
    image = load(path)
    if not image.relocatable:
        raise InputError(path, "is linked, and cannot be assembled again: give the source")
    sources = recorded_sources(path)
    if not sources:
        raise InputError(path, "has no DWARF that names its source: give the source")
    if len(sources) > 1:
        raise InputError(path, f"was made of {len(sources)} sources, {sources[0]} and others: give the source")
    parts = sources[0].parts[1:] if sources[0].is_absolute() else sources[0].parts
    below = [here.joinpath(*parts[number:]) for number in range(len(parts))]  # built elsewhere, from a tree like this
    found = next((one for one in (here / sources[0], *below) if one.is_file()), None)
    if found is None:
        raise InputError(path, f"was made of {sources[0]}, which is not here: give the source")
    return Origin(found, here, image)


def _code(image: Image) -> object:
    """The bytes of executable sections and what their relocations mean, by names that every assembler gives alike."""
    sections = sorted((one.name, one.start, one.data) for one in image.sections if one.data and one.executable)
    holes = sorted(
        (image.space_name(one.place.space), one.place.offset, one.row.name, _target(image, one.target))
        for one in image.holes
        if image.code(one.place, 1)
    )
    return sections, holes


def _target(image: Image, target: Target) -> tuple[str, int]:
    if target.place is not None:
        return image.space_name(target.place.space), target.place.offset
    return target.external or "", (target.absolute or 0) + target.addend
