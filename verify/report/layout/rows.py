"""The boxes as rows of cells, with a thin cell wherever an edge passes a row, ordered so that few edges cross."""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LANE = 12
"""The width that an edge takes where it passes a row."""

_SWEEPS = 12


@dataclass(eq=False)
class Cell:
    """A box, or the place where an edge passes a row; `x` is its middle."""

    width: int
    height: int
    lane: bool
    x: int = 0
    y: int = 0
    up: list[Cell] = field(default_factory=list, repr=False)
    down: list[Cell] = field(default_factory=list, repr=False)

    @property
    def left(self) -> int:
        """The left side."""
        return self.x - self.width // 2


@dataclass(frozen=True)
class Grid:
    """All cells, by row; the boxes by name; and of each edge the cells that it passes, from source to target.

    `rank` says in which row a cell is; an edge of `back` goes up, and passes the rows of both its ends, too.
    """

    rows: list[list[Cell]]
    boxes: dict[str, Cell]
    chains: tuple[tuple[Cell, ...], ...]
    rank: dict[Cell, int]
    back: frozenset[int]


def build(
    sizes: Mapping[str, tuple[int, int]],
    edges: Sequence[tuple[str, str]],
    ranks: Mapping[str, int],
    back: frozenset[int],
) -> Grid:
    """The cells in the order of their names; lanes are to the right of the boxes."""
    rows: list[list[Cell]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    boxes = {name: Cell(*size, lane=False) for name, size in sizes.items()}
    rank = {}
    for name, cell in boxes.items():
        rows[ranks[name]].append(cell)
        rank[cell] = ranks[name]
    chains = []
    for number, (source, target) in enumerate(edges):
        start, end = ranks[source], ranks[target]
        passed = range(start, end - 1, -1) if number in back else range(start + 1, end)
        lanes = [Cell(LANE, 0, lane=True) for _ in passed]
        for row, lane in zip(passed, lanes, strict=True):
            rows[row].append(lane)
            rank[lane] = row
        chains.append((boxes[source], *lanes, boxes[target]))
    grid = Grid(rows, boxes, tuple(chains), rank, back)
    _link(grid)
    return grid


def _link(grid: Grid) -> None:
    for chain in grid.chains:
        for one, other in itertools.pairwise(chain):
            upper, lower = sorted((one, other), key=grid.rank.__getitem__)
            if grid.rank[upper] < grid.rank[lower]:
                upper.down.append(lower)
                lower.up.append(upper)


def order(grid: Grid) -> None:
    """Sort each row by where its neighbours stand, down and up in turn, and keep the best that was seen."""
    best, fewest = [list(row) for row in grid.rows], _crossings(grid.rows)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for row in grid.rows[1:] if down else grid.rows[-2::-1]:
            _sort(grid, row, down)
        crossings = _crossings(grid.rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in grid.rows], crossings
    grid.rows[:] = best


def _sort(grid: Grid, row: list[Cell], down: bool) -> None:
    above = grid.rank[row[0]] + (-1 if down else 1)
    place = {cell: number for number, cell in enumerate(grid.rows[above])}
    keys = {}
    for number, cell in enumerate(row):
        near = [place[other] for other in (cell.up if down else cell.down)]
        keys[cell] = sum(near) / len(near) if near else number
    row.sort(key=keys.__getitem__)


def _crossings(rows: Sequence[Sequence[Cell]]) -> int:
    """How many pairs of edges cross between neighbouring rows."""
    count = 0
    for upper, lower in itertools.pairwise(rows):
        place = {cell: number for number, cell in enumerate(lower)}
        seen: list[int] = []
        for cell in upper:
            ends = sorted(place[other] for other in cell.down)
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count
