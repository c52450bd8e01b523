"""`verify show`: disassembly by basic block, the graph in words, and the same graph as Graphviz DOT."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from verify.errors import Unsupported
from verify.objfile.image import Image, Place, Symbol
from verify.semantics import disassemble
from verify.semantics.code import Code
from verify.walk import cfg


def render(image: Image, routines: Iterable[Symbol], *, dot_only: bool = False) -> str:
    """All chosen routines of an image as text."""
    code = Code(image, settled=True)  # as assembled
    parts = []
    for symbol in routines:
        if symbol.place is not None:
            found = cfg.graph(code, symbol.place)
            dot = _dot(code, symbol.name, found)
            parts.append(dot if dot_only else _text(code, symbol.name, found) + "\n" + dot)
    return "\n".join(parts) or f"{image.path}: no routine to show\n"


def _text(code: Code, name: str, found: Any) -> str:
    lines = [f"{name}:"]
    for block in cfg.blocks(found):
        lines.append(f"  {code.image.label(block[0])}")
        lines += [f"    {_line(code, place, found)}" for place in block]
        targets = [f"{_target(code, node)} ({edge['kind']})" for node, edge in found.succ[block[-1]].items()]
        lines.append(f"    -> {', '.join(targets) or 'nowhere'}")
    return "\n".join(lines) + "\n"


def _line(code: Code, place: Place, found: Any) -> str:
    node = found.nodes[place]
    insn = node.get("insn")
    note = f"    # {node['problem']}" if "problem" in node else ""
    if insn is None:
        return f"{place.offset:6x}: {'':<14} ?{note}"
    return f"{place.offset:6x}: {insn.raw.hex():<14} {disassemble.text(insn, operand(code, place, insn))}{note}"


def operand(code: Code, place: Place, insn: Any) -> str | None:
    """The relative operand as a label or symbol, where there is one."""
    if insn.relative_offset is None:
        return None
    try:
        return code.describe(code.relative(place, insn)).replace("&", "")
    except Unsupported:
        return None


def _target(code: Code, node: Place | str) -> str:
    return code.image.label(node) if isinstance(node, Place) else node.replace("&", "")


def _dot(code: Code, name: str, found: Any) -> str:
    """The blocks as Graphviz DOT, for `dot -Tsvg`."""
    lines = [f'digraph "{name}" {{', "  node [shape=box, fontname=monospace];"]
    home: dict[Place | str, str] = {}
    for number, block in enumerate(cfg.blocks(found)):
        home |= dict.fromkeys(block, f"b{number}")
        rows = [code.image.label(block[0]), *[_line(code, place, found) for place in block]]
        label = "\\l".join(row.replace("\\", "\\\\").replace('"', '\\"') for row in rows)
        lines.append(f'  b{number} [label="{label}\\l"];')
    for number, block in enumerate(cfg.blocks(found)):
        for node, edge in found.succ[block[-1]].items():
            target = home.get(node) or '"' + _target(code, node).replace('"', "'") + '"'
            lines.append(f'  b{number} -> {target} [label="{edge["kind"]}"];')
    return "\n".join([*lines, "}"]) + "\n"
