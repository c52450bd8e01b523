"""`verify show --cfg FILE`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import networkx
import pytest

from tests.command import ROOT, verify
from tests.test_imports import modules_after

OBJECT = ROOT / "trampolines/ftrace-6.12.o"
LINKED = ("show", OBJECT, "--symbol", "ftrace_caller")


def shown(tmp_path: Path, ending: str, *arguments: object) -> str:
    file = tmp_path / f"graph.{ending}"
    done = verify(*(arguments or LINKED), "--cfg", file)
    assert (done.code, done.out, done.err) == (0, "", "")
    return file.read_text(encoding="utf-8")


def test_svg_is_well_formed_and_has_every_block_and_instruction(tmp_path: Path) -> None:
    text = shown(tmp_path, "svg")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"ftrace_caller", "ftrace_common", "ftrace_graph_caller_end", "leave r1"} <= texts
    listing = verify(*LINKED).out.partition("digraph")[0]
    instructions = [line.split(maxsplit=2)[2] for line in listing.splitlines() if line.startswith("    ") and
                    "->" not in line]  # fmt: skip
    assert len(instructions) > 20
    assert all(any(one in str(text) for text in texts) for one in instructions)
    assert "href" not in text


def test_dot_is_what_dot_prints(tmp_path: Path) -> None:
    assert shown(tmp_path, "dot") == verify(*LINKED, "--dot").out


def test_graphml_is_read_by_networkx(tmp_path: Path) -> None:
    shown(tmp_path, "graphml", "show", OBJECT)
    found = networkx.read_graphml(tmp_path / "graph.graphml")
    assert found.is_directed()
    routines = {data["routine"] for _, data in found.nodes(data=True)}
    assert {"ftrace_caller", "ftrace_regs_caller", "__s390_indirect_jump_r1"} <= routines
    kinds = {data["kind"] for *_, data in found.edges(data=True)}
    assert {"next", "jump", "leave"} <= kinds
    assert any(".text+0x0 stg %r14,136(%r15)" in data.get("text", "") for _, data in found.nodes(data=True))


def test_several_files_of_one_run(tmp_path: Path) -> None:
    one, other = tmp_path / "a.svg", tmp_path / "b.GRAPHML"
    assert verify(*LINKED, "--cfg", one, "--cfg", other).code == 0
    assert one.read_text(encoding="utf-8").startswith("<svg")
    assert "<graphml" in other.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["graph.png", "graph", ".svg.", ".svg"])
def test_another_ending_is_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    done = verify("show", tmp_path / "missing.o", "--cfg", tmp_path / name)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"verify: {tmp_path / name}: a control-flow graph is written to a file that ends in .svg, .dot or .graphml\n"
    )


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = verify(*LINKED, "--cfg", tmp_path / "no" / "graph.svg")
    assert done.code == 2
    assert done.err.startswith(f"verify: {tmp_path / 'no' / 'graph.svg'}: cannot be written")


@pytest.mark.parametrize("ending", ["svg", "dot", "graphml"])
def test_the_same_file_twice(ending: str, tmp_path: Path) -> None:
    assert shown(tmp_path, ending) == shown(tmp_path, ending)


def test_svg_loads_neither_templates_nor_solver(tmp_path: Path) -> None:
    code, loaded = modules_after("show", str(OBJECT), "--cfg", str(tmp_path / "x.svg"))
    assert code == 0
    assert not {"jinja2", "z3", "angr"} & loaded
