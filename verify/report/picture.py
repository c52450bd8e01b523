"""A routine as data that a report can draw: its instructions, its basic blocks, its stack frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from verify.contracts.schema import Contract
from verify.contracts.slots import slots
from verify.errors import Unsupported
from verify.objfile.image import Place
from verify.objfile.lines import source_lines
from verify.report.listing import operand
from verify.report.report import Block, Line, Slot
from verify.semantics import disassemble
from verify.semantics.code import Code
from verify.walk import cfg
from verify.walk.path import Path

Address = Callable[[Place], str]
_WIDEST = 16  # bytes that one slot of the drawing holds, where the layout does not name them


def graph(code: Code, entry: Place, address: Address) -> tuple[tuple[Line, ...], tuple[Block, ...]]:
    """The instructions that can be reached from `entry`, and the basic blocks that they form."""
    found = cfg.graph(code, entry)
    sources = source_lines(code.image.path)
    lines, blocks = [], []
    for block in cfg.blocks(found):
        lines += [_line(code, place, address, sources) for place in block]
        successors = tuple(
            (address(node) if isinstance(node, Place) else node.replace("&", ""), str(edge["kind"]))
            for node, edge in found.succ[block[-1]].items()
        )
        blocks.append(Block(code.image.label(block[0]), tuple(map(address, block)), successors))
    return tuple(lines), tuple(blocks)


def _line(code: Code, place: Place, address: Address, sources: Mapping[tuple[int, int], str]) -> Line:
    source = sources.get((place.space, place.offset))
    try:
        insn = code.fetch(place)
    except Unsupported as problem:
        return Line(address(place), code.image.label(place), "", f"? {problem}", source)
    text = disassemble.text(insn, operand(code, place, insn))
    return Line(address(place), code.image.label(place), insn.raw.hex(), text, source)


def frame(contract: Contract, paths: Iterable[Path], address: Address) -> tuple[Slot, ...]:
    """Every piece of the stack that some path stores to, from the lowest, and what the layout names in its frame."""
    paths = tuple(paths)
    named = {slot.offset: slot for slot in _named(contract, paths)}
    writers: dict[tuple[int, int], dict[str, None]] = {}
    for path in paths:
        for store in path.state.stores:
            place = path.code.place(store.at)
            if store.offset is not None and place is not None:
                writers.setdefault((store.offset, store.value.width // 8), {})[address(place)] = None
    slots = []
    for (offset, size), who in writers.items():
        name = next((s.name for s in named.values() if s.offset <= offset and offset + size <= s.offset + s.size), "")
        slots.append(Slot(offset, size, name, tuple(who)))
    bare = [slot for slot in named.values() if not any(slot.offset == other.offset for other in slots)]
    return tuple(sorted([*slots, *bare], key=lambda slot: (slot.offset, slot.size)))


def _named(contract: Contract, paths: Iterable[Path]) -> Iterable[Slot]:
    """The fields of the caller's frame header, of the own one, and of the struct that is handed out."""
    paths = tuple(paths)
    frames = {0} | {path.calls[0].state.sp for path in paths if path.calls and path.calls[0].state.sp is not None}
    bases = {path.state.mode.offset(path.history.struct) for path in paths if path.history.struct is not None}
    found = slots(contract, sorted(one for one in frames if one is not None), [b for b in bases if b is not None])
    return [Slot(*one, ()) for one in found]
