"""Which machine an instruction needs: the level of its row, and the forms that came later than the row.

The names are those of the machines, as in `-march=` of GCC and binutils, whose other names for them are understood.
"""

from __future__ import annotations

from collections.abc import Callable

from verify.errors import UsageError
from verify.semantics.decode import Instruction
from verify.semantics.isa import LEVELS

_ARCH = dict(zip((f"arch{n}" for n in range(5, 15)), LEVELS[1:], strict=True))
_ALIASES = {**_ARCH, "z9-109": "z9", "z9-ec": "z9", "g5": "esa", "arch3": "esa"}


def level(name: str) -> str:
    """The level of a name for it. Raises KeyError for a machine that is not known."""
    known = {each.lower(): each for each in LEVELS} | _ALIASES
    return known[name.lower()]


def named(name: str) -> str:
    """As `level`. Raises UsageError."""
    try:
        return level(name)
    except KeyError as problem:
        raise UsageError(f"there is no machine {name!r}; known: {known()}") from problem


def known() -> str:
    """The names, oldest machine first, for people."""
    return ", ".join(LEVELS)


def _long_displacement(insn: Instruction) -> bool:
    """Before the long-displacement facility (z990) bits 32-39 had to be zero."""
    parts = [field for field in insn.format.fields if field.signed and field.width == 20]
    return any(not 0 <= insn.fields[field.name] < 4096 for field in parts)


def _counts_all_bits(insn: Instruction) -> bool:
    """Before miscellaneous-instruction-extensions facility 3 (z15) M3 was ignored."""
    return insn.mnemonic == "POPCNT" and bool(insn.fields["M3"] & 8)


_LATER: tuple[tuple[Callable[[Instruction], bool], str], ...] = (
    (_long_displacement, "z990"),
    (_counts_all_bits, "z15"),
)


def needed(insn: Instruction) -> str:
    """The oldest level that has this form of the instruction."""
    found = [insn.spec.level, *[later for applies, later in _LATER if applies(insn)]]
    return max(found, key=LEVELS.index)


def above(insn: Instruction, arch: str) -> bool:
    """Whether an instruction needs a newer machine than `arch`."""
    return LEVELS.index(needed(insn)) > LEVELS.index(arch)
