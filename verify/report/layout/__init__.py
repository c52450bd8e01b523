"""Layered layout of a small directed graph: boxes in rows, edges as right-angled lines that cross no box.

The steps are those of Sugiyama: `ranks` gives each box its row, `rows` orders the rows, `columns` gives each box its
x, `wires` routes the edges. Everything is whole numbers, and the same input gives the same drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verify.report.layout.columns import spread
from verify.report.layout.ranks import rank
from verify.report.layout.rows import build, order
from verify.report.layout.wires import Point, route

Size = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """Where a box stands: its upper left corner and its size."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """A finished drawing: its size, the boxes by name, and a line for each edge, in the order of the edges."""

    width: int
    height: int
    boxes: dict[str, Box]
    edges: tuple[tuple[Point, ...], ...]


def layout(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]], entry: str) -> Drawing:
    """Draw the boxes `sizes` (name to width and height) and the `edges` between them; `entry` is alone on top.

    Edges may form circles, lead from a box to itself, and be there twice.
    """
    ranks, back = rank(list(sizes), edges, entry)
    grid = build(sizes, edges, ranks, back)
    order(grid)
    spread(grid)
    lines, width, height = route(grid, edges)
    boxes = {name: Box(cell.left, cell.y, cell.width, cell.height) for name, cell in grid.boxes.items()}
    return Drawing(width, height, boxes, lines)
