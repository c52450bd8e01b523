"""The trampolines of this repository, the bugs that real ones had, and the proposal that the tool exists for."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from tests import bpf, eras, families, thirty_one
from verify import pipeline, routine
from verify.contracts.schema import Contract
from verify.objfile.elf import load
from verify.prove.decide import Decider
from verify.prove.smt import Solver
from verify.report.json import render
from verify.report.report import FileReport, Report, RoutineReport
from verify.semantics.code import Code
from verify.verdict import Exit, Verdict
from verify.walk.path import Exit as Left
from verify.walk.path import Path as Walked

ROOT = Path(__file__).resolve().parents[1] / "trampolines"
GOOD = sorted(ROOT.glob("*.o"))
REPAIRED = sorted((ROOT / "repaired").glob("*.o"))
FOUND = {Verdict.REFUTED, Verdict.UNCONFIRMED}

# facts/bugs.md, as far as there are contracts for it: the object under broken/, and the properties that find the bug.
BUGS = {
    "proposal-2014": {"regs-complete", "regs-honoured", "redirect-entry", "no-stale-read"},
    "numbers-2014": {"stack-confined"},
    "mcount-no-backchain": {"backchain"},
    "mcount-ip-adjust": {"handler-arguments"},
    "caller-slot-r14": {"backchain"},
    "no-traced-frame": {"backchain"},
    "handler-variable": {"handler-arguments"},
    "regs-incomplete": {"regs-complete", "no-stale-read"},
    "psw-mask-ipm": {"regs-complete"},
    "rethook-v14": {"regs-complete"},
    "rethook-v15": {"stack-balanced", "return-value"},
    "bare-branch": {"expoline"},
    "z196-in-z10": {"instruction-level"},
    **eras.BUGS,
    **families.BUGS,
    **bpf.BUGS,
    **thirty_one.BUGS,
}
# What the same faults break besides; anything beyond that would be a false alarm.
CONSEQUENCES = {
    "proposal-2014": {"handler-arguments"},
    "rethook-v14": {"no-stale-read"},
    "rethook-v15": {"callee-saved", "no-stale-read"},
    **eras.CONSEQUENCES,
    **families.CONSEQUENCES,
    **bpf.CONSEQUENCES,
    **thirty_one.CONSEQUENCES,
}

PROPOSAL = ROOT / "broken/proposal-2014.o"


@cache
def report(path: Path, layout: str | None = None) -> FileReport:
    return pipeline.prove_file(path, pipeline.Options(layout=layout))


def routine_of(path: Path, symbol: str, layout: str | None = None) -> RoutineReport:
    (found,) = (one for one in report(path, layout).routines if one.routine == symbol)
    return found


def failing(path: Path, layout: str | None = None) -> dict[str | None, set[Verdict]]:
    found: dict[str | None, set[Verdict]] = {}
    for finding in report(path, layout).findings():
        if finding.verdict is not Verdict.PROVED:
            found.setdefault(finding.property, set()).add(finding.verdict)
    return found


# What is right --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*GOOD, *REPAIRED], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_all_is_proved(path: Path) -> None:
    found = report(path)
    assert not found.troubles
    assert found.routines
    assert {finding.verdict for finding in found.findings()} == {Verdict.PROVED}, failing(path)
    assert all(finding.property for finding in found.findings())


@pytest.mark.parametrize("path", [*GOOD, *REPAIRED], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_routine_is_held_to_the_contract_that_a_claim_names(path: Path) -> None:
    """The plain ABI contract is for routines nobody claimed anything about: it would prove far less."""
    for one in report(path).routines:
        assert one.reason.startswith("claimed in proofs/"), one.routine
        assert not one.contract.startswith("abi/"), one.routine


def test_the_gate_passes() -> None:
    assert pipeline.prove([*GOOD, *REPAIRED], pipeline.Options()).exit_code() is Exit.PROVED


def test_each_broken_trampoline_has_its_repaired_twin() -> None:
    assert {path.stem for path in REPAIRED} == set(BUGS)


# What was wrong -------------------------------------------------------------------------------------------------------


def test_the_table_has_every_bug() -> None:
    sources = {path.stem for path in (ROOT / "broken").glob("*.s") if not path.stem.startswith("matrix-")}
    assert sources == set(BUGS)


@pytest.mark.parametrize("name", BUGS)
def test_the_header_of_the_source_names_the_properties(name: str) -> None:
    text = (ROOT / "broken" / f"{name}.s").read_text(encoding="utf-8")
    comment = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    named = {word for group in re.findall(r"\(([a-z, -]+)\)", comment) for word in re.split(r",\s*", group)}
    assert BUGS[name] <= named


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found_by_its_property_and_by_nothing_else(name: str) -> None:
    found = failing(ROOT / "broken" / f"{name}.o")
    assert BUGS[name] <= set(found) <= BUGS[name] | CONSEQUENCES.get(name, set())
    assert all(verdicts <= FOUND for verdicts in found.values()), found


@pytest.mark.parametrize("name", BUGS)
def test_the_gate_fails(name: str) -> None:
    assert pipeline.prove([ROOT / "broken" / f"{name}.o"], pipeline.Options()).exit_code() is Exit.BROKEN


# The proposal of 2014 -------------------------------------------------------------------------------------------------


def claims(found: RoutineReport, prop: str) -> set[str]:
    return {f.claim or "" for f in found.findings if f.property == prop and f.verdict is not Verdict.PROVED}


def test_what_the_proposal_gets_right() -> None:
    proved = {f.property for f in report(PROPOSAL).findings() if f.verdict is Verdict.PROVED}
    assert {"psw-redirect", "stack-balanced", "stack-confined", "callee-saved", "backchain"} <= proved


def test_what_the_reviewer_found_in_it() -> None:
    found = routine_of(PROPOSAL, "ftrace_regs_caller")
    assert claims(found, "regs-complete") == {"regs.psw.mask == old.psw.mask"}
    assert claims(found, "regs-honoured") == {"mem[old.r15 + stack_frame.parent] == regs.gprs[14]"}
    assert claims(found, "redirect-entry") == {"r14 == regs.gprs[14], whenever regs.psw.addr != old.r14"}


def test_its_graph_call_reads_a_slot_that_nothing_stored() -> None:
    """Only with the graph tracer's call patched in; as assembled, the load is dead."""
    found = routine_of(PROPOSAL, "ftrace_regs_caller")
    stale = [f for f in found.findings if f.property == "no-stale-read" and "graph" in f.message]
    assert [(f.message.split(" depends")[0], (f.path or "").split(";")[0]) for f in stale] == [
        ("r3 at the call of graph", "graph switched on")
    ]
    assert "old.r15+112" in (stale[0].found or "")
    graph = {f.claim for f in found.findings if f.property == "handler-arguments"}
    assert graph == {
        "r2 == regs.gprs[14] at the call of graph",
        "r3 == old.r14 or r3 == regs.psw.addr at the call of graph",
    }
    assert any(remark.startswith("dead load") for remark in found.remarks)


def test_its_offsets_are_numbers() -> None:
    """With the larger struct pt_regs of 3.18 it reaches into the parent's frame; its own frame stays 336 bytes."""
    assert "stack-confined" not in failing(PROPOSAL)
    found = routine_of(PROPOSAL, "ftrace_regs_caller", "linux-3.18")
    (finding,) = (f for f in found.findings if f.property == "stack-confined")
    assert finding.verdict in FOUND
    assert "its 336-byte frame is 8 bytes short for struct pt_regs, whose 184 bytes reach 8 bytes into the parent's " \
           "frame" in finding.message  # fmt: skip


@pytest.mark.parametrize(
    ("name", "symbol"), [("mcount-ftrace_regs_caller", "ftrace_regs_caller"), ("ftrace-3.18", "ftrace_regs_caller")]
)
def test_what_was_asked_for_and_what_was_merged_pass_where_it_fails(name: str, symbol: str) -> None:
    found = routine_of(ROOT / f"{name}.o", symbol)
    assert {f.verdict for f in found.findings} == {Verdict.PROVED}
    assert BUGS["proposal-2014"] <= {f.property for f in found.findings}


# Which paths there are ------------------------------------------------------------------------------------------------


@cache
def walked(path: Path, symbol: str) -> tuple[Contract, tuple[Walked, ...]]:
    image = load(path)
    (choice,) = (one for one in pipeline.choose(image, pipeline.Options()) if one.symbol.name == symbol)
    assert choice.symbol.place is not None
    terms = routine.assumptions(choice.contract, Code(image), choice.symbol.place)
    decider = Decider(Solver(), terms)
    paths = tuple(routine.walk(image, choice.contract, choice.symbol.place, decider))
    assert all(isinstance(one.end, Left) and decider.reachable(one) for one in paths)
    return choice.contract, paths


# Patched or not and (mcount) stopped or not, (z10) branched or not: the paths by what they call.
HANDLED, GRAPHED = ("handler",), ("handler", "graph")
GUARDED = {((), ()): 1, ((), HANDLED): 1, (("graph",), ()): 1, (("graph",), GRAPHED): 1}
PATHS = {
    ("mcount-ftrace_caller", "ftrace_caller"): GUARDED,
    ("mcount-ftrace_regs_caller", "ftrace_caller"): GUARDED,
    ("mcount-ftrace_regs_caller", "ftrace_regs_caller"): GUARDED,
    ("broken/proposal-2014", "ftrace_regs_caller"): GUARDED,
    ("ftrace-3.18", "ftrace_regs_caller"): {((), HANDLED): 1, (("graph",), GRAPHED): 1},
    ("ftrace-6.12", "ftrace_caller"): {((), HANDLED): 1, (("graph",), GRAPHED): 1},
    ("ftrace-6.12", "ftrace_regs_caller"): {((), HANDLED): 1, (("graph",), GRAPHED): 1},
    ("ftrace-6.12-extern-thunk", "ftrace_caller"): {((), HANDLED): 2, (("graph",), GRAPHED): 2},
    ("ftrace-6.12-extern-thunk", "ftrace_regs_caller"): {((), HANDLED): 2, (("graph",), GRAPHED): 2},
    ("return_to_handler-6.5", "return_to_handler"): {((), HANDLED): 1},
    ("return_to_handler-6.14", "return_to_handler"): {((), HANDLED): 1},
    ("expoline", "__s390_indirect_jump_r7"): {((), ()): 1},
    **eras.PATHS,
}  # fmt: skip


@pytest.mark.parametrize(("name", "symbol"), PATHS)
def test_every_path_is_walked_in_every_state_of_the_patch_site(name: str, symbol: str) -> None:
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    for path in walked(ROOT / f"{name}.o", symbol)[1]:
        key = path.patched, tuple(made.spec.name for made in path.calls)
        found[key] = found.get(key, 0) + 1
    assert found == PATHS[name, symbol]


@pytest.mark.parametrize(
    "key", [key for key, paths in PATHS.items() if ((), ()) in paths and len(paths) > 1], ids="/".join
)
def test_the_early_return_touches_nothing(key: tuple[str, str]) -> None:
    """function_trace_stop: back to where r14 points, before the first store."""
    contract, paths = walked(ROOT / f"{key[0]}.o", key[1])
    early = [path for path in paths if not path.calls]
    assert contract.early is not None
    assert {path.patched for path in early} == {path.patched for path in paths}
    for path in early:
        assert not path.state.stores
        assert str(path.state.pc) == "old.r14"
        assert str(path.state.gpr[15]) == "old.r15"


# What was executed ----------------------------------------------------------------------------------------------------

THUNK_1 = [".text..__s390_indirect_jump_r1+0x0..0x6", ".text..__s390_indirect_jump_r1+0xa..0xc"]
THUNK_14 = [".text..__s390_indirect_jump_r14+0x0..0x6", ".text..__s390_indirect_jump_r14+0xa..0xc"]
EXECUTED = {
    "mcount-ftrace_caller": {"ftrace_caller": [".text+0x0..0x6a"]},
    # Jumps over the entry of ftrace_regs_caller, to a label inside it.
    "mcount-ftrace_regs_caller": {
        "ftrace_caller": [".text+0x0..0x14", ".text+0x2c..0xb4"],
        "ftrace_regs_caller": [".text+0x14..0xb4"],
    },
    "ftrace-3.18": {"ftrace_regs_caller": [".text+0x0..0x68"]},
    # The execute's target lies in the thunk's own section; the branch to itself before it is never reached.
    "ftrace-6.12": {
        "ftrace_caller": [".text+0x0..0x5e", ".text+0xce..0x12a", *THUNK_1],
        "ftrace_regs_caller": [".text+0x60..0x12a", *THUNK_1],
        "__s390_indirect_jump_r1": THUNK_1,
    },
    "ftrace-6.12-extern-thunk": {
        "ftrace_caller": [".text+0x0..0x5e", ".text+0xce..0x132"],
        "ftrace_regs_caller": [".text+0x60..0x132"],
    },
    "return_to_handler-6.5": {
        "return_to_handler": [".text+0x0..0x3e", *THUNK_14],
        "__s390_indirect_jump_r14": THUNK_14,
    },
    "return_to_handler-6.14": {
        "return_to_handler": [".text+0x0..0x3e", *THUNK_14],
        "__s390_indirect_jump_r14": THUNK_14,
    },
    "expoline": {
        f"__s390_indirect_jump_r{n}": [
            f".text..__s390_indirect_jump_r{n}+0x0..0x6",
            f".text..__s390_indirect_jump_r{n}+0xa..0xc",
        ]
        for n in range(1, 16)
    },
    **eras.EXECUTED,
    **families.EXECUTED,
    **bpf.EXECUTED,
    **thirty_one.EXECUTED,
}


def test_the_table_of_executed_bytes_has_every_object() -> None:
    assert set(EXECUTED) == {path.stem for path in GOOD}


@pytest.mark.parametrize("name", EXECUTED)
def test_exactly_these_bytes_are_executed(name: str) -> None:
    document = json.loads(render(Report((report(ROOT / f"{name}.o"),))))
    assert {one["routine"]: one["executed"] for one in document["routines"]} == EXECUTED[name]


@pytest.mark.parametrize("name", EXECUTED)
def test_nothing_but_the_endless_branch_of_a_thunk_goes_unexecuted(name: str) -> None:
    for one in report(ROOT / f"{name}.o").routines:
        thunk = one.routine.startswith("__s390_indirect_jump_r")
        branch = (f".text..{one.routine}+0x6..0xa",) if thunk else ()
        literals = thirty_one.UNEXECUTED.get((name, one.routine), branch)
        assert one.unexecuted == (families.UNEXECUTED | bpf.UNEXECUTED).get(one.routine, literals)


@pytest.mark.parametrize("path", [*GOOD, *REPAIRED], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_past_the_end_is_executed(path: Path) -> None:
    """The end is that of the last symbol with a size: what follows is padding."""
    image = load(path)
    ends: dict[str, int] = {}
    for symbol in image.routines():
        assert symbol.place is not None
        section = image.space_name(symbol.place.space)
        ends[section] = max(ends.get(section, 0), symbol.place.offset + symbol.size)
    for one in report(path).routines:
        for span in one.executed:
            section, _, last = re.fullmatch(r"(.+)\+(0x[0-9a-f]+)\.\.(0x[0-9a-f]+)", span).groups()  # type: ignore[union-attr]
            assert int(last, 16) <= ends[section], span
