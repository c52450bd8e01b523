"""`verify rule`: every rule is explained, and its examples do what the text says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from tests.command import ROOT, verify
from verify import equivalence, pipeline
from verify.contracts.load import contract_names
from verify.library import library
from verify.properties import PROPERTIES
from verify.report import rules
from verify.report.report import Finding
from verify.robust.bench import Request
from verify.robust.run import robust
from verify.verdict import Verdict

NAMES = rules.rule_names()
INCLUDE = ROOT / "trampolines/include"
FOUND = {Verdict.REFUTED, Verdict.UNCONFIRMED}


def findings(rule: rules.Rule, example: rules.Example, directory: Path) -> tuple[Finding, ...]:
    """What is found in an example, which every assembler there is takes alike."""
    source = directory / "example.s"
    source.write_text(example.code, encoding="utf-8")
    objects = [one.assemble(source, directory / f"{number}.o", []) for number, one in enumerate(assembler.available())]
    assert len({assembler.functions(path) for path in objects}) == 1
    options = pipeline.Options(rule.symbol, rule.contract, arch=rule.arch)
    if rule.old is not None:
        old = directory / "old.s"
        old.write_text(rule.old.code, encoding="utf-8")
        before = assembler.available()[0].assemble(old, directory / "old.o", [])
        return equivalence.compare(before, objects[0], options).findings()
    if rule.offsets:
        offsets = tuple(INCLUDE / name for name in rule.offsets)
        return robust([source], Request(offsets, (INCLUDE,)), options).findings()
    (routine,) = pipeline.prove_file(objects[0], options).routines
    assert routine.contract == rule.contract
    return routine.findings


def test_every_property_has_a_rule_and_so_has_the_routine() -> None:
    assert set(NAMES) == {prop.name for prop in PROPERTIES} | {"routine"}


@pytest.mark.parametrize("name", NAMES)
def test_the_failing_example_is_found_by_this_rule_alone(name: str, tmp_path: Path) -> None:
    rule = rules.load_rule(name)
    bad = [one for one in findings(rule, rule.fails, tmp_path) if one.verdict is not Verdict.PROVED]
    assert {one.rule() for one in bad} == {name}, [(one.rule(), one.message) for one in bad]
    assert {one.verdict for one in bad} <= (FOUND if name != "routine" else {Verdict.UNSUPPORTED})


@pytest.mark.parametrize("name", NAMES)
def test_the_repaired_example_is_proved(name: str, tmp_path: Path) -> None:
    rule = rules.load_rule(name)
    found = findings(rule, rule.repair, tmp_path)
    assert {one.verdict for one in found} == {Verdict.PROVED}, [one.message for one in found]
    assert name == "routine" or name in {one.rule() for one in found}


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_short_and_its_repair_is_a_small_change(name: str) -> None:
    rule = rules.load_rule(name)
    before, after = (set(one.code.splitlines()) for one in (rule.fails, rule.repair))
    assert rule.fails.code != rule.repair.code
    assert max(len(before), len(after)) <= 30
    assert len(before - after) <= 3


@pytest.mark.parametrize("name", NAMES)
def test_what_the_rule_refers_to_is_there(name: str) -> None:
    rule = rules.load_rule(name)
    assert rule.contract in contract_names(library("models"))
    assert rule.see
    for reference in rule.see:
        place = reference.split(",")[0].split(" and ")[0]
        if place.startswith(("trampolines/", "models/", "SOUNDNESS")):
            assert (ROOT / place).is_file(), place
        if place.startswith("verify rule "):
            assert place.removeprefix("verify rule ") in NAMES


# The command ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_is_told_in_sections(name: str) -> None:
    done = verify("rule", name)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"{name}: {rules.load_rule(name).summary}"
    headings = [line for line in lines if line in ("Meaning", "Why it matters", "Fails", "Repair", "See also")]
    assert headings == ["Meaning", "Why it matters", "Fails", "Repair", "See also"]
    assert "\x1b" not in done.out
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("width", [40, 80, 100])
def test_prose_is_wrapped_to_the_width(width: int) -> None:
    rule = rules.load_rule("stack-confined")
    code = {line.strip() for one in (rule.fails, rule.repair) for line in one.code.expandtabs().splitlines()}
    for line in rules.render(rule, width).splitlines()[1:]:
        assert len(line) <= width or line.removeprefix("> ").strip() in code


def test_headings_are_painted_and_nothing_else() -> None:
    rule = rules.load_rule("expoline")
    painted = rules.render(rule, 80, lambda text: f"[[{text}]]")
    assert [line for line in painted.splitlines() if line.startswith("[[")] == [
        f"[[expoline: {rule.summary}]]", "[[Meaning]]", "[[Why it matters]]", "[[Fails]]", "[[Repair]]", "[[See also]]",
    ]  # fmt: skip
    assert painted.replace("[[", "").replace("]]", "") == rules.render(rule, 80)


def test_what_the_repair_changes_is_marked() -> None:
    lines = verify("rule", "memory-frame").out.splitlines()
    assert [line.split() for line in lines if line.startswith(">")] == [[">", "stgrl", "%r1,", "last_target"]]


def test_without_a_name_all_rules_are_listed() -> None:
    done = verify("rule")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == list(NAMES)
    assert all(len(line) <= 120 for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("name", "hint"), [("calee-saved", "did you mean callee-saved?"), ("../rules/expoline", ""), ("xyz", "lists all")]
)
def test_an_unknown_rule_is_one_sentence(name: str, hint: str) -> None:
    done = verify("rule", name)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith(f"verify: there is no rule {name!r}; ")
    assert hint in line
