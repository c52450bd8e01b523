"""Register lists as the psABI writes them: `r6-r13`, `f8-f15`, `v0-v31`, `a0-a1`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_ITEM = re.compile(r"^([rfva])(\d+)(?:-\1(\d+))?$")
_LIMIT = {"r": 16, "f": 16, "v": 32, "a": 16}


class RegisterError(ValueError):
    """Not a register list."""


def registers(items: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield (kind, number) for each register of a list. Raises RegisterError."""
    for item in items:
        match = _ITEM.match(item)
        if match is None:
            raise RegisterError(f"{item!r} is not a register or a range such as r6-r13")
        kind, first, last = match.group(1), int(match.group(2)), int(match.group(3) or match.group(2))
        if not first <= last < _LIMIT[kind]:
            raise RegisterError(f"{item!r} is not a range of registers")
        for number in range(first, last + 1):
            yield kind, number
