"""`verify show --cfg FILE`: the control-flow graphs as a file, whose ending says the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

from verify.errors import UsageError
from verify.objfile.image import Image, Place, Symbol
from verify.report import graph, listing, picture, svg
from verify.report.report import Block, Line
from verify.semantics.code import Code

_TITLE = 40  # pixels for the name above each graph


def checked(path: Path) -> Path:
    """The path. Raises UsageError for an ending that names no format."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a control-flow graph is written to a file that ends in .svg, .dot or .graphml")
    return path


def render(path: Path, image: Image, routines: Iterable[Symbol]) -> str:
    """The graphs of the chosen routines, as the file's ending asks."""
    return FORMATS[checked(path).suffix.lower()](image, [one for one in routines if one.place is not None])


def _graphs(image: Image, routines: Iterable[Symbol]) -> Iterable[tuple[str, str, tuple[Line, ...], tuple[Block, ...]]]:
    """Name, address of the entry, instructions and blocks of each routine."""
    code = Code(image, settled=True)  # as assembled
    for symbol in routines:
        assert symbol.place is not None
        lines, blocks = picture.graph(code, symbol.place, lambda place: _address(image, place))
        yield symbol.name, _address(image, symbol.place), lines, blocks


def _address(image: Image, place: Place) -> str:
    return f"{image.space_name(place.space)}+{place.offset:#x}" if image.relocatable else hex(place.offset)


def _svg(image: Image, routines: Iterable[Symbol]) -> str:
    """All graphs one below the other."""
    parts, across, y = [], 0, 0
    for name, entry, lines, blocks in _graphs(image, routines):
        drawn, width, height = graph.draw(lines, blocks, entry, graph.Marks())
        title = svg.line(name, 6, 24, class_="title")
        parts.append(svg.tag("g", title, svg.tag("g", drawn, transform=f"translate(0 {_TITLE})"),
                             transform=f"translate(0 {y})"))  # fmt: skip
        across, y = max(across, width, svg.width(name) + 12), y + _TITLE + height
    style = svg.tag("style", svg.words(svg.style("colours.css", "graph.css")))
    ground = svg.tag("rect", width="100%", height="100%", fill="var(--paper)")
    name = f"Control flow of {image.path}"
    return svg.picture(max(across, 1), max(y, 1), style, ground, *parts, name=name, class_="graph") + "\n"


def _dot(image: Image, routines: Iterable[Symbol]) -> str:
    return listing.render(image, routines, dot_only=True)


def _graphml(image: Image, routines: Iterable[Symbol]) -> str:
    """One graph; its nodes say which routine they are of, and have their text; edges have their kind."""
    keys = [("routine", "node"), ("label", "node"), ("text", "node"), ("kind", "edge")]
    parts = [svg.tag("key", id=key, for_=domain, **{"attr.name": key, "attr.type": "string"}) for key, domain in keys]
    body = []
    for number, (name, entry, lines, blocks) in enumerate(_graphs(image, routines)):
        texts = {line.address: line.text for line in lines}
        made = graph.connect(blocks, entry)
        for key, block in made.blocks.items():
            text = "\n".join(f"{address} {texts[address]}" for address in block.addresses)
            body.append(_element("node", {"routine": name, "label": block.label, "text": text}, id=f"r{number}{key}"))
        for key, target in made.outside.items():
            body.append(_element("node", {"routine": name, "label": target}, id=f"r{number}{key}"))
        for edge in made.edges:
            ends = {"source": f"r{number}{edge.source}", "target": f"r{number}{edge.target}"}
            body.append(_element("edge", {"kind": edge.kind}, **ends))
    parts.append(f'<graph id="control-flow" edgedefault="directed">\n{"".join(body)}</graph>')
    space = quoteattr("http://graphml.graphdrawing.org/xmlns")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns={space}>\n' + "\n".join(parts) + "\n</graphml>\n"


def _element(name: str, data: dict[str, str], **attributes: str) -> str:
    inner = [svg.tag("data", svg.words(text), key=key) for key, text in data.items()]
    return svg.tag(name, *inner, **attributes) + "\n"


FORMATS: dict[str, Callable[[Image, Iterable[Symbol]], str]] = {".svg": _svg, ".dot": _dot, ".graphml": _graphml}
"""What writes a file of each ending."""
