"""Random routines and variants of them: what is called equivalent does the same on an emulator, aliasing included."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.equiv.snippets import USER, assembled, framed
from tests.mutation.machine import DATA, DATA_SIZE, ENTRY_R15, STACK, STACK_SIZE, Crash, Machine, ObjectFile
from verify import equivalence, pipeline
from verify.verdict import Verdict

PAIRS, RUNS = 150, 12
VALUES, POINTERS = (0, 1, 2, 6, 7), (3, 4, 5)
FIELD = 8  # bytes between the places that pointers lead to


def line(rng: random.Random) -> str:
    """One instruction (or a skipped one) over a few registers, pointers, stack slots and a variable."""
    a, b, p, q = rng.choice(VALUES), rng.choice(VALUES), rng.choice(POINTERS), rng.choice(POINTERS)
    d, e, slot = rng.choice((0, 4, 8)), rng.choice((0, 8)), rng.choice((160, 168))
    return rng.choice(
        [
            f"lgr %r{a},%r{b}", f"agr %r{a},%r{b}", f"xgr %r{a},%r{b}", f"lghi %r{a},{rng.randrange(3)}",
            f"ltgr %r{a},%r{b}", f"locgre %r{a},%r{b}", f"lg %r{a},{d}(%r{p})", f"lg %r{a},{d}(%r{p})",
            f"stg %r{a},{d}(%r{p})", f"stg %r{a},{d}(%r{p})", f"st %r{a},{d}(%r{p})", f"llgf %r{a},{d}(%r{p})",
            f"stocge %r{a},{e}(%r{p})", f"mvc {d}(8,%r{p}),{e}(%r{q})", f"lgrl %r{a},v", f"stgrl %r{a},v",
            f"stg %r{a},{slot}(%r15)", f"lg %r{a},{slot}(%r15)", f"ltgr %r{a},%r{b}\n je 9f\n lgr %r{b},%r{a}\n9: nopr",
        ]
    )  # fmt: skip


def variant(rng: random.Random, lines: list[str]) -> list[str]:
    """The same with a small change: one left out, two exchanged, one put in, one replaced, or none at all."""
    new, at = list(lines), rng.randrange(len(lines))
    change: Callable[[], object] = rng.choice(
        [
            lambda: new.pop(at), lambda: new.insert(at, line(rng)), lambda: new.insert(at, "lgr %r0,%r0"),
            lambda: new.insert(at, new.pop((at + 1) % len(new))), lambda: new.insert(at, new.pop((at + 1) % len(new))),
            lambda: new.__setitem__(at, line(rng)),
        ]
    )  # fmt: skip
    change()
    return new


class Play:
    """One run of one object: what can be seen of it from outside."""

    def __init__(self, path: Path) -> None:
        self.machine = Machine(ObjectFile.read(path), frozenset({"v"}), frozenset({"g"}))

    def run(self, seed: int) -> tuple[object, ...]:
        machine, rng = self.machine, random.Random(seed)
        machine.fill(rng, STACK, STACK + STACK_SIZE)
        machine.fill(rng, DATA, DATA + DATA_SIZE)
        registers = [rng.choice([0, 1, rng.getrandbits(64)]) for _ in range(16)]
        for pointer in POINTERS:  # often the same place, or one that overlaps it
            registers[pointer] = DATA + 0x800 + rng.choice([0, 0, 0, 4, FIELD, 0x100 * pointer])
        if rng.random() < 0.3:
            registers[rng.choice(POINTERS)] = machine.address("v") - rng.choice([0, 4, FIELD])
        registers[14], registers[15] = 0x1234_5678_9ABC, ENTRY_R15
        machine.set_gprs(registers)
        machine.set_random_cc(rng)
        calls: list[int] = []

        def g(callee: Machine) -> int:
            calls.append(callee.gprs()[15] % 8)
            answer = random.Random(seed + len(calls))
            back = callee.gprs()[14]
            for number in (0, 1, 2, 3, 4, 5, 14):
                callee.set_gpr(number, answer.getrandbits(64))
            for pointer in POINTERS:
                callee.set_gpr(pointer, DATA + 0x800 + answer.choice([0, 0, 4, FIELD]))
            callee.fill(answer, DATA + 0x800, DATA + 0x820)
            callee.fill(answer, STACK, callee.gprs()[15])
            return back

        try:
            end = machine.run(machine.address("f"), {machine.address("g"): g}, random.Random(seed))
        except Crash as crash:
            return (str(crash),)
        found = machine.gprs()
        above = machine.read_bytes(ENTRY_R15 + 160, 0x100), machine.read_bytes(ENTRY_R15, 8)
        return (end, found[2], found[6:14], found[15], machine.read_bytes(DATA, DATA_SIZE), above, calls)


def test_what_is_called_equivalent_does_the_same(tmp_path: Path) -> None:
    rng, count = random.Random(20140715), Counter[str]()
    options = pipeline.Options(symbol="f", contract=USER, replay=False)
    for number in range(PAIRS):
        lines = [line(rng) for _ in range(rng.randrange(2, 7))]
        changed = variant(rng, lines)
        if rng.random() < 0.3:
            lines, changed = ([*one[:1], "brasl %r14,g", *one[1:]] for one in (lines, changed))
        start = "lghi %r0,0\n lghi %r1,0\n stg %r0,160(%r15)\n stg %r0,168(%r15)\n"
        bodies = ["\n".join(one) for one in (lines, changed)]
        old, new = (assembled(tmp_path, f"{age}{number}", framed(start + body)) for age, body in
                    zip(("old", "new"), bodies, strict=True))  # fmt: skip
        (pair,), _ = equivalence.choose(old, new, options)
        found = {finding.verdict for finding in equivalence.compared(pair, options).findings}
        runs = [Play(old), Play(new)]
        differs = next((seed for seed in range(RUNS) if runs[0].run(seed) != runs[1].run(seed)), None)
        verdict = "proved" if found == {Verdict.PROVED} else "not proved"
        count[f"{'differs' if differs is not None else 'the same'}, {verdict}"] += 1
        assert verdict == "not proved" or differs is None, f"seed {differs}:\n" + "\n----\n".join(bodies)
    print(dict(count))
    assert count["the same, proved"] > PAIRS / 10
    assert count["differs, not proved"] > PAIRS / 10
