"""The x of each cell: as near to its neighbours as the order and the widths of its row allow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from verify.report.layout.rows import LANE, Cell, Grid

GAP = 24
"""Free space between two boxes of a row."""

_SWEEPS = 8
_STIFF = 8  # a lane, which is to be straight, pulls as strongly as that many boxes


def spread(grid: Grid) -> None:
    """Set the x of all cells; the leftmost side of the drawing is 0."""
    for row in grid.rows:
        _place(row, [0.0] * len(row))
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in grid.rows if down else grid.rows[::-1]:
            _place(row, [_wish(cell, down) for cell in row])
    shift = min((cell.left for row in grid.rows for cell in row), default=0)
    shift -= shift % LANE  # lanes and ports stand on different multiples, which no shift may change
    for row in grid.rows:
        for cell in row:
            cell.x -= shift


def _wish(cell: Cell, down: bool) -> float:
    near = (cell.up if down else cell.down) or cell.up or cell.down
    weights = [_STIFF if cell.lane and other.lane else 1 for other in near]
    if not near:
        return cell.x
    return sum(other.x * weight for other, weight in zip(near, weights, strict=True)) / sum(weights)


def _place(row: Sequence[Cell], wishes: Sequence[float]) -> None:
    """The middles that differ least from what is wished for (in squares) and keep the distances."""
    offsets = [0]
    for one, other in itertools.pairwise(row):
        gap = 0 if one.lane and other.lane else GAP
        offsets.append(offsets[-1] + _up(one.width - one.width // 2 + gap + other.width // 2))
    groups: list[tuple[float, int]] = []  # neighbours that touch: the sum of their wishes, and their number
    for wish, offset in zip(wishes, offsets, strict=True):
        total, number = wish - offset, 1
        while groups and groups[-1][0] / groups[-1][1] >= total / number:
            more, many = groups.pop()
            total, number = total + more, number + many
        groups.append((total, number))
    starts = [_near(total / number) for total, number in groups for _ in range(number)]
    for cell, start, offset in zip(row, starts, offsets, strict=True):
        cell.x = start + offset


def _up(value: int) -> int:
    return -(-value // LANE) * LANE


def _near(value: float) -> int:
    return round(value / LANE) * LANE
