"""What a run was asked for, as plain data; what it means is looked up when it is needed, which takes imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verify import library
from verify.config import Override
from verify.errors import UsageError

if TYPE_CHECKING:
    from verify.contracts.handlers import Handler
    from verify.contracts.kernels import Version
    from verify.contracts.measured import Measured
    from verify.properties import Property

TIMEOUT = 300.0
"""Seconds of wall-clock time for one routine, unless something else is asked for."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    symbol: str | None = None
    contract: str | None = None
    layout: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    arch: str | None = None
    details: bool = False
    replay: bool = True
    handler: str | None = None
    raw: bool = False
    base: int | None = None
    entry: int | None = None
    let: tuple[tuple[str, int], ...] = ()
    kernel: str | None = None
    asm_offsets: Path | None = None
    dwarf: Path | None = None
    overrides: tuple[Override, ...] = ()

    def structs(self) -> str | Measured | None:
        """The struct layout to use instead of the contracts' own. Raises UsageError for two, InputError."""
        from verify import structs

        return structs.chosen(self.layout, self.asm_offsets, self.dwarf)

    def version(self) -> Version | None:
        """The kernel that the objects are of. Raises UsageError for what is no version."""
        if self.kernel is None:
            return None
        from verify.contracts import selection
        from verify.contracts.kernels import version

        try:
            found = version(self.kernel)
        except ValueError as problem:
            raise UsageError(str(problem)) from problem
        dated = {one.name for one in selection.dated(library.library("models"))}
        if self.contract is not None and self.contract not in dated:
            raise UsageError(f"contract {self.contract} names no kernels: give it, or --kernel, but not both")
        return found

    def level(self) -> str | None:
        """The machine that the code is built for, by its usual name. Raises UsageError for a name that is none."""
        from verify.semantics import levels

        return None if self.arch is None else levels.named(self.arch)

    def model(self) -> Handler | None:
        """The handler model. Raises UsageError for a name that is none, ContractError for a mistake in its file."""
        from verify.contracts.handlers import load_handler

        return None if self.handler is None else load_handler(library.library("models"), self.handler)

    def properties(self) -> tuple[Property, ...]:
        """The chosen properties. Raises UsageError for a name that is none."""
        from verify.properties import PROPERTIES, equivalent, layout_robust

        known = {prop.name for prop in PROPERTIES}
        for name in (*self.select, *self.ignore):
            if name not in known:
                raise UsageError(f"there is no property {name!r}; known: {', '.join(sorted(known))}")
        if layout_robust.PROPERTY.name in self.select:
            raise UsageError(layout_robust.NEEDS_SOURCE)
        if equivalent.PROPERTY.name in self.select:
            raise UsageError(equivalent.NEEDS_TWO)
        chosen = tuple(
            prop
            for prop in PROPERTIES
            if (not self.select or prop.name in self.select) and prop.name not in self.ignore
        )
        if not chosen:
            raise UsageError("--select and --ignore leave no property to prove")
        for override in self.overrides:
            for name in set(override.ignore) - known:
                raise UsageError(f"{override.where}: there is no property {name!r}; known: {', '.join(sorted(known))}")
        return chosen
