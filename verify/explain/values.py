"""Numbers for unknowns."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from verify.machine.term import Term

# Unknowns that not every number fits: the bits that may be one, and those that are. Fixed-point overflow (bit 20 of
# the PSW) would interrupt; the FPC has bits that are always zero, as have its flags and DXC (bits 8-23).
_MODE_64 = 0x1_8000_0000
_EVEN = (32, 64)  # bits of what may be an address, of 31-bit and of 64-bit code
DOMAINS = (
    (re.compile(r"old\.system_mask$"), 0x03F4 << 48, _MODE_64),
    (re.compile(r"old\.program_mask$"), 0b0111, 0),
    (re.compile(r"old\.fpc$"), 0xF8F8FF70, 0),
    (re.compile(r"fpc flags after "), 0xF8FF, 0),
    (re.compile(r"\w+\.psw\.mask#"), 0x03F4_3700 << 32, _MODE_64),  # a handler's, with condition code and program mask
)


def domain(unknown: Term) -> tuple[int, int]:
    """The bits of an unknown that may be one, and those that are."""
    assert unknown.leaf is not None, unknown
    for pattern, free, ones in DOMAINS:
        if pattern.match(unknown.leaf.name):
            return free, ones
    return (1 << max(1, unknown.width)) - 1, 0


class Values(dict[Term, int]):
    """Numbers for unknowns; one that nobody has chosen is drawn when it is first asked for."""

    def __init__(self, chosen: Mapping[Term, int], rng: random.Random) -> None:
        super().__init__(chosen)
        self.rng = rng

    def __missing__(self, unknown: Term) -> int:
        free, ones = domain(unknown)
        number = self.rng.getrandbits(max(1, unknown.width)) & free | ones
        self[unknown] = number & ~1 if unknown.width in _EVEN else number  # control can go to an even address
        return self[unknown]
