"""Every broken sample, and mutants of sound ones: refuted, replayed, and the first lines name what is at fault."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT, verify
from tests.mutation import mutants
from tests.mutation.machine import ObjectFile
from tests.report import fixtures
from tests.soundness.test_wrong_proofs import USER, findings
from verify import pipeline
from verify.report import formats
from verify.report.report import Finding
from verify.semantics.decode import instruction_length
from verify.verdict import Verdict

BROKEN = sorted((ROOT / "trampolines/broken").glob("*.o"))
FAILED = {Verdict.REFUTED, Verdict.UNCONFIRMED}
WITNESSED = {"expoline", "instruction-level"}


def failed(path: Path, symbol: str | None = None) -> list[Finding]:
    report = pipeline.prove_file(path, pipeline.Options(symbol=symbol))
    return [one for one in report.findings() if one.verdict in FAILED]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_every_broken_sample_is_refuted_on_a_machine(path: Path) -> None:
    found = failed(path)
    assert found
    for one in found:
        assert one.verdict is Verdict.REFUTED, one
        if one.property in WITNESSED:
            assert re.search(r" at \S+", one.message)
            continue
        shown = one.counterexample
        assert shown is not None
        assert shown.replayed, shown.emulator
        assert shown.emulator.startswith("replayed on unicorn ")
        assert shown.steps
        known = r"nothing on this path writes \S+|what the call of \w+ left (there|behind)"
        assert "`" in shown.cause or re.search(known, shown.cause), shown.cause
        assert sum(step.faulty for step in shown.steps) <= 1


# Mutants that change what the routine does, as the emulator of the mutation tests found them.
MUTATED = {
    "ftrace-6.12": ("ftrace_caller", "ftrace_regs_caller"),
    "mcount-ftrace_caller": ("ftrace_caller",),
    "return_to_handler-6.14": ("return_to_handler",),
}


def cases() -> Iterator[tuple[str, str, mutants.Mutant]]:
    """Mutants of the routines' own instructions."""
    for name, symbols in MUTATED.items():
        original = ObjectFile.read(ROOT / f"trampolines/{name}.o")
        for symbol in symbols:
            one = original.symbols[symbol]
            at, places, data = one.value, [], original.sections[one.section].data
            while at < one.value + one.size:
                places.append((one.section, at))
                at += instruction_length(data[at])
            yield from ((name, symbol, mutant) for mutant in mutants.mutants(original, places))


def test_mutants_are_refuted_with_a_cause(tmp_path: Path) -> None:
    """Of a sample of mutants that are not proved nearly all that fail a property are shown on the machine."""
    rng = random.Random("mutants")
    shown, unconfirmed = 0, []
    for name, symbol, one in rng.sample(list(cases()), 80):
        path = tmp_path / f"trampolines/{name}.o"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(ObjectFile.read(ROOT / f"trampolines/{name}.o").changed(list(one.changes)))
        for finding in failed(path, symbol):
            if finding.counterexample is None:
                continue
            shown += finding.verdict is Verdict.REFUTED
            if finding.verdict is Verdict.UNCONFIRMED:
                unconfirmed.append((one.label, finding.message, finding.counterexample.emulator))
    assert shown >= 50
    assert unconfirmed == []


# One cause, one wording ----------------------------------------------------------------------------------------------


LOST = "stmg %r6,%r15,48(%r15)\n {fill}\n lghi %r9,5\n lmg %r10,%r15,80(%r15)\n br %r14"


def test_equal_causes_have_equal_fingerprints(tmp_path: Path) -> None:
    """The same fault at the same place: neither the start state nor other findings change what it is called."""
    first = [one for one in findings(tmp_path, LOST.format(fill="lr %r2,%r3")) if one.property == "callee-saved"]
    again = [one for one in findings(tmp_path, LOST.format(fill="la %r2,8(%r4)")) if one.property == "callee-saved"]
    assert [one.counterexample for one in first] != [one.counterexample for one in again]
    assert [one.fingerprint() for one in first] == [one.fingerprint() for one in again]
    assert len({one.fingerprint() for one in first}) == len(first)


def test_the_start_is_small(tmp_path: Path) -> None:
    (one,) = [one for one in findings(tmp_path, "lghi %r6,0\n br %r14") if one.verdict is Verdict.REFUTED]
    assert one.counterexample is not None
    assert dict(one.counterexample.start) == {"r15": "0x8000000000", "r6": "0x10"}
    assert (one.counterexample.expected, one.counterexample.found) == ("0x10", "0x0")
    assert [step.text for step in one.counterexample.steps if step.faulty] == ["lghi %r6,0"]


def test_a_stale_read_is_run_with_two_poisons(tmp_path: Path) -> None:
    found = [one for one in findings(tmp_path, "lg %r6,32(%r15)\n br %r14", USER) if one.property == "no-stale-read"]
    assert [one.verdict for one in found] == [Verdict.REFUTED]
    assert found[0].counterexample is not None
    assert "reads the storage at old.r15+32, which nothing wrote" in found[0].counterexample.cause


def test_what_the_machine_does_not_do_stays_unconfirmed(tmp_path: Path) -> None:
    """A supervisor call is not replayed: the solver's word alone is not enough."""
    found = [one for one in findings(tmp_path, "svc 4\n lghi %r6,0\n br %r14") if one.property == "callee-saved"]
    assert [one.verdict for one in found] == [Verdict.UNCONFIRMED]
    assert found[0].counterexample is not None
    assert found[0].counterexample.emulator == "not replayed: svc is not replayed"


def test_without_a_replay_nothing_is_refuted() -> None:
    done = verify("prove", ROOT / "trampolines/broken/rethook-v15.o", "--no-replay")
    assert done.code == 1
    assert "  unconfirmed  stack-balanced" in done.out
    assert "refuted" not in done.out


# verify explain -------------------------------------------------------------------------------------------------------


def test_explain_tells_every_step(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert verify("prove", ROOT / "trampolines/broken/rethook-v15.o", "--format", f"json={report}").code == 1
    done = verify("explain", report, "stack-balanced")
    assert (done.code, done.err) == (0, "")
    assert "cause:     r15 was last changed by `aghi %r15,360` at return_to_handler+0x2a" in done.out
    assert "aghi %r15,-520" in done.out
    fingerprint = re.search(r"\[([0-9a-f]{32})\]", done.out)
    assert fingerprint is not None
    assert verify("explain", report, fingerprint[1][:12]).out == done.out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        ("", "is not JSON"),
        ("{}", "is no report of schema 2"),
        ('{"schema": 2}', "wrong or missing"),
        ('{"schema": 2, "findings": []}', "wrong or missing"),
        (formats.renderer("json")(fixtures.PROVED), "nothing failed"),
    ],
)
def test_explain_refuses_what_is_no_report(tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    done = verify("explain", path)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert str(path) in done.err
