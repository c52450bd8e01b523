"""Reports to text and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.command import ROOT
from verify import pipeline
from verify.cache.codec import Unreadable, decode, encode
from verify.report.report import RoutineReport

OBJECTS = [ROOT / "trampolines" / name for name in ("ftrace-6.12.o", "broken/proposal-2014.o", "broken/z196-in-z10.o")]


def reports(path: Path) -> tuple[RoutineReport, ...]:
    return pipeline.prove_file(path, pipeline.Options(details=True)).routines


@pytest.fixture(scope="module", params=OBJECTS, ids=lambda path: path.stem)
def some(request: pytest.FixtureRequest) -> tuple[RoutineReport, ...]:
    return reports(request.param)


def test_what_comes_back_is_what_was_kept(some: tuple[RoutineReport, ...]) -> None:
    assert some
    for report in some:
        assert decode(encode(report), report.file) == report


def test_the_name_of_the_file_is_not_kept(some: tuple[RoutineReport, ...]) -> None:
    for report in some:
        text = encode(report)
        assert report.file not in text
        moved = decode(text, "elsewhere/other.o")
        assert {moved.file, *(finding.file for finding in moved.findings)} == {"elsewhere/other.o"}
        assert moved == decode(encode(moved), "elsewhere/other.o")


def test_a_file_name_in_a_message_moves_with_it() -> None:
    (report, *_) = reports(OBJECTS[0])
    spoken = replace(report, remarks=(f"{report.file}: a remark",))
    assert decode(encode(spoken), "b.o").remarks == ("b.o: a remark",)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[1, 2, 3]", "[" * 100_000, '"proved"'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        decode(text, "a.o")


def test_a_changed_entry_is_refused_where_its_shape_changed() -> None:
    (report, *_) = reports(OBJECTS[0])
    whole = json.loads(encode(report))
    for index in range(len(whole)):
        broken = [*whole[:index], {"not": "this"}, *whole[index + 1 :]]
        with pytest.raises(Unreadable):
            decode(json.dumps(broken), "a.o")
