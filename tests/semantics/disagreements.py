"""The reviewed table of what other machines do otherwise than the Principles of Operation: disagreements.tsv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("disagreements.tsv")
REFUSES = "refuses"  # the machine recognises an exception, or dies, where the verifier goes on


@dataclass(frozen=True)
class Row:
    """In this case `parts` (fields of Cpu, `storage`, or REFUSES) differ; `why` is the manual's reason who is right."""

    mnemonics: tuple[str, ...]
    machine: str
    parts: frozenset[str]
    case: str
    right: str
    why: str


@cache
def rows() -> tuple[Row, ...]:
    """The table as it stands."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            mnemonics, machine, parts, *words = line.split("\t")
            found.append(Row(tuple(mnemonics.split(",")), machine, frozenset(parts.split(",")), *words))
    return tuple(found)


@cache
def by_instruction() -> Mapping[tuple[str, str], frozenset[str]]:
    """What may differ, by mnemonic and machine."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for row in rows():
        for mnemonic in row.mnemonics:
            found[mnemonic, row.machine] = found.get((mnemonic, row.machine), frozenset()) | row.parts
    return found


def admitted(mnemonic: str, machine: str, parts: frozenset[str]) -> bool:
    """Whether the table lets the machine differ in these parts."""
    return parts <= by_instruction().get((mnemonic, machine), frozenset())
