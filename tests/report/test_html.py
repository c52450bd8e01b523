"""The HTML report: all of the report is in it, links resolve, names are text, and it needs nothing but itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.report import examples, fixtures
from tests.test_imports import LAZY
from verify.report import frame, graph, html
from verify.report.report import Block, Report, RoutineReport, Slot
from verify.report.svg import clean
from verify.verdict import Verdict

VOID = {"meta", "link", "input", "br"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Page(HTMLParser):
    """The elements of a page; fails where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag}: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str, kind: str = "") -> list[dict[str, str | None]]:
        return [a for name, a in self.elements if name == tag and kind in f" {a.get('class') or ''} "]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@cache
def sample() -> Report:
    """Objects of the repository, good and broken, with the counterexamples that the proofs found."""
    return examples.real("ftrace-6.12.o", "broken/regs-incomplete.o", "expoline.o")


REPORTS = {
    "real": sample,
    "stories": lambda: examples.with_stories(sample()),
    "invented": examples.invented,
    "without pictures": lambda: fixtures.EVERY,
    "nothing": lambda: Report(()),
}


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    return REPORTS[request.param]()


def squeezed(text: str) -> str:
    return " ".join(clean(text).split())


def test_every_finding_is_in(report: Report) -> None:
    page = Page(html.render(report))
    for finding in report.findings():
        assert squeezed(finding.message) in page.text
    for verdict, count in report.summary().items():
        assert not count or f"{count} {verdict}" in page.text


def test_everything_else_is_in(report: Report) -> None:
    page = Page(html.render(report))
    routines = [routine for file in report.files for routine in file.routines]
    wanted = [text for finding in report.findings() for text in finding.assumptions]
    wanted += [text for routine in routines for text in (*routine.remarks, *routine.unexecuted, routine.reason)]
    wanted += [line.text for routine in routines for line in routine.code]
    wanted += [line.raw for routine in routines for line in routine.code]
    wanted += [line.source or "" for routine in routines for line in routine.code]
    wanted += [slot.name for routine in routines for slot in routine.frame]
    wanted += list(report.versions.values())
    for finding in report.findings():
        if finding.verdict is not Verdict.PROVED:
            wanted += [finding.claim or "", finding.path or "", finding.where or ""]
        example = finding.counterexample
        if example is not None:
            wanted += [example.cause, example.expected or "", example.found or "", example.emulator]
            wanted += [f"{name} = {value}" for name, value in example.start]
            wanted += [f"{callee}: {name} = {value}" for callee, name, value in example.effects]
            wanted += [text for step in example.steps for text in (step.text, step.label, *step.notes)]
    for text in set(wanted):
        assert squeezed(text) in page.text


def test_links_resolve_and_ids_are_unique(report: Report) -> None:
    page = Page(html.render(report))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"] or "" for a in page.all("a")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= set(ids)
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "for"):
            assert name not in attributes or attributes[name] in ids
        fill = attributes.get("fill") or ""
        assert not fill.startswith("url(") or fill[5:-1] in ids


def test_nothing_is_fetched(report: Report) -> None:
    text = html.render(report)
    page = Page(text)
    assert not any(tag in ("img", "iframe", "object", "embed", "base") for tag, _ in page.elements)
    assert not any("src" in attributes for _, attributes in page.elements)
    assert [a["href"] for a in page.all("link")] == ["data:,"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert (policy or "").startswith("default-src 'none'")


def test_names_stay_text() -> None:
    text = html.render(examples.invented())
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff]", text)
    text.encode("utf-8")
    page = Page(text)
    assert not page.all("b")
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "<!--" not in text
    assert "49" not in page.text.split("7 * 7")[0]


def test_structure(report: Report) -> None:
    page = Page(html.render(report))
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("h1", "main", "header", "nav", "title")][:4] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.elements[tags.index("a")][1] == {"class": "skip", "href": "#main"}
    for element in page.all("div", " scroll "):
        assert element["aria-label"]
        assert element["tabindex"] == "0"
    assert all(element["aria-label"] for element in page.all("svg"))
    assert all(th.get("scope") for th in page.all("th"))


def test_the_overview_has_a_cell_for_each_routine_and_property(report: Report) -> None:
    text = html.render(report)
    if not any(file.routines for file in report.files):
        assert "<table" not in text
        return
    table = Page(text[text.index('<table class="overview">') : text.index("</table>") + 8])
    columns = len(table.all("th", " property "))
    routines = sum(len(file.routines) for file in report.files)
    assert columns == len({f.rule() for file in report.files for r in file.routines for f in r.findings})
    assert len(table.all("td")) == columns * routines
    words = {str(verdict) for verdict in Verdict}
    for cell in table.all("a"):
        assert "title" not in cell or cell["title"] in words


def test_pictures_are_well_formed(report: Report) -> None:
    text = html.render(report)
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    drawn = sum(bool(r.blocks) + bool(r.frame) for file in report.files for r in file.routines)
    assert len(pictures) == drawn
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_the_same_report_gives_the_same_page(report: Report) -> None:
    assert html.render(report) == html.render(report)


def test_links_between_code_graph_and_frame_go_both_ways() -> None:
    report = examples.invented()
    routine = report.files[0].routines[0]
    page = Page(html.render(report))
    marks: dict[str, list[str]] = {}
    for tag, attributes in page.elements:
        if attributes.get("data-i"):
            marks.setdefault(tag, []).append(attributes["data-i"] or "")
    assert marks["tr"].count("1") == 2  # the listing and a step
    assert marks["g"].count("1") == 2  # the graph and the slot that it writes
    assert "2 3" in marks["g"]  # a slot with two writers; a third is outside the listing
    links = {a["href"] for a in page.all("a")}
    for number in range(len(routine.blocks)):
        assert {f"#r0-b{number}", f"#r0-c{number}"} <= links
    for number in range(len(routine.frame)):
        assert {f"#r0-s{number}", f"#r0-t{number}"} <= links


# The graph -----------------------------------------------------------------------------------------------------------


def blocks_of(picture: str, kind: str) -> list[str]:
    root = ElementTree.fromstring(picture)
    found = [g for g in root.iter("{http://www.w3.org/2000/svg}g") if kind in (g.get("class") or "").split()]
    return ["".join(g.itertext()) for g in found]


def test_blocks_with_a_finding_or_the_faulty_step_are_marked_in_words() -> None:
    report = examples.invented(2)  # refuted in the first block, the faulty step is in the second
    text = html.render(report)
    picture = re.search(r"<svg[^>]*Control-flow.*?</svg>", text, re.DOTALL)
    assert picture
    bad = blocks_of(picture[0], "bad")
    assert len(bad) == 2
    assert all("\u2717 refuted: property-1" in text for text in bad)
    assert len(blocks_of(picture[0], "faulty")) == 1
    assert len(blocks_of(picture[0], "block")) == 3


def test_the_path_of_a_counterexample_is_marked() -> None:
    routine = examples.invented().files[0].routines[0]
    at = [line.address for line in routine.code]
    made = graph.connect(routine.blocks, routine.routine)
    passed = graph.taken(made, [at[0], at[1], at[2], at[3], "", at[2], at[3], at[4], at[5]])
    assert {(edge.source, edge.target, edge.kind) for edge in passed} == {
        ("b0", "b1", "next"), ("b1", "b1", "jump"), ("b1", "b1-out1", "call"), ("b1", "b2", "next"),
        ("b2", "b2-out0", "leave"),
    }  # fmt: skip
    assert graph.taken(made, []) == frozenset()


def test_a_return_from_a_call_marks_the_edge_behind_the_call() -> None:
    blocks = (
        Block("start", ("0",), (("8", "jump"), ("2", "next"))),
        Block("behind", ("2",), (("r14", "leave"),)),
        Block("thunk", ("8",), (("r1", "leave"),)),
    )
    made = graph.connect(blocks, "start")
    passed = graph.taken(made, ["0", "8", "", "2"])
    assert {(edge.source, edge.target) for edge in passed} == {("b0", "b2"), ("b0", "b1"), ("b1", "b1-out0")}


# The frame -----------------------------------------------------------------------------------------------------------


def rectangles(picture: str) -> dict[str, tuple[float, float, float, float]]:
    root = ElementTree.fromstring(picture)
    found = {}
    for g in root.iter("{http://www.w3.org/2000/svg}g"):
        if "slot" in (g.get("class") or "").split():
            rect = next(g.iter("{http://www.w3.org/2000/svg}rect"))
            x, y, width, height = (float(rect.get(key) or 0) for key in ("x", "y", "width", "height"))
            found[g.get("id") or ""] = (x, y, width, height)
    return found


def test_the_frame_is_to_scale_and_no_slot_covers_another() -> None:
    for routine in (r for file in (*sample().files, *examples.invented().files) for r in file.routines if r.frame):
        shown = rectangles(frame.render(routine.frame, routine.code, "p-", "a frame"))
        assert len(shown) == len(routine.frame)
        for number, slot in enumerate(routine.frame):
            x, y, width, height = shown[f"p-s{number}"]
            assert height == 3 * slot.size
            for other in range(number):
                x2, y2, width2, height2 = shown[f"p-s{other}"]
                assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
                if slot.offset >= routine.frame[other].offset + routine.frame[other].size:
                    assert y + height <= y2


def test_unwritten_slots_are_hatched_and_written_ones_name_their_writers() -> None:
    slots = (Slot(-8, 8, "kept", (".text+0x6",)), Slot(0, 8, "back_chain", ()))
    code = examples.invented().files[0].routines[0].code
    picture = frame.render(slots, code, "p-", "a frame")
    assert picture.count('class="unwritten"') == 1
    assert "0x6 j" in picture
    assert "not written" in picture
    assert "r15 at entry" in picture


def test_frame_headers_and_structs_are_named_from_the_slots() -> None:
    slots = (
        Slot(-232, 8, "own back_chain", ()),
        Slot(-224, 8, "regs.args", ()),
        Slot(-216, 8, "regs.psw", ()),
        Slot(152, 8, "back_chain", ()),
    )
    assert [(band.offset, band.size, band.name) for band in frame.bands(slots)] == [
        (0, 160, "caller's frame header"),
        (-384, 160, "own frame header"),
        (-224, 16, "regs"),
    ]


# Size, laziness, a browser -------------------------------------------------------------------------------------------


def test_a_report_of_a_thousand_findings_does_not_take_long() -> None:
    one = sample().files[0]
    routine = one.routines[0]
    many = tuple(replace(routine, routine=f"{routine.routine}_{n}") for n in range(1000 // len(routine.findings) + 1))
    report = Report((replace(one, routines=many),))
    assert len(report.findings()) >= 1000
    start = time.perf_counter()
    text = html.render(report)
    assert time.perf_counter() - start < 20  # it takes half a second; this is for what grows with the square
    assert text.count('class="routine') == len(many)


def test_the_templates_are_loaded_when_a_page_is_made() -> None:
    code = "import json, sys, verify.report.html; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(LAZY) & set(json.loads(done.stdout))


def test_a_routine_without_pictures_has_its_verdicts() -> None:
    routine = RoutineReport("a.o", "f", "c", "", ())
    text = html.render(Report((fixtures.EVERY.files[0], replace(fixtures.EVERY.files[0], routines=(routine,)))))
    assert "<svg" not in text


PROBE = """
<body><pre id="result">not run</pre><iframe width="390" height="800" srcdoc="{page}"></iframe>
<script>
document.querySelector("iframe").onload = () => {{
  const view = document.querySelector("iframe").contentWindow, page = view.document, found = {{}};
  const all = (selector) => [...page.querySelectorAll(selector)];
  all("details").forEach((part) => {{ part.open = true; }});
  found.out = all("main *").filter((one) => !one.closest(".scroll, .unseen") && one.getBoundingClientRect().right > 390)
    .map((one) => one.outerHTML.slice(0, 120));
  found.width = page.documentElement.scrollWidth;
  found.wide = all(".picture").filter((box) => box.scrollWidth > box.clientWidth).length;
  const slot = all(".slot[data-i]")[0];
  slot.dispatchEvent(new view.Event("pointerover", {{ bubbles: true }}));
  found.rows = all("table.code tr.marked").length;
  found.instructions = all(".graph .insn.marked").length;
  const buttons = all(".show-path"), last = buttons[buttons.length - 1];
  found.hidden = buttons.filter((button) => button.hidden).length;
  last.click();
  found.pressed = last.getAttribute("aria-pressed");
  found.taken = all(".edge.taken").length;
  view.scrollTo(0, 0);
  page.body.dispatchEvent(new view.KeyboardEvent("keydown", {{ key: "j", bubbles: true }}));
  found.focus = page.activeElement.tagName;
  document.getElementById("result").textContent = JSON.stringify(found);
}};
</script></body>
"""


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser on PATH: {', '.join(BROWSERS)}")
    arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--dump-dom",
        *options,
    ]
    return subprocess.run([browser, *arguments, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize("which", ["stories", "invented"])
def test_a_browser_shows_it_without_errors_and_at_the_width_of_a_phone(which: str, tmp_path: Path) -> None:
    text = html.render(REPORTS[which]())
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    assert "CONSOLE" not in browse(tmp_path / "report.html").stderr
    (tmp_path / "probe.html").write_text(PROBE.format(page=escape(text)), encoding="utf-8")
    done = browse(tmp_path / "probe.html")
    assert "CONSOLE" not in done.stderr
    result = re.search('<pre id="result">(.*?)</pre>', done.stdout)
    assert result
    found = json.loads(result[1].replace("&amp;", "&"))
    assert found.pop("wide") > 0
    assert found.pop("rows") >= 1
    assert found.pop("instructions") >= 1
    assert found.pop("taken") >= 1
    assert found.pop("out") == []
    assert found == {"width": 390, "hidden": 0, "pressed": "true", "focus": "H3"}
