"""SARIF: the official schema, and what code scanning needs beyond it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, verify
from tests.report import fixtures, schemas
from verify.properties import PROPERTIES
from verify.report import sarif
from verify.report.report import FileReport, Report
from verify.verdict import Verdict

TRAMPOLINES = sorted((ROOT / "trampolines").rglob("*.o"))[::4]  # a part is enough for every kind of finding
REPORTS = {**fixtures.REPORTS, "many": fixtures.many(3)}
LEVELS = {"refuted": "error", "unconfirmed": "error", "error": "error"}


def run(report: Report) -> dict[str, Any]:
    document = json.loads(sarif.render(report))
    (found,) = document["runs"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("report", list(REPORTS.values()), ids=list(REPORTS))
def test_the_official_schema(report: Report) -> None:
    schemas.sarif().validate(json.loads(sarif.render(report)))


def test_the_official_schema_for_all_trampolines() -> None:
    text = verify("prove", "--format", "sarif", *TRAMPOLINES, ROOT / "README.md").out
    schemas.sarif().validate(json.loads(text))
    assert str(ROOT) not in text


def test_the_schema_refuses_what_is_wrong() -> None:
    document = json.loads(sarif.render(fixtures.EVERY))
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not schemas.sarif().is_valid(document)


def test_the_frame_of_the_log() -> None:
    document = json.loads(sarif.render(fixtures.EVERY))
    assert list(document) == ["$schema", "version", "runs"]
    assert document["version"] == "2.1.0"
    found = run(fixtures.EVERY)
    driver = found["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("verify", "0.1.0")
    assert driver["properties"]["libraries"]["z3-solver"] == "4.13.0.0"
    assert found["invocations"] == [{"executionSuccessful": False, "exitCode": 2}]
    assert found["originalUriBaseIds"].keys() == {"SRCROOT"}
    assert "uri" not in found["originalUriBaseIds"]["SRCROOT"]


def test_rules_are_the_properties_and_routine() -> None:
    rules = run(fixtures.EMPTY)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [prop.name for prop in PROPERTIES] + ["routine"]
    for rule, prop in zip(rules, PROPERTIES, strict=False):
        assert rule["shortDescription"]["text"].casefold().startswith(prop.statement.casefold())
        assert prop.proved in rule["fullDescription"]["text"]
        assert "{" not in rule["fullDescription"]["text"]
        assert rule["name"].isalnum()


def test_results_are_what_fails_with_a_level_each() -> None:
    found = run(fixtures.EVERY)
    verdicts = [result["properties"]["verdict"] for result in found["results"]]
    assert sorted(verdicts) == sorted(
        str(f.verdict) for f in fixtures.EVERY.findings() if f.verdict is not Verdict.PROVED
    )
    for result in found["results"]:
        assert result["level"] == LEVELS.get(result["properties"]["verdict"], "warning")
        assert "kind" not in result
        assert result["ruleId"] == found["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        assert result["message"]["text"]


def test_what_is_proved_is_only_counted() -> None:
    found = run(fixtures.PROVED)
    assert found["results"] == []
    assert found["properties"]["summary"]["proved"] == 2
    assert found["properties"]["routines"] == 1
    assert found["invocations"] == [{"executionSuccessful": True, "exitCode": 0}]


def test_every_location_names_an_artifact() -> None:
    """Code scanning rejects the whole log for one location that has none."""
    for report in (fixtures.EVERY, fixtures.weird(), fixtures.below(str(Path.cwd()))):
        for result in run(report)["results"]:
            assert result["locations"]
            flow = [
                step["location"] for one in result.get("codeFlows", []) for step in one["threadFlows"][0]["locations"]
            ]
            for place in [*result["locations"], *result.get("relatedLocations", []), *flow]:
                artifact = place["physicalLocation"]["artifactLocation"]
                assert artifact["uri"]
                assert artifact["uri"].startswith("file:///") != (artifact.get("uriBaseId") == "SRCROOT")


def test_a_line_of_source_comes_first_where_it_is_known() -> None:
    results = run(fixtures.EVERY)["results"]
    (place,), (binary,) = results[0]["locations"], results[0]["relatedLocations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "src/ftrace.S", "uriBaseId": "SRCROOT"}, "region": {"startLine": 14}
    }  # fmt: skip
    assert place["logicalLocations"] == [
        {"name": "ftrace_caller", "fullyQualifiedName": "ftrace_caller", "kind": "function"}
    ]
    assert binary["physicalLocation"]["address"]["fullyQualifiedName"] == ".text+0xa"
    assert binary["physicalLocation"]["address"]["name"] == "ftrace_caller+0xa"
    (place,) = results[1]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == fixtures.OBJECT
    assert "region" not in place["physicalLocation"]


def test_a_virtual_address_is_a_number_too() -> None:
    result = next(one for one in run(fixtures.EVERY)["results"] if one["properties"]["verdict"] == "unsupported")
    assert result["locations"][0]["physicalLocation"]["address"]["absoluteAddress"] == 0x3F0000000A


def test_a_counterexample_is_a_code_flow() -> None:
    (flow,) = run(fixtures.EVERY)["results"][0]["codeFlows"]
    (thread,) = flow["threadFlows"]
    assert flow["message"]["text"] == fixtures.EXAMPLE.cause
    assert thread["initialState"] == {"r2": {"text": "0x11"}, "r14": {"text": "0x1000"}}
    assert [step["executionOrder"] for step in thread["locations"]] == [1, 2, 3, 4]
    importance = [step["importance"] for step in thread["locations"]]
    assert importance == ["important", "essential", "important", "unimportant"]
    physical = [step["location"]["physicalLocation"] for step in thread["locations"]]
    assert [place.get("region") for place in physical] == [{"startLine": 12}, {"startLine": 14}, None, None]
    assert physical[2]["address"]["fullyQualifiedName"] == ".text+0xa"
    assert "address" not in physical[3]
    assert "lgr %r2,%r0" in thread["locations"][1]["location"]["message"]["text"]


def test_fingerprints_tell_findings_apart_and_survive_a_new_address() -> None:
    def prints(report: Report) -> list[dict[str, str]]:
        return [result["partialFingerprints"] for result in run(report)["results"]]

    found = prints(fixtures.EVERY)
    assert found[0]["verify/v1"] == fixtures.REFUTED.fingerprint()
    assert len({one["primaryLocationLineHash"] for one in found}) == len(found)
    moved = replace(fixtures.REFUTED, address=".text+0x500", expected="old.r2, for example 0x7")
    assert prints(Report((FileReport("x/ftrace.o", (fixtures.routine(moved),)),)))[0] == found[0]


def test_a_name_becomes_a_uri() -> None:
    for name, uri in {
        "a b.o": "a%20b.o", "a:b.o": "a%3Ab.o", "é.o": "%C3%A9.o", "x\udcff.o": "x%FF.o", "../x.o": "../x.o"
    }.items():  # fmt: skip
        trouble = replace(fixtures.TROUBLE, file=name)
        (result,) = run(Report((FileReport(name, troubles=(trouble,)),)))["results"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri, "uriBaseId": "SRCROOT"}


def test_a_report_outside_any_checkout_keeps_its_paths() -> None:
    report = fixtures.below("/src")
    assert "file:///src/objects/x.o" in sarif.render(report, Path("/"))
    assert "file:///src/objects/x.o" in sarif.render(report, Path("/sr"))
    assert "file:///src/objects/x.o" not in sarif.render(report, Path("/src"))
