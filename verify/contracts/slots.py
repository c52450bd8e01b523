"""Names for the bytes of a stack: the fields of frame headers and of the struct that is handed out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from verify.contracts.schema import Contract


class Named(NamedTuple):
    """A field: the offset of its first byte from r15 at entry, its size in bytes, its name."""

    offset: int
    size: int
    name: str


def slots(contract: Contract, frames: Iterable[int], structs: Iterable[int]) -> Iterator[Named]:
    """The fields of the frame headers at these offsets from r15 at entry, and of the struct at those."""
    for start in frames:
        yield from _fields(contract, "stack_frame", start, "" if start == 0 else "own ")
    if contract.handed is not None:
        for start in structs:
            yield from _fields(contract, contract.handed.type, start, f"{contract.handed.name}.")


def _fields(contract: Contract, struct: str, start: int, prefix: str) -> Iterator[Named]:
    for name, field in contract.layout.structs[struct].fields.items():
        for index in range(field.count):
            label = f"{name}[{index}]" if field.count > 1 else name
            yield Named(start + field.at + index * field.size, field.size, prefix + label)
