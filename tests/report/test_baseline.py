"""What is known does not fail a run again, and what a run was asked to let pass does not either; all of it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.command import ROOT, verify
from tests.report import fixtures, schemas
from tests.report.fixtures import finding, routine
from verify.report import formats
from verify.report.baseline import mark
from verify.report.report import FileReport, Report
from verify.verdict import Exit, Verdict

OBJECT = ROOT / "trampolines/broken/bare-branch.o"
OTHER = ROOT / "trampolines/broken/mcount-ip-adjust.o"
GOOD = ROOT / "trampolines/ftrace-3.18.o"


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    assert verify("prove", OBJECT, "--format", f"json={path}").code == 1
    return path


def one(*verdicts: Verdict) -> Report:
    return Report((FileReport(fixtures.OBJECT, (routine(*map(finding, verdicts)),)),), fixtures.VERSIONS)


def test_known_findings_are_told_and_do_not_fail(baseline: Path) -> None:
    done = verify("prove", OBJECT, "--baseline", baseline)
    assert done.code == 0
    assert "refuted" in done.out
    assert "known: " in done.out
    assert "known: in the baseline, and no reason to fail" in done.out


def test_a_new_finding_fails(baseline: Path) -> None:
    done = verify("prove", OBJECT, OTHER, "--baseline", baseline)
    assert done.code == 1
    assert len([line for line in done.out.splitlines() if "known: in the baseline" in line]) == 1


def test_a_second_finding_that_reads_like_the_known_one_is_new() -> None:
    first = finding(Verdict.REFUTED, "expoline", message="bcr at f+0x4", address=".text+0x4")
    second = replace(first, message="bcr at f+0x8", address=".text+0x8")
    before = Report((FileReport(fixtures.OBJECT, (routine(first),)),))
    after = mark(Report((FileReport(fixtures.OBJECT, (routine(first, second),)),)), before)
    assert [one.known for one in after.findings()] == [True, False]
    assert after.exit_code() is Exit.BROKEN


def test_what_is_proved_now_is_not_known() -> None:
    marked = mark(one(Verdict.PROVED), one(Verdict.PROVED))
    assert not any(found.known for found in marked.findings())


def test_a_worse_verdict_is_new() -> None:
    marked = mark(one(Verdict.REFUTED), one(Verdict.UNKNOWN))
    assert marked.exit_code() is Exit.BROKEN


def test_bad_input_is_never_known() -> None:
    bad = Report((FileReport("bad.o", troubles=(fixtures.TROUBLE,)),))
    assert mark(bad, bad).exit_code() is Exit.BAD_INPUT


def test_a_baseline_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    for content in ("", "{}", "[]"):
        path.write_text(content)
        done = verify("prove", GOOD, "--baseline", path)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"verify: {path}: is ")
    assert verify("prove", GOOD, "--baseline", tmp_path / "no.json").code == 2


@pytest.mark.parametrize(
    ("words", "verdict", "code"),
    [
        ("refuted", Verdict.UNKNOWN, Exit.PROVED),
        ("refuted", Verdict.REFUTED, Exit.BROKEN),
        ("refuted,unconfirmed", Verdict.UNSUPPORTED, Exit.PROVED),
        ("unknown", Verdict.UNKNOWN, Exit.NOT_PROVED),
        ("unknown", Verdict.REFUTED, Exit.PROVED),
    ],
)
def test_fail_on(words: str, verdict: Verdict, code: Exit, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(formats.renderer("json")(one(verdict)))
    done = verify("merge", path, "--fail-on", words)
    assert done.code == code
    assert "asked not to fail on: " in done.out
    assert f"{verdict} " in done.out


def test_bad_input_fails_whatever_is_asked(tmp_path: Path) -> None:
    assert verify("prove", tmp_path / "gone.o", "--fail-on", "refuted").code == 2


@pytest.mark.parametrize("words", ["", "proved", "refuted,proven", "all"])
def test_what_is_no_verdict_to_fail_on(words: str) -> None:
    assert verify("prove", GOOD, "--fail-on", words).code == 2


KNOWN = mark(fixtures.EVERY, Report(fixtures.EVERY.files[:1]))


def test_json_says_which_are_known_and_obeys_its_schema() -> None:
    document = json.loads(formats.renderer("json")(KNOWN))
    schemas.own().validate(document)
    assert {found["known"] for found in document["findings"] if found["verdict"] == "refuted"} == {True}


def test_sarif_says_which_are_unchanged() -> None:
    text = formats.renderer("sarif")(KNOWN)
    schemas.sarif().validate(json.loads(text))
    (run,) = json.loads(text)["runs"]
    states = {result["properties"]["verdict"]: result["baselineState"] for result in run["results"]}
    assert states["refuted"] == "unchanged"
    assert states["error"] == "new"  # the bad input


def test_junit_skips_them() -> None:
    suites = ElementTree.fromstring(formats.renderer("junit")(KNOWN).encode())
    skipped = [case for case in suites.iter("testcase") if case.find("skipped") is not None]
    assert skipped
    assert all(case.find("failure") is None for case in skipped)
    assert suites.attrib["failures"] == "0"


def test_github_and_markdown_do_not_announce_them() -> None:
    assert "::error" not in formats.renderer("github")(mark(one(Verdict.REFUTED), one(Verdict.REFUTED)))
    assert "1 of them known" in formats.renderer("github")(mark(one(Verdict.REFUTED), one(Verdict.REFUTED)))
    assert "<details>" not in formats.renderer("markdown")(mark(one(Verdict.REFUTED), one(Verdict.REFUTED)))
