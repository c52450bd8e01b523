"""Which contract a routine of a given kernel is held to: by its symbol, the kernel's version, and the object itself.

A kernel without a contract never borrows a neighbour's, and where several fit nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from verify.contracts.kernels import Fit, Kernels, Version, kernels_of
from verify.contracts.layout import load_layout
from verify.contracts.load import Has, contract_names, inherited, resolve, symbol_numbers
from verify.contracts.source import read


@dataclass(frozen=True)
class Summary:
    """A contract in one line; `kernels` is None where it does not say which it is for."""

    name: str
    summary: str
    kernels: Kernels | None


@dataclass(frozen=True)
class Dated:
    """A contract that says which kernels it is for, and symbols that tell it from others for the same kernels."""

    name: str
    summary: str
    symbols: tuple[str, ...]
    kernels: Kernels
    present: tuple[str, ...]
    absent: tuple[str, ...]

    def covers(self, names: Iterable[str]) -> bool:
        """Whether it is for a routine with one of these names."""
        return any(fits(self.symbols, name) for name in names)

    def shown_by(self, has: Has) -> bool:
        """Whether the object knows the symbols of `present`, and none of `absent`."""
        return all(map(has, self.present)) and not any(map(has, self.absent))

    def describe(self) -> str:
        """Its name, the kernels it is for, and its summary."""
        return f"{self.name} ({self.kernels.describe()}): {self.summary}"


def fits(patterns: Iterable[str], name: str) -> bool:
    """Whether a symbol is one of these, or fits one with a number in braces."""
    patterns = list(patterns)
    return name in patterns or bool(symbol_numbers(patterns, name))


def summaries(root: Path) -> Iterator[Summary]:
    """All contracts in one line each, by name. Raises ContractError."""
    for name in contract_names(root):
        source = read(root / f"{name}.toml")
        yield Summary(name, str(source.table.get("summary", "")), kernels_of(source))


@cache
def dated(root: Path) -> tuple[Dated, ...]:
    """All contracts that name kernels, by the first of them. Raises ContractError."""
    found = []
    for one in summaries(root):
        if one.kernels is not None:
            source, symbols = read(root / f"{one.name}.toml"), inherited(root, one.name, "symbols")
            present, absent = source.strings("present"), source.strings("absent")
            found.append(Dated(one.name, one.summary, symbols, one.kernels, present, absent))
    return tuple(sorted(found, key=lambda one: one.kernels.order()))


def candidates(root: Path, names: Iterable[str], kernel: Version, bits: int, has: Has) -> tuple[Dated, ...]:
    """The contracts for a routine of that kernel and addressing mode (31 or 64).

    One, where version and object decide; none, where none is known. A contract that names the very symbol goes before
    one for a family of symbols.
    """
    names = tuple(names)
    possible = tuple(
        one
        for one in dated(root)
        if one.covers(names) and one.kernels.fit(kernel) is not Fit.NO and _bits(root, one.name) == bits
    )
    possible = tuple(one for one in possible if not set(one.symbols).isdisjoint(names)) or possible
    if len(possible) < 2:
        return possible
    return tuple(one for one in possible if one.shown_by(has)) or possible


def _bits(root: Path, name: str) -> int:
    """The addressing mode of the code that a contract is for: what its layout's word says."""
    layout = resolve(root, name)[1].get("layout")
    return 31 if isinstance(layout, str) and load_layout(root, layout).word == 4 else 64


__all__ = ["Dated", "Summary", "candidates", "dated", "fits", "summaries"]
