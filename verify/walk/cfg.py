"""The static control-flow graph of a routine, for people: basic blocks and where they may go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from verify.errors import Unsupported
from verify.machine.state import entry_state
from verify.machine.storage import Ranges
from verify.machine.term import FALSE, not_
from verify.objfile.image import Place
from verify.semantics import zarch
from verify.semantics.code import Code
from verify.semantics.step import Step, perform, start


def graph(code: Code, entry: Place) -> Any:
    """A networkx DiGraph: a node for each instruction reached from `entry`, edges labelled with their kind.

    Kinds: next, jump, call (the instruction returns behind itself), leave (the target is outside the image, or held
    in a register). Nodes that are no instruction carry `problem`.
    """
    import networkx as nx

    assert zarch
    found = nx.DiGraph()
    waiting = [entry]
    while waiting:
        place = waiting.pop()
        if place in found and "done" in found.nodes[place]:
            continue
        found.add_node(place, done=True)
        for target, kind in _successors(code, place, found.nodes[place]):
            found.add_edge(place, target, kind=kind)
            if isinstance(target, Place):
                waiting.append(target)
    return found


def _successors(code: Code, place: Place, node: dict[str, Any]) -> Iterator[tuple[Place | str, str]]:
    """Where control may go from one instruction, with all registers unknown."""
    try:
        step = start(entry_state(code.address(place), Ranges(()), code.mode), code, place)
        node["insn"] = step.insn
        perform(step)
    except Unsupported as problem:
        node["problem"] = str(problem)
        return
    following = code.place(step.next)
    assert following is not None
    yield from _edges(code, step, following)


def _edges(code: Code, step: Step, following: Place) -> Iterator[tuple[Place | str, str]]:
    if step.leaves is not None:
        yield "new PSW", "leave"
        return
    linked = bool(step.state.links)
    for jump in step.jumps:
        target = code.place(jump.target)
        if target is not None:
            yield target, "jump"
        else:
            yield str(jump.target), "call" if linked else "leave"
    falls = not step.jumps or any(not_(jump.condition) is not FALSE for jump in step.jumps)
    skips = code.mode.narrow and any(code.place(jump.target) is not None for jump in step.jumps)
    if falls or (linked and not skips):  # 31-bit code has its literals behind a branch like that
        yield following, "next"


def blocks(found: Any) -> list[list[Place]]:
    """Group instructions into basic blocks, sorted by address."""
    places = sorted(node for node in found if isinstance(node, Place))
    leaders = {place for place in places if _is_leader(found, place)}
    grouped: list[list[Place]] = []
    for place in places:
        if place in leaders or not grouped or grouped[-1][-1] not in found.pred[place]:
            grouped.append([])
        grouped[-1].append(place)
    return grouped


def _is_leader(found: Any, place: Place) -> bool:
    before = list(found.pred[place])
    return len(before) != 1 or len(found.succ[before[0]]) != 1 or found.edges[before[0], place]["kind"] != "next"
