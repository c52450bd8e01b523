"""The control-flow graph of a routine as SVG: a box a block, with its instructions, and a box a way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from verify.report import svg
from verify.report.layout import Box, Drawing, layout
from verify.report.layout.wires import Point
from verify.report.report import Block, Line

_LONGEST = 64  # characters of a line in a box
_PAD = 8
_BORDER = 6  # round the drawing, so that thick lines are not cut


@dataclass(frozen=True)
class Marks:
    """What a report adds to a graph.

    `prefix` makes ids unique, `linked` says that there is a listing with ids to link to. `blocks` gives the number of
    a block a tone (bad, open) and words, `faulty` are addresses where the right value is lost. `paths` are the
    addresses that each counterexample passes, by name; the first is drawn as taken.
    """

    prefix: str = ""
    linked: bool = False
    blocks: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    faulty: frozenset[str] = frozenset()
    paths: Sequence[tuple[str, Sequence[str]]] = ()


@dataclass(frozen=True)
class Edge:
    """From box to box, and the kind of the control-flow graph."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class Graph:
    """Blocks and ways out as named boxes. `home` is the box of each address, `outside` the words of a way out."""

    blocks: dict[str, Block]
    outside: dict[str, str]
    edges: tuple[Edge, ...]
    home: dict[str, str]
    entry: str


def connect(blocks: Sequence[Block], entry: str) -> Graph:
    """Name the boxes and find the ends of the edges; `entry` is an address or a label."""
    named = {f"b{number}": block for number, block in enumerate(blocks)}
    home = {address: name for name, block in named.items() for address in block.addresses}
    outside: dict[str, str] = {}
    edges = []
    for name, block in named.items():
        for number, (target, kind) in enumerate(block.successors):
            end = home.get(target, f"{name}-out{number}")
            if target not in home:
                outside[end] = target.removeprefix("old.")  # a register, as the graph has no values
            edges.append(Edge(name, end, kind))
    labelled = {block.label: name for name, block in reversed(named.items())}
    return Graph(named, outside, tuple(edges), home, home.get(entry) or labelled.get(entry) or "b0")


def render(code: Sequence[Line], blocks: Sequence[Block], entry: str, marks: Marks, name: str) -> str:
    """The graph as an SVG element that is called `name`; nothing for no blocks."""
    if not blocks:
        return ""
    drawn, across, down = draw(code, blocks, entry, marks)
    return svg.picture(across, down, drawn, name=name, class_="graph")


def draw(code: Sequence[Line], blocks: Sequence[Block], entry: str, marks: Marks) -> tuple[str, int, int]:
    """The graph as an SVG group, and its width and height."""
    graph = connect(blocks, entry)
    lines = {line.address: (number, line) for number, line in enumerate(code)}
    texts = {key: _lines(block, lines) for key, block in graph.blocks.items()}
    drawn = layout(dict(_sizes(graph, texts, marks)), [(edge.source, edge.target) for edge in graph.edges], graph.entry)
    parts = [*_edges(graph, drawn, marks)]
    for number, (key, block) in enumerate(graph.blocks.items()):
        parts.append(_block(number, block, drawn.boxes[key], texts[key], marks))
    parts += [_outside(graph, key, drawn.boxes[key]) for key in graph.outside]
    moved = svg.tag("g", *parts, transform=f"translate({_BORDER} {_BORDER})")
    return moved, drawn.width + 2 * _BORDER, drawn.height + 2 * _BORDER


def _lines(block: Block, lines: Mapping[str, tuple[int, Line]]) -> list[tuple[int | None, str, str]]:
    """Number, address and text of each instruction."""
    found = []
    for address in block.addresses:
        number, line = lines.get(address, (None, None))
        text = f"{address.rpartition('+')[2]:>6}  {line.text if line else '?'}"
        found.append((number, address, svg.short(text, _LONGEST)))
    return found


def _sizes(
    graph: Graph, texts: Mapping[str, Sequence[tuple[int | None, str, str]]], marks: Marks
) -> Iterator[tuple[str, tuple[int, int]]]:
    for number, (key, block) in enumerate(graph.blocks.items()):
        rows = [_title(block), *_note(number, marks), *[text for _, _, text in texts[key]]]
        yield key, (max(map(svg.width, rows)) + 2 * _PAD, len(rows) * svg.LINE + _PAD)
    for key in graph.outside:
        yield key, (svg.width(_way(graph, key)) + 2 * _PAD + 8, svg.LINE + _PAD)


def _title(block: Block) -> str:
    return svg.short(block.label, _LONGEST)


def _note(number: int, marks: Marks) -> list[str]:
    return [svg.short(marks.blocks[number][1], _LONGEST)] if number in marks.blocks else []


def _way(graph: Graph, key: str) -> str:
    kind = next(edge.kind for edge in graph.edges if edge.target == key)
    return svg.short(f"{kind} {graph.outside[key]}", _LONGEST)


def _block(number: int, block: Block, box: Box, texts: Sequence[tuple[int | None, str, str]], marks: Marks) -> str:
    tone = marks.blocks.get(number, ("", ""))[0]
    x, y = box.x + _PAD, box.y + svg.LINE
    title = svg.line(_title(block), x, y, class_="title")
    if marks.linked:
        title = svg.tag("a", title, href=f"#{marks.prefix}c{number}")
    parts = [svg.tag("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=2), title]
    for note in _note(number, marks):
        y += svg.LINE
        parts.append(svg.line(note, x, y, class_="note"))
    for index, address, text in texts:
        y += svg.LINE
        parts.append(_instruction(index, address, text, (x, y), box, marks))
    return svg.tag("g", *parts, id=f"{marks.prefix}b{number}" if marks.prefix else None, class_=f"block {tone}".strip())


def _instruction(index: int | None, address: str, text: str, at: Point, box: Box, marks: Marks) -> str:
    x, y = at
    kind = "insn faulty" if address in marks.faulty else "insn"
    back = svg.tag("rect", x=box.x + 1, y=y - svg.LINE + 4, width=box.width - 2, height=svg.LINE, class_="back")
    shown = svg.line(text, x, y)
    if address in marks.faulty:
        shown += svg.tag("path", d=f"M{box.x + 1} {y - 9}l6 4l-6 4z", class_="pointer")
    if marks.linked and index is not None:
        shown = svg.tag("a", shown, href=f"#{marks.prefix}i{index}", tabindex=-1)
    return svg.tag("g", back, shown, class_=kind, data_i=index if marks.linked else None)


def _outside(graph: Graph, key: str, box: Box) -> str:
    shape = svg.tag("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=box.height // 2)
    return svg.tag("g", shape, svg.line(_way(graph, key), box.x + _PAD + 4, box.y + svg.LINE), class_="outside")


# Edges ----------------------------------------------------------------------------------------------------------------


def _edges(graph: Graph, drawn: Drawing, marks: Marks) -> Iterator[str]:
    """The edges, those of the first path last, so that no other lies over them."""
    passed = [(name, taken(graph, addresses)) for name, addresses in marks.paths]
    shapes = []
    for edge, points in zip(graph.edges, drawn.edges, strict=True):
        names = [name for name, edges in passed if edge in edges]
        first = bool(passed) and passed[0][0] in names
        kind = f"edge {edge.kind}{' taken' if first else ''}"
        shapes.append((first, svg.tag("g", *_arrow(points), class_=kind, data_paths=" ".join(names) or None)))
    return (shape for _, shape in sorted(shapes, key=lambda pair: pair[0]))


def taken(graph: Graph, addresses: Sequence[str]) -> frozenset[Edge]:
    """The edges that a run of these instructions goes along; calls and ways out of its blocks are among them.

    Where a block is entered from no block that leads to it, a call came back: the edge is that of the caller.
    """
    entered = [graph.home[at] for at in addresses if _enters(graph, at)]
    leads = {(edge.source, edge.target) for edge in graph.edges}
    pairs = set()
    for number, block in enumerate(entered):
        source = next((one for one in reversed(entered[:number]) if (one, block) in leads), None)
        pairs.add((source, block))
    last = entered[-1] if entered else None
    passed = set(entered[:-1])
    return frozenset(edge for edge in graph.edges if (edge.source, edge.target) in pairs or _out(edge, passed, last))


def _enters(graph: Graph, address: str) -> bool:
    return address in graph.home and graph.blocks[graph.home[address]].addresses[0] == address


def _out(edge: Edge, passed: Iterable[str], last: str | None) -> bool:
    return (edge.kind == "call" and edge.source in passed) or (edge.kind == "leave" and edge.source == last)


def _arrow(points: Sequence[Point]) -> Iterator[str]:
    yield svg.tag("polyline", points=" ".join(f"{x},{y}" for x, y in points))
    x, y = points[-1]
    yield svg.tag("path", d=f"M{x} {y}l-4 -8h8z", class_="head")
