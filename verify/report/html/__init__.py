"""One HTML page with everything in it: no network, no other file, readable without scripts.

`view` prepares what the templates beside this file (`*.html.j2`) write down; style sheets and the script are files
here, too, and are copied into the page.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from verify.report import frame, svg
from verify.report.html import view
from verify.report.report import Report
from verify.verdict import Verdict

if TYPE_CHECKING:
    import jinja2

_STYLES = ("colours.css", "page.css", "graph.css", "frame.css")


def render(report: Report) -> str:
    """The report as one HTML document."""
    files = view.files(report)
    routines = [routine for file in files for routine in file.routines]
    script = svg.style("script.js")
    assumptions = view.assumptions(routines)
    return _environment().get_template("page.html.j2").render(
        report=report,
        files=files,
        routines=routines,
        properties=view.properties(report),
        assumptions=assumptions,
        assumption_ids={text: f"a{number}" for number, text in enumerate(assumptions)},
        summary=[(verdict, count) for verdict in view.WORST if (count := report.summary()[str(verdict)])],
        style=svg.style(*_STYLES),
        script=script,
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


def _environment() -> jinja2.Environment:
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.PackageLoader("verify.report.html", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_legal,
    )
    found.globals |= {"signs": view.SIGNS, "meanings": view.MEANINGS, "tone": view.tone, "bands": frame.bands}
    return found


def _legal(value: Any) -> Any:
    """Verdicts as their words; text without characters that HTML cannot hold."""
    if isinstance(value, Verdict):
        return str(value)
    return svg.clean(value) if type(value) is str else value
