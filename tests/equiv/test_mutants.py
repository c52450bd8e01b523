"""No mutant that an emulator shows to behave otherwise is called equivalent to the routine that it was made from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.mutants import Depth, mutants
from tests.mutation.oracles import ORACLES
from tests.mutation.test_mutants import ROOT, RUNS_OF_A_MUTANT, instructions, machine_with, states
from verify import equivalence, pipeline
from verify.verdict import Verdict

# The routine, the oracle that judges it, how thoroughly it is mutated.
CASES = [
    ("mcount-ftrace_caller", "ftrace_caller", "mcount/ftrace_caller", Depth.ALL),
    ("ftrace-6.12", "ftrace_regs_caller", "6.12/ftrace_regs_caller", Depth.OFFSETS),
    ("ftrace-3.18", "ftrace_regs_caller", "3.18/ftrace_caller", Depth.DELETIONS),
    ("return_to_handler-6.14", "return_to_handler", "6.14/return_to_handler", Depth.ALL),
    ("expoline", "__s390_indirect_jump_r1", "thunk/1", Depth.ALL),
]
# What the oracle finds wrong with code, and nobody can tell from what the code does: how it branches, and where in its
# own frame and its callees' it writes.
UNSEEN = ("expoline:", "call-abi:", "stack-confined: a store")


def behaves_otherwise(found: list[str]) -> list[str]:
    return [one for one in found if not one.startswith(UNSEEN)]


@pytest.mark.parametrize(("name", "symbol", "oracle", "depth"), CASES, ids=[case[1] + "-" + case[0] for case in CASES])
def test_no_mutant_that_behaves_otherwise_is_equivalent(
    name: str, symbol: str, oracle: str, depth: Depth, tmp_path: Path
) -> None:
    judge, machine = ORACLES[oracle], machine_with(ROOT / f"{name}.o")
    count: Counter[tuple[str, str]] = Counter()
    wrong = []
    new = tmp_path / f"{name}.o"
    options = pipeline.Options(symbol=symbol, replay=False)
    for mutant in mutants(machine.object, instructions(judge, machine, symbol), depth):
        seen: list[str] = []
        for graph, stop, seed in states(judge, machine, mutant, RUNS_OF_A_MUTANT):
            seen += behaves_otherwise(judge.judge(machine, symbol, seed, graph=graph, stop=stop))
            if seen:
                break
        new.write_bytes(machine.object.changed(list(mutant.changes)))
        (pair,), _ = equivalence.choose(ROOT / f"{name}.o", new, options)
        verdicts = {finding.verdict for finding in equivalence.compared(pair, options).findings}
        alike = verdicts == {Verdict.PROVED}
        count["otherwise" if seen else "alike", "proved" if alike else "not proved"] += 1
        if alike and seen:
            wrong.append(f"{mutant.label}\n    {seen[0]}")
    print(f"{name} {symbol}: {count.total()} mutants: {dict(sorted(count.items()))}")
    assert not wrong, "equivalent, but the emulator shows a difference:\n" + "\n".join(wrong)
    assert count["otherwise", "not proved"] > count.total() / 3
