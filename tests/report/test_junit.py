"""JUnit XML: both versions of Jenkins' schema, the counts, and one case a property."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.command import ROOT, verify
from tests.report import fixtures, schemas
from verify.report import junit
from verify.report.report import Report

TRAMPOLINES = sorted((ROOT / "trampolines").rglob("*.o"))[::4]  # a part is enough for every kind of finding
REPORTS = {**fixtures.REPORTS, "many": fixtures.many(3)}


def parsed(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(junit.render(report))


@pytest.mark.parametrize("commit", schemas.JUNIT)
@pytest.mark.parametrize("name", REPORTS)
def test_the_schema_of_jenkins(name: str, commit: str) -> None:
    schemas.junit(commit).validate(junit.render(REPORTS[name]))


@pytest.mark.parametrize("commit", schemas.JUNIT)
def test_the_schema_of_jenkins_for_all_trampolines(commit: str) -> None:
    text = verify("prove", "--format", "junit", *TRAMPOLINES, ROOT / "README.md").out
    schemas.junit(commit).validate(text)
    assert str(ROOT) not in text


@pytest.mark.parametrize("commit", schemas.JUNIT)
def test_the_schema_refuses_what_is_wrong(commit: str) -> None:
    assert not schemas.junit(commit).is_valid(junit.render(fixtures.EVERY).replace("<testcase name=", "<testcase nam="))


@pytest.mark.parametrize("name", REPORTS)
def test_the_structure(name: str) -> None:
    top = parsed(REPORTS[name])
    assert top.tag == "testsuites"
    for suite in top:
        assert suite.tag == "testsuite"
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
        assert len({case.attrib["name"] for case in cases}) == len(cases)
        assert all(len(case) <= 1 for case in cases)
        assert not {"time", "timestamp", "hostname"} & set(suite.attrib)
    for count in ("tests", "failures", "errors"):
        assert int(top.attrib[count]) == sum(int(suite.attrib[count]) for suite in top)


def test_a_suite_a_routine_and_a_case_a_property() -> None:
    suites = {suite.attrib["name"]: suite for suite in parsed(fixtures.EVERY)}
    assert list(suites) == [f"{fixtures.OBJECT}: {name}" for name in ("ftrace_caller", "other", "crashing")] + ["bad.o"]
    first = suites[f"{fixtures.OBJECT}: ftrace_caller"]
    told = {case.attrib["name"]: [part.tag for part in case] for case in first.findall("testcase")}
    assert told == {
        "stack-balanced": [], "callee-saved": ["failure"], "expoline": ["failure"], "backchain": ["failure"],
        "regs-honoured": ["error"], "memory-frame": ["error"],
    }  # fmt: skip
    types = {
        part.attrib["type"] for suite in suites.values() for part in suite.iter() if part.tag in ("failure", "error")
    }
    assert types == {"refuted", "unconfirmed", "vacuous", "unknown", "unsupported", "error"}
    properties = [(one.attrib["name"], one.attrib["value"]) for one in first.iter("property")]
    assert ("contract", fixtures.CONTRACT) in properties
    assert ("assumption", "old.r15 % 8 == 0") in properties


def test_a_case_tells_all_that_is_wrong_with_its_property() -> None:
    (failure,) = parsed(fixtures.EVERY).findall(".//testcase[@name='expoline']/failure")
    assert failure.attrib["message"] == "bcr here (and 1 more)"
    assert failure.text is not None
    assert "bcr here" in failure.text
    assert "bcr there" in failure.text
    (failure,) = parsed(fixtures.EVERY).findall(".//testcase[@name='callee-saved']/failure")
    assert failure.text is not None
    for word in ("expected:  old.r2", "found:     0x0", "lgr %r2,%r0", "r2 = 0x11", "replayed on unicorn"):
        assert word in failure.text


def test_control_characters_are_written_out() -> None:
    text = junit.render(fixtures.weird())
    assert text.isascii()
    (message,) = {part.attrib["message"] for part in ElementTree.fromstring(text).iter("failure")}
    assert message == fixtures.WEIRD.replace("\r", "\\x0d").replace("\x1b", "\\x1b").replace("\x00", "\\x00").replace(
        "\udcff", "\\udcff"
    ).replace("\u2028", "\\u2028").replace("\u202e", "\\u202e")
