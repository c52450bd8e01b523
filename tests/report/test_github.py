"""GitHub annotations: what a runner reads back out of the lines."""

from __future__ import annotations

import re

from tests.command import ROOT, verify
from tests.report import fixtures
from verify.report import github
from verify.report.report import Report
from verify.verdict import Verdict

_COMMAND = re.compile(r"::(?P<name>\w+) (?P<values>.*?)::(?P<message>.*)")
_CODES = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}


def unescaped(text: str) -> str:
    return re.sub("%(?:0D|0A|3A|2C|25)", lambda match: _CODES[match[0]], text)


def commands(report: Report) -> list[tuple[str, dict[str, str], str]]:
    """Read the lines as a runner does: a command is a line that starts with two colons."""
    found = []
    for line in github.render(report).splitlines():
        if line.startswith("::"):
            match = _COMMAND.fullmatch(line)
            assert match is not None, line
            values = dict(value.split("=", 1) for value in match["values"].split(","))
            found.append((match["name"], {k: unescaped(v) for k, v in values.items()}, unescaped(match["message"])))
    return found


def test_one_command_a_failure() -> None:
    found = commands(fixtures.EVERY)
    wrong = [finding for finding in fixtures.EVERY.findings() if finding.verdict is not Verdict.PROVED]
    assert len(found) == len(wrong)
    errors = (Verdict.REFUTED, Verdict.UNCONFIRMED, Verdict.ERROR)
    for (name, values, message), finding in zip(found, wrong, strict=True):
        assert name == ("error" if finding.verdict in errors else "warning")
        assert message.startswith(finding.message)
        assert set(values) <= {"file", "line", "title"}
        assert str(finding.verdict) in values["title"]
        assert finding.rule() in values["title"]


def test_source_and_line_where_they_are_known() -> None:
    found = commands(fixtures.EVERY)
    assert (found[0][1]["file"], found[0][1]["line"]) == ("src/ftrace.S", "14")
    assert found[1][1]["file"] == fixtures.OBJECT
    assert "line" not in found[1][1]


def test_names_cannot_break_out_of_a_command() -> None:
    text = github.render(fixtures.weird())
    lines = text.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("::error file=") for line in lines[:3])
    assert lines[3] == "verify: 2 refuted, 1 error"
    name, values, message = commands(fixtures.weird())[0]
    assert name == "error"
    assert set(values) == {"file", "line", "title"}
    assert message.splitlines()[0] == "a"


def test_the_last_line_counts() -> None:
    assert github.render(fixtures.PROVED) == "verify: 2 proved\n"
    assert github.render(fixtures.EMPTY) == "verify: nothing to prove\n"


def test_a_real_report() -> None:
    out = verify("prove", "--format", "github", ROOT / "trampolines/broken/bare-branch.o").out
    assert out.startswith("::error file=trampolines/broken/bare-branch.o,title=expoline refuted%3A ftrace_caller::")
