"""A summary in GitHub's Markdown, for a pull request: the counts of each routine, then each failure to fold out."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path, PurePath
from typing import NamedTuple

from verify.report.account import LEVELS, account, failures, interruption, tolerance, visible
from verify.report.localize import localize
from verify.report.report import Finding, Report, RoutineReport
from verify.verdict import Verdict

# GitHub takes a comment of 65,536 characters; the rest is for headings and for what the poster adds.
_TABLE, _STORIES, _STORY = 20_000, 40_000, 8_000
_TICKS = re.compile("`+")


def render(report: Report, root: PurePath | None = None) -> str:
    """The summary; paths below `root` (by default the current directory) become relative to it."""
    report = localize(report, root or Path.cwd())
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.summary().items() if number)
    stories = [_story(finding) for finding, _ in failures(report)]
    words = interruption(report)
    told = [*([f"**{words}**"] if words else []), *tolerance(report)]
    parts = [f"### verify: {counts or 'nothing to prove'}", *told, *_table(report)]
    kept = _fitting(stories, _STORIES)
    return "\n\n".join([*parts, *kept, *_rest(len(stories) - len(kept), "failures")]) + "\n"


def _fitting(parts: Sequence[str], limit: int) -> Sequence[str]:
    """As many of the parts, from the first, as fit into `limit` characters."""
    sizes = accumulate(len(part) + 2 for part in parts)
    return parts[: sum(size <= limit for size in sizes)]


def _rest(number: int, what: str) -> list[str]:
    return [f"{number} more {what} are in the other reports."] if number else []


# The table ------------------------------------------------------------------------------------------------------------


def _table(report: Report) -> list[str]:
    """A row a routine; those with failures come first, since a long table is cut."""
    rows = [_row(routine) for file in report.files for routine in file.routines]
    if not rows:
        return []
    rows.sort(key=lambda row: not any(row.counts[verdict] for verdict in LEVELS))
    shown = [verdict for verdict in Verdict if any(row.counts[verdict] for row in rows)]
    head = ["| routine | contract |" + "".join(f" {verdict} |" for verdict in shown), "|---|---|" + "--:|" * len(shown)]
    lines = [row.cells + "".join(f" {row.counts[verdict] or ''} |" for verdict in shown) for row in rows]
    kept = _fitting(lines, _TABLE)
    return ["\n".join([*head, *kept]), *_rest(len(lines) - len(kept), "routines")]


class _Row(NamedTuple):
    cells: str
    counts: Counter[Verdict]


def _row(routine: RoutineReport) -> _Row:
    cells = f"| {_cell(f'{routine.file}: {routine.routine}')} | {_cell(routine.contract)} |"
    return _Row(cells, Counter(finding.verdict for finding in routine.findings))


def _cell(text: str) -> str:
    """Code in a cell of a table, where a pipe ends the cell even inside code."""
    return _code(text).replace("|", "\\|")


def _code(text: str) -> str:
    """Code in a line, between more backticks than there are inside."""
    text = visible(text).replace("\n", "\\n")
    fence = "`" * (_longest(text) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _longest(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)


# The failures ---------------------------------------------------------------------------------------------------------


def _story(finding: Finding) -> str:
    name = f"{finding.file}: {finding.routine}" if finding.routine else finding.file
    head = f"{finding.verdict}: {_tagged(finding.rule())} of {_tagged(name)}"
    lines = [finding.message, *account(finding)]
    kept = _fitting(lines, _STORY)
    body = visible("\n".join([*kept, *_rest(len(lines) - len(kept), "lines")]))
    fence = "`" * max(3, _longest(body) + 1)
    return f"<details><summary>{head}</summary>\n\n{fence}text\n{body}\n{fence}\n\n</details>"


def _tagged(text: str) -> str:
    return f"<code>{html.escape(visible(text)).replace(chr(10), '&#92;n')}</code>"
