"""JSON: its published schema, and that it says all there is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import ROOT, verify
from tests.report import fixtures, schemas
from verify.report import formats
from verify.report.report import Report
from verify.verdict import Verdict

REPORTS = {**fixtures.REPORTS, "below": fixtures.below(str(Path.cwd()))}
OTHERS = [name for name in formats.FORMATS if name != "text"]


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_obeys_the_published_schema(name: str) -> None:
    schemas.own().validate(json.loads(formats.renderer("json")(REPORTS[name])))


def test_real_reports_obey_the_published_schema() -> None:
    objects = [ROOT / "trampolines/ftrace-6.12.o", ROOT / "trampolines/broken/bare-branch.o", ROOT / "README.md"]
    schemas.own().validate(json.loads(verify("prove", "--format", "json", *objects).out))


@pytest.mark.parametrize("key", ["schema", "findings", "routines", "summary", "tool"])
def test_the_schema_refuses_a_report_that_lacks_something(key: str) -> None:
    document = json.loads(formats.renderer("json")(fixtures.EVERY))
    del document[key]
    assert not schemas.own().is_valid(document)


def test_the_schema_refuses_what_it_does_not_know() -> None:
    document = json.loads(formats.renderer("json")(fixtures.EVERY))
    for place in (document, document["findings"][0], document["routines"][0]):
        place["new"] = 1
        assert not schemas.own().is_valid(document)
        del place["new"]
    assert schemas.own().is_valid(document)


def test_a_finding_carries_its_fingerprint_and_its_counterexample() -> None:
    document = json.loads(formats.renderer("json")(fixtures.EVERY))
    assert document["schema"] == 2
    found = next(one for one in document["findings"] if one["verdict"] == "refuted")
    assert found["fingerprint"] == fixtures.REFUTED.fingerprint()
    example = found["counterexample"]
    assert example["start"][0] == {"name": "r2", "value": "0x11"}
    assert example["effects"] == [{"callee": "handler", "name": "regs.gprs[2]", "value": "0x22"}]
    assert [step["faulty"] for step in example["steps"]] == [False, True, False, False]
    assert example["steps"][0]["notes"] == ["mem[r15+304] = 0x11"]
    proved = next(one for one in document["findings"] if one["verdict"] == "proved")
    assert proved["counterexample"] is None
    assert document["summary"] == {str(verdict): 1 for verdict in Verdict} | {"refuted": 3, "error": 2}


# All formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("name", REPORTS)
def test_the_same_report_gives_the_same_bytes(form: str, name: str) -> None:
    render = formats.renderer(form)
    assert render(REPORTS[name]) == render(REPORTS[name])
    assert form == "html" or render(REPORTS[name]).endswith("\n")


@pytest.mark.parametrize("form", [name for name in OTHERS if name not in ("json", "html")])
def test_paths_below_the_current_directory_become_relative(form: str) -> None:
    text = formats.renderer(form)(REPORTS["below"])
    assert str(Path.cwd()) not in text
    for path in ("objects/x.o", "src/x.S", "bad.o", "/elsewhere/y.o"):
        assert path in text


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec=None), min_size=1, max_size=20))
def test_any_name_can_be_written(text: str) -> None:
    name = text.encode("utf-8", "replace").decode() if any("\ud800" <= c < "\udc80" for c in text) else text
    for form in OTHERS:
        formats.renderer(form)(fixtures.weird(name)).encode("utf-8")


def test_nothing_is_lost_between_formats() -> None:
    """Each format that announces failures announces all of them."""
    wrong = sum(finding.verdict is not Verdict.PROVED for finding in fixtures.EVERY.findings())
    assert len(json.loads(formats.renderer("sarif")(fixtures.EVERY))["runs"][0]["results"]) == wrong
    assert formats.renderer("github")(fixtures.EVERY).count("\n::") + 1 == wrong
    assert formats.renderer("markdown")(fixtures.EVERY).count("<details>") == wrong


@pytest.mark.parametrize("form", OTHERS)
def test_a_thousand_findings_take_less_than_two_seconds(form: str) -> None:
    report = fixtures.many(1000)
    render = formats.renderer(form)
    start = time.process_time()
    render(report)
    assert time.process_time() - start < 2


def test_an_interrupted_run_looks_like_no_pass_in_any_format() -> None:
    assert json.loads(formats.renderer("json")(fixtures.INTERRUPTED))["interrupted"] == 2
    (run,) = json.loads(formats.renderer("sarif")(fixtures.INTERRUPTED))["runs"]
    assert not run["invocations"][0]["executionSuccessful"]
    assert ' errors="1"' in formats.renderer("junit")(fixtures.INTERRUPTED)
    for form in ("sarif", "junit", "github", "markdown"):
        assert "interrupted: nothing is known about 2 more routines" in formats.renderer(form)(fixtures.INTERRUPTED)


def test_a_report_with_nothing_in_it_is_still_a_report() -> None:
    found = json.loads(formats.renderer("json")(Report(())))
    assert (found["findings"], found["routines"], found["interrupted"]) == ([], [], 0)
    assert found["summary"] == {str(verdict): 0 for verdict in Verdict}
