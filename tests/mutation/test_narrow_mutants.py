"""Mutants of the 31-bit trampolines: what unicorn shows to be wrong is never proved."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.mutation import narrow
from tests.mutation.narrow import Linked, Protocol
from tests.thirty_one import BUGS, is_narrow
from verify import pipeline
from verify.objfile.elf import load
from verify.verdict import Verdict

TRAMPOLINES = ROOT / "trampolines"
RUNS, RUNS_OF_A_MUTANT = 12, 8
STUB = Protocol(stops=False, stub=True)
PROTOCOLS = {
    ("mcount-31-_mcount", "_mcount"): Protocol(ip=0),
    ("mcount-31-ftrace_caller", "ftrace_caller"): Protocol(),
    ("mcount-31-ftrace_caller-3.17", "ftrace_caller"): Protocol(stops=False),
    ("mcount-31-ftrace_regs_caller", "ftrace_caller"): Protocol(),
    ("mcount-31-ftrace_regs_caller", "ftrace_regs_caller"): Protocol(regs=True),
    ("return_to_handler-31-2.6.31", "return_to_handler"): Protocol(returns=True, stops=False),
    ("stubs-31-2.6.29", "ftrace_stub"): STUB,
    ("stubs-31-2.6.29", "_mcount"): STUB,
}
# The same body with a fault, and without it.
TWINS = {
    "mcount-31-mode-bit": ("ftrace_caller", Protocol()),
    "mcount-31-ip-adjust": ("ftrace_caller", Protocol()),
    "mcount-31-no-backchain": ("ftrace_caller", Protocol()),
    "proposal-31-2014": ("ftrace_regs_caller", Protocol(regs=True)),
    "return_to_handler-31-result": ("return_to_handler", Protocol(returns=True, stops=False)),
}


def linked(path: Path) -> Linked:
    return Linked(path.read_bytes(), path)


def test_every_31_bit_routine_is_mutated() -> None:
    paths = [path for path in TRAMPOLINES.glob("*.o") if is_narrow(path.stem)]
    wanted = {(path.stem, one.symbol.name) for path in paths for one in pipeline.choose(load(path), pipeline.Options())}
    assert set(PROTOCOLS) == wanted
    assert set(TWINS) == set(BUGS)


@pytest.mark.parametrize(("name", "symbol"), PROTOCOLS)
def test_the_oracle_finds_nothing_wrong_with_what_is_proved(name: str, symbol: str) -> None:
    assert narrow.judge(linked(TRAMPOLINES / f"{name}.o"), symbol, PROTOCOLS[name, symbol], RUNS) is None


@pytest.mark.parametrize("name", TWINS)
def test_the_oracle_tells_a_fault_from_its_repair(name: str) -> None:
    symbol, protocol = TWINS[name]
    assert narrow.judge(linked(TRAMPOLINES / f"broken/{name}.o"), symbol, protocol, RUNS) is not None
    assert narrow.judge(linked(TRAMPOLINES / f"repaired/{name}.o"), symbol, protocol, RUNS) is None


def proved(path: Path, symbol: str) -> bool:
    findings = pipeline.prove_file(path, pipeline.Options(symbol=symbol, replay=False)).findings()
    return bool(findings) and all(one.verdict is Verdict.PROVED for one in findings)


@pytest.mark.parametrize(("name", "symbol"), PROTOCOLS)
def test_no_wrong_mutant_is_proved(name: str, symbol: str, tmp_path: Path) -> None:
    source = TRAMPOLINES / f"{name}.o"
    raw, own, protocol = source.read_bytes(), linked(source), PROTOCOLS[name, symbol]
    path = tmp_path / "trampolines" / f"{name}.o"  # the claims go by this name
    path.parent.mkdir()
    count: Counter[str] = Counter()
    unsound = []
    for label, changed in narrow.mutants(own, symbol, raw):
        path.write_bytes(changed)
        fine = proved(path, symbol)
        wrong = narrow.judge(linked(path), symbol, protocol, RUNS_OF_A_MUTANT) if fine else "not asked"
        count["proved" if fine else "not proved"] += 1
        if fine and wrong is not None:
            unsound.append(f"{label}: {wrong}")
    print(f"{name} {symbol}: {dict(count)}")
    assert not unsound, "\n".join(unsound)
    assert count["not proved"]
