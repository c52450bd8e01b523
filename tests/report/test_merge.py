"""A run in parts: `verify prove --shard` and `verify merge` give the report of the whole, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import ROOT, Done, verify
from tests.report import fixtures
from verify.report import formats, read

TRAMPOLINES = ROOT / "trampolines"
INPUTS = (
    TRAMPOLINES / "ftrace-3.18.o",
    TRAMPOLINES / "broken/bare-branch.o",
    ROOT / "README.md",
    TRAMPOLINES / "expoline.o",
    TRAMPOLINES / "return_to_handler-6.5.o",
)
FORMS = ("json", "text", "sarif", "junit", "github", "markdown")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "whole.json"
    verify("prove", *INPUTS, "--format", f"json={path}")
    return path


def parts(directory: Path, count: int) -> list[Path]:
    paths = [directory / f"{number}.json" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        verify("prove", *INPUTS, "--shard", f"{number}/{count}", "--format", f"json={path}")
    return paths


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_parts_merge_to_the_whole(count: int, whole: Path, tmp_path: Path) -> None:
    done = verify("merge", *reversed(parts(tmp_path, count)), "--format", "json")
    assert done.out == whole.read_text(encoding="utf-8")
    assert done.code == verify("prove", *INPUTS).code


@pytest.mark.parametrize("form", FORMS)
def test_a_report_that_was_read_renders_as_before(form: str, whole: Path) -> None:
    direct = verify("prove", *INPUTS, "--format", form)
    assert verify("merge", whole, "--format", form) == direct


@pytest.mark.parametrize("report", [fixtures.EVERY, fixtures.PROVED, fixtures.INTERRUPTED, fixtures.EMPTY])
def test_a_report_comes_back_as_it_was(report: object, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(formats.renderer("json")(report), encoding="utf-8")  # type: ignore[arg-type]
    assert read.report(path) == report


def test_a_part_without_a_file_is_no_failure(tmp_path: Path) -> None:
    done = verify("prove", TRAMPOLINES / "expoline.o", "--shard", "2/2")
    assert (done.code, done.out) == (0, "0 routines: the other parts of the run have them all\n")
    (tmp_path / "none.json").write_text(formats.renderer("json")(fixtures.EMPTY), encoding="utf-8")
    assert verify("merge", tmp_path / "none.json").code == 3  # a run that proved nothing at all is no pass


def refused(*paths: Path) -> Done:
    done = verify("merge", *paths)
    assert done.code == 2
    assert done.out == ""
    return done


def test_parts_that_do_not_make_a_whole_are_refused(tmp_path: Path, whole: Path) -> None:
    one, two, three = parts(tmp_path, 3)
    assert "part 2 of 3 is missing" in refused(one, three).err
    assert f"{one} and {one} are both part 1 of 3" in refused(one, two, three, one).err
    assert "are not parts of one run" in refused(one, two, three, whole).err


def test_parts_of_different_versions_are_refused(tmp_path: Path) -> None:
    one, two = parts(tmp_path, 2)
    document = json.loads(two.read_text(encoding="utf-8"))
    document["tool"]["z3-solver"] = "0"
    two.write_text(json.dumps(document), encoding="utf-8")
    assert f"{two}: was written by another version" in refused(one, two).err


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b", "/", "-1/2", "1/2/3"])
def test_what_is_no_part(shard: str) -> None:
    done = verify("prove", TRAMPOLINES / "expoline.o", "--shard", shard)
    assert done.code == 2
    assert "is no part I/N of a run" in done.err


def changed(path: Path, change: object) -> Path:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)  # type: ignore[operator]
    other = path.with_name("changed.json")
    other.write_text(json.dumps(document), encoding="utf-8")
    return other


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["findings"].pop(),
        lambda document: document["routines"].pop(),
        lambda document: document["inputs"].pop(),
        lambda document: document["findings"].append(document["findings"][0]),
        lambda document: document["findings"][0].update(verdict="proven"),
        lambda document: document.pop("interrupted"),
        lambda document: document.update(inputs=7),
    ],
)
def test_a_report_with_something_missing_is_refused(change: object, tmp_path: Path) -> None:
    (one,) = parts(tmp_path, 1)
    assert f"{tmp_path / 'changed.json'}: is no report of schema 2" in refused(changed(one, change)).err
