"""Laws of a drawing: nothing overlaps, every edge is drawn from its source to its target and crosses no box."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from verify.report.layout import Box, Drawing, layout
from verify.report.layout.ranks import rank

Case = tuple[dict[str, tuple[int, int]], list[tuple[str, str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Case:
    names = [f"n{number}" for number in range(draw(st.integers(1, 12)))]
    size = st.tuples(st.integers(24, 400), st.integers(8, 300))
    sizes = {name: draw(size) for name in names}
    edges = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=24))
    return sizes, edges


def drawn(case: Case) -> Drawing:
    return layout(*case, "n0")


def apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


@given(graphs())
def test_no_two_boxes_overlap(case: Case) -> None:
    boxes = list(drawn(case).boxes.values())
    for number, box in enumerate(boxes):
        assert all(apart(box, other) for other in boxes[:number])


@given(graphs())
def test_boxes_keep_their_sizes_and_all_lies_within_the_drawing(case: Case) -> None:
    drawing = drawn(case)
    assert {name: (box.width, box.height) for name, box in drawing.boxes.items()} == case[0]
    for box in drawing.boxes.values():
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawing.width
        assert box.y + box.height <= drawing.height
    points = [point for edge in drawing.edges for point in edge]
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)


@given(graphs())
def test_every_edge_leads_from_below_its_source_to_above_its_target(case: Case) -> None:
    drawing = drawn(case)
    assert len(drawing.edges) == len(case[1])
    for (source, target), line in zip(case[1], drawing.edges, strict=True):
        start, end = drawing.boxes[source], drawing.boxes[target]
        assert line[0][1] == start.y + start.height
        assert start.x <= line[0][0] <= start.x + start.width
        assert line[-1][1] == end.y
        assert end.x <= line[-1][0] <= end.x + end.width


@given(graphs())
def test_edges_are_right_angled_and_cross_no_box(case: Case) -> None:
    drawing = drawn(case)
    for line in drawing.edges:
        for one, other in pairwise(line):
            (left, right), (top, bottom) = sorted((one[0], other[0])), sorted((one[1], other[1]))
            assert left == right or top == bottom
            for box in drawing.boxes.values():
                beside = right <= box.x or box.x + box.width <= left
                assert beside or bottom <= box.y or box.y + box.height <= top


@given(graphs())
def test_the_entry_is_alone_on_top(case: Case) -> None:
    boxes = drawn(case).boxes
    assert all(name == "n0" or box.y >= boxes["n0"].y + boxes["n0"].height for name, box in boxes.items())


@given(graphs())
def test_edges_go_down_but_for_those_that_close_a_circle(case: Case) -> None:
    sizes, edges = case
    ranks, back = rank(list(sizes), edges, "n0")
    for number, (source, target) in enumerate(edges):
        assert number in back or ranks[source] < ranks[target]


@given(graphs())
def test_the_same_graph_gives_the_same_drawing(case: Case) -> None:
    assert drawn(case) == drawn(case)


def test_a_chain_is_straight() -> None:
    drawing = layout(dict.fromkeys("abc", (100, 20)), [("a", "b"), ("b", "c")], "a")
    assert [len(line) for line in drawing.edges] == [2, 2]
    assert len({box.x for box in drawing.boxes.values()}) == 1


def test_a_diamond_has_no_crossing_and_a_loop_goes_round_its_box() -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("c", "c")]
    drawing = layout(dict.fromkeys("abcd", (96, 20)), edges, "a")
    assert drawing.boxes["b"].y == drawing.boxes["c"].y
    assert len(drawing.edges[-1]) == 6


def test_a_graph_of_many_boxes_is_laid_out_without_deep_recursion() -> None:
    names = [f"n{number}" for number in range(3000)]
    drawing = layout(dict.fromkeys(names, (24, 8)), list(pairwise(names)), "n0")
    assert len({box.y for box in drawing.boxes.values()}) == 3000
