"""JUnit XML as Jenkins reads it (schema junit-10): a suite a routine, a test case a property."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from xml.etree import ElementTree

from verify.report.account import account, interruption, visible
from verify.report.localize import localize
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.verdict import Verdict

_ELEMENTS = {
    Verdict.REFUTED: "failure",
    Verdict.UNCONFIRMED: "failure",
    Verdict.ERROR: "error",
    Verdict.UNKNOWN: "error",
    Verdict.UNSUPPORTED: "error",
    Verdict.VACUOUS: "error",
}
_Element = ElementTree.Element


def render(report: Report, root: PurePath | None = None) -> str:
    """The report as JUnit XML; paths below `root` (by default the current directory) become relative to it."""
    report = localize(report, root or Path.cwd())
    suites = [suite for file in report.files for suite in _suites(file)] + _interrupted(report)
    for number, suite in enumerate(suites):
        suite.set("id", str(number))
    top = _element(
        "testsuites", name="verify", **{name: _sum(suites, name) for name in ("tests", "failures", "errors")}
    )
    top.extend(suites)
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(top, encoding="us-ascii").decode()}\n'


def _interrupted(report: Report) -> list[_Element]:
    """A suite that cannot pass, for a run that did not come to its end."""
    words = interruption(report)
    if words is None:
        return []
    case = _element("testcase", name="interrupted", classname="verify")
    case.append(_element("error", words, message=words, type="interrupted"))
    return [_suite("verify", [case])]


def _sum(suites: Iterable[_Element], name: str) -> str:
    return str(sum(int(suite.attrib[name]) for suite in suites))


def _element(tag: str, text: str | None = None, **attributes: str) -> _Element:
    element = _Element(tag, {name: visible(value) for name, value in attributes.items()})
    element.text = None if text is None else visible(text)
    return element


def _suites(file: FileReport) -> list[_Element]:
    """The suites of one input; trouble with the input as a whole is one of its own."""
    troubles = [_suite(file.file, _cases(file.file, file.troubles), file=file.file)] if file.troubles else []
    return troubles + [_routine(routine) for routine in file.routines]


def _routine(routine: RoutineReport) -> _Element:
    where = f"{routine.file}.{routine.routine}"
    suite = _suite(f"{routine.file}: {routine.routine}", _cases(where, routine.findings), file=routine.file)
    suite.insert(0, _told(routine))
    return suite


def _suite(name: str, cases: list[_Element], **attributes: str) -> _Element:
    def having(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = _element("testsuite", name=name, tests=str(len(cases)), failures=having("failure"), errors=having("error"),
                     skipped=having("skipped"), **attributes)  # fmt: skip
    suite.extend(cases)
    return suite


def _told(routine: RoutineReport) -> _Element:
    """What the verdicts rest on, as properties of the suite."""
    assumed = dict.fromkeys(text for finding in routine.findings for text in finding.assumptions)
    rows = [("contract", routine.contract), ("reason", routine.reason)]
    rows += [("assumption", text) for text in assumed] + [("remark", text) for text in routine.remarks]
    properties = _element("properties")
    properties.extend(_element("property", name=name, value=value) for name, value in rows)
    return properties


def _cases(where: str, findings: Iterable[Finding]) -> list[_Element]:
    rules: dict[str, list[Finding]] = {}
    for finding in findings:
        rules.setdefault(finding.rule(), []).append(finding)
    return [_case(where, rule, found) for rule, found in rules.items()]


def _case(where: str, rule: str, findings: list[Finding]) -> _Element:
    """One property. Readers look at the first failure only, so all that is wrong with it is in one element."""
    case = _element("testcase", name=rule, classname=where)
    wrong = [finding for finding in findings if finding.verdict in _ELEMENTS and not finding.known]
    known = [finding for finding in findings if finding.known]
    if known and not wrong:
        case.append(_element("skipped", message=f"known: {known[0].message}"))
    if wrong:
        wrong.sort(key=lambda finding: _ELEMENTS[finding.verdict] != "failure")
        first = wrong[0]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        text = "\n\n".join("\n".join([f"{one.verdict}: {one.message}", *account(one)]) for one in wrong)
        case.append(_element(_ELEMENTS[first.verdict], text, message=first.message + more, type=str(first.verdict)))
    return case
