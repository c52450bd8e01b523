"""How often each instruction was compared with other machines, and with what result: `cosimulation.tsv`.

`make cosim` writes the file; its first lines say with which machines and which seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("cosimulation.tsv")


@dataclass(frozen=True)
class Comparison:
    """Operand forms of an instruction, start states in which each machine agreed, and the result in words."""

    forms: int
    unicorn: int
    qemu: int
    manual: int
    result: str

    @property
    def states(self) -> int:
        """Start states compared, on all machines together and with the manual's own words in code."""
        return self.unicorn + self.qemu + self.manual


@cache
def comparisons() -> Mapping[str, Comparison]:
    """The last campaign, by mnemonic."""
    found = {}
    for line in _lines():
        if not line.startswith("#"):
            mnemonic, *counts, result = line.split("\t")
            forms, unicorn, qemu, manual = map(int, counts)
            found[mnemonic] = Comparison(forms, unicorn, qemu, manual, result)
    return found


def campaign() -> tuple[str, ...]:
    """What the campaign says of itself: machines, seed."""
    return tuple(line.lstrip("# ") for line in _lines() if line.startswith("#"))


def _lines() -> list[str]:
    return [line for line in _FILE.read_text(encoding="utf-8").splitlines() if line]
