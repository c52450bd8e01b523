"""The edges as right-angled lines: out below a box, along a track between two rows, into a box from above."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from verify.report.layout.rows import LANE, Cell, Grid

Point = tuple[int, int]

_MARGIN = 14  # between a row and the nearest track
_TRACK = 10  # between two tracks
# Lines that leave, enter and pass stand on different multiples of a lane's width, and so do not lie upon each other.
_OUT, _IN, _PASS = 0, 4, 8
_STRAIGHT = 8


@dataclass(frozen=True)
class _Hop:
    """The part of an edge between two rows: in which gap (0 is above the first row), and from where to where."""

    edge: int
    gap: int
    start: int
    end: int


def route(grid: Grid, edges: Sequence[tuple[str, str]]) -> tuple[tuple[tuple[Point, ...], ...], int, int]:
    """A line for each edge, and the size of the drawing. Sets the y of all cells."""
    hops = _hops(grid, edges)
    tracks, used = _tracks(hops)
    height = _rows(grid, used)
    tops = [min(cell.y for cell in row) for row in grid.rows]
    lines = [[] for _ in edges]  # type: list[list[Point]]
    for hop, track in zip(hops, tracks, strict=True):
        roof = tops[hop.gap - 1] + max(cell.height for cell in grid.rows[hop.gap - 1]) if hop.gap else 0
        y = roof + _MARGIN + track * _TRACK
        lines[hop.edge] += [(hop.start, y), (hop.end, y)]
    shift, width = _extent(grid, lines)
    for cell in (cell for row in grid.rows for cell in row):
        cell.x += shift
    finished = []
    for chain, line in zip(grid.chains, lines, strict=True):
        first, last = line[0][0], line[-1][0]
        ends = [(first, chain[0].y + chain[0].height), *line, (last, chain[-1].y)]
        finished.append(_plain([(x + shift, y) for x, y in ends]))
    return tuple(finished), width, height


def _hops(grid: Grid, edges: Sequence[tuple[str, str]]) -> list[_Hop]:
    leave, enter = _ports(grid, down=True), _ports(grid, down=False)
    hops = []
    for number, chain in enumerate(grid.chains):
        points = [leave[number], *[cell.x + _PASS for cell in chain[1:-1]], enter[number]]
        if len(chain) == 2 and abs(points[0] - points[1]) <= _STRAIGHT:
            points[1] = points[0]
        elif len(chain) > 2:
            points[0] = _bend(chain[0], points[0], points[1])
            points[-1] = _bend(chain[-1], points[-1], points[-2])
        first = grid.rank[chain[0]] + 1
        step = -1 if number in grid.back else 1
        for index, (start, end) in enumerate(itertools.pairwise(points)):
            hops.append(_Hop(number, first + step * index, start, end))
    return hops


def _bend(box: Cell, port: int, lane: int) -> int:
    """The port, moved onto the lane where that is near and within the box."""
    return lane if abs(port - lane) <= _STRAIGHT and box.left <= lane <= box.left + box.width else port


def _ports(grid: Grid, down: bool) -> dict[int, int]:
    """Where each edge leaves its source (or enters its target): spread over the side, in the order of the far ends."""
    users: dict[Cell, list[int]] = {}
    for number, chain in enumerate(grid.chains):
        users.setdefault(chain[0] if down else chain[-1], []).append(number)
    found = {}
    for cell, numbers in users.items():
        numbers.sort(key=lambda number: (grid.chains[number][1 if down else -2].x, number))
        for index, number in enumerate(numbers):
            x = cell.left + cell.width * (index + 1) // (len(numbers) + 1)
            phase = _OUT if down else _IN
            snapped = round((x - phase) / LANE) * LANE + phase
            found[number] = min(max(snapped, cell.left), cell.left + cell.width)
    return found


def _tracks(hops: Sequence[_Hop]) -> tuple[list[int], dict[int, int]]:
    """The track of each hop, such that two on the same do not touch, and the number of tracks of each gap."""
    tracks = [0] * len(hops)
    ends: dict[int, list[list[tuple[int, int]]]] = {}
    bent = [number for number, hop in enumerate(hops) if hop.start != hop.end]
    for number in sorted(bent, key=lambda n: (abs(hops[n].start - hops[n].end), hops[n].start, n)):
        low, high = sorted((hops[number].start, hops[number].end))
        taken = ends.setdefault(hops[number].gap, [])
        track = next(
            (t for t, spans in enumerate(taken) if all(high < a - 2 or b + 2 < low for a, b in spans)), len(taken)
        )
        if track == len(taken):
            taken.append([])
        taken[track].append((low, high))
        tracks[number] = track
    return tracks, {gap: len(spans) for gap, spans in ends.items()}


def _rows(grid: Grid, used: dict[int, int]) -> int:
    """Stack the rows, with room for the tracks between them; the height of it all."""
    y = 0
    for number, row in enumerate(grid.rows):
        if number or used.get(number):
            y += 2 * _MARGIN + _TRACK * max(used.get(number, 0) - 1, 0)
        for cell in row:
            cell.y = y
        y += max(cell.height for cell in row)
    last = len(grid.rows)
    return y + (2 * _MARGIN + _TRACK * (used[last] - 1) if used.get(last) else 0)


def _extent(grid: Grid, lines: Sequence[Sequence[Point]]) -> tuple[int, int]:
    """How far to the right everything moves so that nothing is left of 0, and how wide it is then."""
    boxes = grid.boxes.values()
    sides = [x for line in lines for x, _ in line] + [cell.left for cell in boxes]
    rights = [x + 1 for line in lines for x, _ in line] + [cell.left + cell.width for cell in boxes]
    shift = -min(sides, default=0)
    return shift, max(rights, default=0) + shift


def _plain(points: Sequence[Point]) -> tuple[Point, ...]:
    """The same line without points in the middle of a straight stretch."""
    kept: list[Point] = []
    for point in points:
        while len(kept) > 1 and _straight(kept[-2], kept[-1], point):
            kept.pop()
        if not kept or kept[-1] != point:
            kept.append(point)
    return tuple(kept)


def _straight(one: Point, two: Point, three: Point) -> bool:
    return one[0] == two[0] == three[0] or one[1] == two[1] == three[1]
