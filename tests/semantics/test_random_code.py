"""Random bytes as code: nothing crashes, nothing hangs, and nothing is proved that a machine does not confirm.

`python -m benchmarks.random_code` does the same with a hundred thousand routines; RANDOM_CODE_SEED chooses others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import random_code
from benchmarks.random_code import Outcome, Totals
from tests import elf
from tests.elf import Reloc, Sec, Sym
from verify import pipeline
from verify.verdict import Verdict

SEED = int(os.environ.get("RANDOM_CODE_SEED", "20"))
COUNT = 15 * random_code.A_BATCH
ALMOST = 15.0  # seconds of wall-clock time for a hand-made routine, on a busy machine


@pytest.fixture(scope="module")
def totals() -> Totals:
    print(f"seed {SEED}")
    found = Totals()
    random_code.examine(SEED, range(COUNT), 1, found)
    return found


def test_random_code_is_no_trouble(totals: Totals) -> None:
    assert totals.problems == [], f"seed {SEED}"


def test_random_code_is_of_many_kinds(totals: Totals) -> None:
    assert sum(totals.verdicts.values()) == COUNT
    kinds = {kind for kind, _ in totals.kinds}
    assert kinds == {maker.__name__ for maker in random_code.KINDS}
    assert {"proved", "unconfirmed", "unsupported", "unknown"} <= {verdict for _, verdict in totals.kinds}
    assert {family for _, family in totals.verdicts} == {*random_code.ABI, "linux-*"}
    assert totals.runs["confirmed"] > 10


def test_a_case_is_its_number_and_the_seed() -> None:
    made = [random_code.make(seed, batch) for seed in (SEED, SEED + 1) for batch in (0, 1)]
    random_code.make.cache_clear()
    assert [random_code.make(seed, batch) for seed in (SEED, SEED + 1) for batch in (0, 1)] == made
    assert len({one.raw for one in made}) == 4


def test_one_case_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert random_code.main(["--seed", str(SEED), "--case", "3"]) == 0
    assert capsys.readouterr().out.startswith("r3 under ")


# The judge ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str | None, int, str | None]]:
    """What the checks say of a routine if it had been proved: statically, runs that ended, and in the runs."""

    def judge(code: str, contract: str = random_code.ABI[0], *relocs: Reloc) -> tuple[str | None, int, str | None]:
        data = bytes.fromhex(code)
        symbols = [Sym("r0", 1, 0, elf.FUNC, size=len(data)), *map(Sym, sorted({one.symbol or "" for one in relocs}))]
        made = random_code.Object(contract, ("made",), elf.build([Sec(".text.1", data, relocs=relocs)], symbols))
        random_code.opened.cache_clear()
        monkeypatch.setattr(random_code, "make", lambda *_: made)
        spans = ((1, 0, len(data)),)
        proof = Outcome(0, "made", contract, "proved", executed=spans)
        return random_code._not_provable(0, 0, spans), *random_code.confirm(0, proof)

    yield judge
    random_code.opened.cache_clear()


def test_the_judge_confirms_what_is_right(judged: Callable) -> None:
    assert judged("07fe") == (None, random_code.STARTS, None)
    assert judged("eb6ff0300024" + "a7690001" + "eb6ff0300004" + "07fe") == (None, random_code.STARTS, None)
    assert judged("c0f400000000", random_code.ABI[1], Reloc(2, 20, "fn0", 2)) == (None, random_code.STARTS, None)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("a769000107fe", "r6-r13, r15"),
        ("a7fbfff807fe", "r6-r13, r15"),
        ("07f1", "control goes to"),
        ("9200f0a007fe", "the caller's frame"),
        ("d707f000f00007fe", "the caller's frame"),
        ("288207fe", "floating-point"),
        ("b24f002007fe", None),
        ("a7180000" "0410" "07fe", "the PSW mask"),
    ],
)
def test_the_judge_sees_what_the_abi_forbids(code: str, what: str | None, judged: Callable) -> None:
    _, ended, problem = judged(code)
    assert ended
    assert problem is None if what is None else what in (problem or "")


def test_the_judge_sees_what_cannot_be_known(judged: Callable) -> None:
    assert judged("0000" + "07fe")[0] == "proved with 000007fe at .text.1+0x0"
    assert judged("0101" + "07fe")[0] == "proved with 010107fe at .text.1+0x0"
    assert judged("c01000000000" + "07fe", random_code.ABI[0], Reloc(2, 57, "fn0"))[0] is not None


# Ways to run off ------------------------------------------------------------------------------------------------------

# Code of a routine, and of what stands behind it in the section.
NO_WAY_BACK = {
    "nothing": ("", ""),
    "the first half of an instruction": ("e310", ""),
    "two thirds of an instruction": ("e310f0a0", ""),
    "half an instruction before a return": ("a719", "07fe0000"),
    "off the end": ("a7190001", ""),
    "into zeros": ("a7190001", "0000000000000000"),
    "into bytes that are nothing": ("a7190001", "ffffffffffff"),
    "branch over the end": ("c0f400000100", ""),
    "branch before the start": ("a7f4f000", ""),
    "branch into the middle of an instruction": ("a7f40003" "c0190000", "07fe"),
    "to itself": ("a7f40000", ""),
    "odd return address": ("41e0e001" "07fe", ""),
    "execute off the end": ("c60000000100" "07fe", ""),
    "execute half an instruction": ("c60000000004" "07fe", "e310"),
    "execute an execute": ("c60000000000" "07fe", ""),
    "execute nothing known": ("c60000000004" "07fe", "0000"),
}


@pytest.mark.parametrize("contract", random_code.ABI)
@pytest.mark.parametrize("name", NO_WAY_BACK)
def test_code_that_does_not_come_back_is_not_proved(name: str, contract: str, tmp_path: Path) -> None:
    code, behind = (bytes.fromhex(text) for text in NO_WAY_BACK[name])
    path = tmp_path / "made.o"
    path.write_bytes(elf.build([Sec(".text", code + behind)], [Sym("f", 1, 0, elf.FUNC, size=len(code))]))
    start = time.monotonic()
    report = pipeline.prove([path], pipeline.Options(contract=contract), timeout=ALMOST)
    assert time.monotonic() - start < ALMOST
    found = report.findings()
    assert {finding.verdict for finding in found} - {Verdict.PROVED}
    assert not [finding for finding in found if finding.crashed() or "internal error" in finding.message]


@pytest.mark.parametrize("kind", range(70))
def test_a_relocation_in_the_middle_of_an_instruction_is_not_proved(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "made.o"
    for offset in (0, 1, 3):
        relocs = [Reloc(offset, kind, "fn0", 2)]
        path.write_bytes(elf.function("a7190001" + "07fe", relocs, [Sym("fn0")]))
        found = pipeline.prove_file(path, pipeline.Options()).findings()
        assert found
        assert kind == 0 or Verdict.PROVED not in {finding.verdict for finding in found}
