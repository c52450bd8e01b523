"""Where the struct layout of a run comes from: a name, or the kernel being verified."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from verify.contracts.layout import Field, Struct
from verify.contracts.measured import Measured
from verify.errors import UsageError


def chosen(layout: str | None, asm_offsets: Path | None, dwarf: Path | None) -> str | Measured | None:
    """The layout that the command line asks for; None: the contract's own.

    Raises UsageError where it asks for two, InputError for a file that cannot be read.
    """
    given = {"--layout": layout, "--asm-offsets": asm_offsets, "--dwarf": dwarf}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} each give the struct layout: choose one of them")
    if asm_offsets is not None:
        return _of_header(asm_offsets)
    return layout if dwarf is None else _of_debug(dwarf)


@cache
def _of_header(path: Path) -> Measured:
    from verify.contracts import asm_offsets

    return Measured(path, asm_offsets.read(path).get)


@cache
def _of_debug(path: Path) -> Measured:
    from verify.objfile.dwarf import Debug

    debug = Debug(path, needed="pt_regs")

    def ask(name: str) -> Struct | None:
        shape = debug.shape(name)
        if shape is None:
            return None
        fields = {member: Field(found.at, found.size, found.count) for member, found in shape.members.items()}
        return Struct(name, shape.size, fields, {})

    return Measured(path, ask)
