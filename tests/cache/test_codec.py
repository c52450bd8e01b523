"""Reports to text and back."""

from __future__ import annotations

import json

import pytest

from tests.command import ROOT
from tests.report import fixtures
from verify import pipeline
from verify.cache.codec import Unreadable, decode, encode
from verify.report.report import FileReport

OBJECTS = [ROOT / "trampolines" / name for name in ("ftrace-6.12.o", "broken/proposal-2014.o", "broken/z196-in-z10.o")]


@pytest.fixture(scope="module", params=OBJECTS, ids=lambda path: path.stem)
def report(request: pytest.FixtureRequest) -> FileReport:
    return pipeline.prove_file(request.param, pipeline.Options(details=True))


def test_what_comes_back_is_what_was_kept(report: FileReport) -> None:
    assert report.routines
    assert decode(encode(report)) == report
    assert decode(encode(report).encode()) == report


@pytest.mark.parametrize("made", [*fixtures.EVERY.files, *fixtures.weird().files, *fixtures.many(2).files])
def test_whatever_stands_in_it(made: FileReport) -> None:
    assert decode(encode(made)) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[1, 2, 3]", "[" * 100_000, '"proved"'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        decode(text)


def places(value: object) -> list[list[int]]:
    """The paths to all that is in nested lists."""
    if not isinstance(value, list):
        return []
    return [[index, *rest] for index, item in enumerate(value) for rest in ([], *places(item))]


def test_a_changed_entry_is_refused_where_its_shape_changed() -> None:
    text = encode(fixtures.EVERY.files[0])
    for place in places(json.loads(text)):
        whole = json.loads(text)
        inner = whole
        for index in place[:-1]:
            inner = inner[index]
        inner[place[-1]] = {"not": "this"}
        with pytest.raises(Unreadable):
            decode(json.dumps(whole))
