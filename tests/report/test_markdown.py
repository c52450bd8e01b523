"""The Markdown summary, read back by a Markdown parser."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.command import ROOT, verify
from tests.report import fixtures
from verify.report import markdown
from verify.report.report import FileReport, Report
from verify.verdict import Verdict

_COMMENT = 65_536


def tokens(report: Report) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(markdown.render(report))


def cells(report: Report) -> list[list[str]]:
    """The text of the table, a list a row."""
    rows: list[list[str]] = []
    for token, inner in zip(tokens(report), tokens(report)[1:], strict=False):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("th_open", "td_open"):
            rows[-1].append("".join(child.content for child in inner.children or []))
    return rows


def test_the_table_counts_verdicts_of_routines() -> None:
    head, *rows = cells(fixtures.EVERY)
    assert head == ["routine", "contract", *map(str, Verdict)]
    assert rows[0] == [f"{fixtures.OBJECT}: ftrace_caller", fixtures.CONTRACT, "1", "3", "1", "1", "1", "", ""]
    assert [row[0].split(": ")[1] for row in rows] == ["ftrace_caller", "other", "crashing"]
    head, row = cells(fixtures.PROVED)
    assert head == ["routine", "contract", "proved"]
    assert row[2] == "2"


def test_failures_fold_out_with_their_story() -> None:
    found = tokens(fixtures.EVERY)
    wrong = [finding for finding in fixtures.EVERY.findings() if finding.verdict is not Verdict.PROVED]
    summaries = [token.content for token in found if token.type == "html_block" and "<summary>" in token.content]
    stories = [token.content for token in found if token.type == "fence"]
    assert len(summaries) == len(stories) == len(wrong)
    assert summaries[0].startswith("<details><summary>refuted: <code>callee-saved</code>")
    for word in ("it is refuted", "lgr %r2,%r0", "expected:  old.r2", "replayed on unicorn"):
        assert word in stories[0]


def test_names_cannot_break_out_of_the_table_or_the_code() -> None:
    found = tokens(fixtures.weird())
    head, *rows = cells(fixtures.weird())
    assert [len(row) for row in rows] == [len(head)]
    assert "|`` ``` ]]>" in rows[0][0]
    inline = [child.type for token in found for child in token.children or []]
    assert set(inline) <= {"text", "code_inline"}
    blocks = [token.content for token in found if token.type == "html_block"]
    tags = {tag for block in blocks for tag in re.findall(r"<(/?\w+)", block)}
    assert tags == {"details", "/details", "summary", "/summary", "code", "/code"}
    assert len([token for token in found if token.type == "fence"]) == 3


def test_a_long_report_fits_into_a_comment_and_says_what_it_leaves_out() -> None:
    text = markdown.render(fixtures.many(1000))
    assert len(text) < _COMMENT
    assert re.search(r"^\d+ more routines are in the other reports\.$", text, re.MULTILINE)
    assert re.search(r"^\d+ more failures are in the other reports\.$", text, re.MULTILINE)
    assert text.count("<details>") == text.count("</details>") > 5


def test_routines_that_fail_come_first() -> None:
    good = fixtures.PROVED.files[0]
    bad = FileReport("z.o", (fixtures.routine(fixtures.REFUTED, file="z.o"),))
    _, first, second = cells(Report((good, bad)))
    assert first[0].startswith("z.o")
    assert second[0].startswith(fixtures.OBJECT)


def test_a_real_report() -> None:
    out = verify("prove", "--format", "markdown", ROOT / "trampolines/ftrace-6.12.o", ROOT / "README.md").out
    assert out.startswith("### verify: 39 proved, 1 error\n")
    assert "README.md: is not an ELF file" in out
