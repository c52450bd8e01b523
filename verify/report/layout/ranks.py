"""Which row each box stands in: one below the lowest box that leads to it, once the circles are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Edge = tuple[str, str]


def rank(names: Sequence[str], edges: Sequence[Edge], entry: str) -> tuple[dict[str, int], frozenset[int]]:
    """The row of each box, and the numbers of the edges that go back up.

    Row 0 has the entry and nothing else; every edge that is not among those leads to a lower row.
    """
    out: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
    for number, (source, target) in enumerate(edges):
        out[source].append((number, target))
    finished, back = _search([entry, *names], out)
    back |= {number for number, (_, target) in enumerate(edges) if target == entry}
    ranks = {name: int(name != entry) for name in names}
    for name in reversed(finished):
        for number, target in out[name]:
            if number not in back:
                ranks[target] = max(ranks[target], ranks[name] + 1)
    return ranks, frozenset(back)


def _search(roots: Sequence[str], out: dict[str, list[tuple[int, str]]]) -> tuple[list[str], set[int]]:
    """Depth first: the boxes in the order in which they are done with, and the edges that close a circle."""
    finished: list[str] = []
    back: set[int] = set()
    state: dict[str, bool] = {}  # True: its search is still open
    for root in roots:
        if root in state:
            continue
        state[root] = True
        stack: list[tuple[str, Iterator[tuple[int, str]]]] = [(root, iter(out[root]))]
        while stack:
            name, waiting = stack[-1]
            for number, target in waiting:
                if state.get(target):
                    back.add(number)
                elif target not in state:
                    state[target] = True
                    stack.append((target, iter(out[target])))
                    break
            else:
                state[name] = False
                finished.append(name)
                stack.pop()
    return finished, back
