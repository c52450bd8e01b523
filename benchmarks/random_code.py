"""Prove random bytes: no crash, no hang, and nothing proved that a machine does not confirm.

    python -m benchmarks.random_code [--count N] [--jobs N] [--seed N] [--case N]

A case is a number; it and the seed determine the routine, its neighbours in the object, its relocations and the
contract. Routines that are proved run on an emulator, from random states: control must leave to the return address (or
to a function by its name), and what the ABI preserves must be preserved. Exit code 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

import unicorn

from tests import elf
from tests.mutation import machine as concrete
from tests.semantics.manual import MANUAL
from verify import library, pipeline, routine
from verify.contracts.load import contract_names
from verify.errors import InputError
from verify.objfile.elf import load
from verify.objfile.image import Image
from verify.objfile.relocs import row
from verify.properties import PROPERTIES
from verify.prove import workers
from verify.report.report import RoutineReport
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.isa import Spec, formats, specs
from verify.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent
COUNT = 100_000
A_BATCH, A_SECTION = 24, 6  # routines an object, and a section
TIMEOUT = 60.0  # seconds after which a routine hangs
SLOW = 10.0  # seconds of processor time that are as bad
CHUNK = 2400  # cases between two lines of progress
STARTS = 12  # states from which a proved routine is run
ABI = ("abi/s390x-elf", "abi/s390x-linux-kernel")
FUNCTIONS, VARIABLES = ("fn0", "fn1"), ("var0", "var1")
LINKED = frozenset({4, 5, 17, 18, 19, 20, 22})  # relocations that tests/mutation/machine.py applies
RETURN = elf.RETURN

Maker = Callable[[random.Random], "Body"]


@dataclass(frozen=True)
class Body:
    """The bytes of a routine, and relocations with offsets from its start."""

    code: bytes
    relocs: tuple[elf.Reloc, ...] = ()


# Random code ----------------------------------------------------------------------------------------------------------


def uniform(rng: random.Random) -> Body:
    """Any bytes."""
    return Body(rng.randbytes(2 * rng.randint(1, 20)))


def opcodes(rng: random.Random) -> Body:
    """Operation codes that there are, with any bits in between: reserved ones too."""
    code = b""
    for _ in range(rng.randint(1, 8)):
        raw = bytearray(encode(rng.choice(specs()), {}))
        for at in range(1, len(raw)):
            raw[at] ^= rng.getrandbits(8) & rng.getrandbits(8)
        code += bytes(raw)
    return Body(code + RETURN * rng.randint(0, 1))


def instructions(rng: random.Random) -> Body:
    """Instructions of any kind, supported or not, with any operands."""
    return Body(b"".join(any_operands(rng, rng.choice(specs())) for _ in range(rng.randint(1, 6))) + RETURN)


def tame(rng: random.Random) -> Body:
    """Instructions that the semantics know, on registers that a function may use: some of these can be proved."""
    return Body(straight(rng) + RETURN)


def truncated(rng: random.Random) -> Body:
    """The last instruction ends early; what follows is another routine, or nothing."""
    last = any_operands(rng, rng.choice([spec for spec in known() if formats()[spec.format].length > 2]))
    return Body(straight(rng) + last[: 2 * rng.randint(1, len(last) // 2 - 1)])


def open_ended(rng: random.Random) -> Body:
    """No return: on into data, another routine, or the end of the section."""
    return Body(straight(rng))


def mutated(rng: random.Random) -> Body:
    """A routine of the samples, some of its bits flipped."""
    body = rng.choice(samples())
    code = bytearray(body.code)
    for _ in range(rng.choice((1, 1, 2, 4))):
        code[rng.randrange(len(code))] ^= 1 << rng.randrange(8)
    return replace(body, code=bytes(code))


KINDS: dict[Maker, int] = {
    uniform: 2, opcodes: 3, instructions: 3, tame: 6, truncated: 2, open_ended: 2, mutated: 2,
}  # fmt: skip


def straight(rng: random.Random) -> bytes:
    return b"".join(tame_operands(rng, rng.choice(known())) for _ in range(rng.randint(0, 4)))


@cache
def known() -> tuple[Spec, ...]:
    """The rows that have semantics."""
    return tuple(spec for spec in specs() if spec.source != "-")


def any_operands(rng: random.Random, spec: Spec) -> bytes:
    return encode(spec, {item.name: rng.choice(item.range) for item in formats()[spec.format].fields})


def tame_operands(rng: random.Random, spec: Spec) -> bytes:
    """Low registers, stack slots, and branches nearby."""
    fields = {}
    for item in formats()[spec.format].fields:
        if item.name[0] in "RVX":
            value = rng.choice((0, 1, 2, 3, 4, 5, 14)) & item.range[-1]
        elif item.name[0] == "B":
            value = rng.choice((0, 2, 3, 15, 15, 15))
        elif item.name[0] == "D":
            value = 8 * rng.randrange(24)
        else:
            value = rng.choice(item.range)
        fields[item.name] = value
    if name := formats()[spec.format].relative:
        fields[name] = rng.randint(-8, 8)
    return encode(spec, fields)


@cache
def samples() -> tuple[Body, ...]:
    """The routines of the sample objects."""
    found = []
    for path in sorted((ROOT / "trampolines").rglob("*.o")):
        if path.read_bytes()[4] != 2:  # 31-bit code (ELF gABI, EI_CLASS)
            continue
        one = concrete.ObjectFile.read(path)
        for symbol in one.symbols.values():
            section = one.sections[symbol.section]
            end = symbol.value + (symbol.size or len(section.data) - symbol.value)
            relocs = (
                elf.Reloc(row.offset - symbol.value, row.type, row.symbol, row.addend)
                for row in section.relocations
                if symbol.value <= row.offset < end and row.section is None
            )
            if end > symbol.value:
                found.append(Body(section.data[symbol.value : end], tuple(relocs)))
    return tuple(found)


# Objects --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Object:
    """An object of random routines `r0`, `r1`, .., and the contract to hold them to."""

    contract: str
    kinds: tuple[str, ...]
    raw: bytes


@lru_cache(4)
def make(seed: int, batch: int) -> Object:
    rng = random.Random(f"{seed} {batch}")
    contract = rng.choice((*ABI * 2, rng.choice(real_contracts())))
    makers = rng.choices(list(KINDS), list(KINDS.values()), k=A_BATCH)
    sections, symbols, outside = [], [], {*FUNCTIONS, *VARIABLES}
    for first in range(0, A_BATCH, A_SECTION):
        data, relocs = bytearray(), []
        number = len(sections) + 1
        for index in range(first, first + A_SECTION):
            body = relocated(rng, makers[index](rng))
            symbols.append(elf.Sym(f"r{index}", number, len(data), elf.FUNC, size=len(body.code) * rng.randint(0, 1)))
            relocs += [replace(row, offset=row.offset + len(data)) for row in body.relocs]
            outside |= {row.symbol for row in body.relocs if row.symbol and row.symbol[0] != "r"}
            data += body.code
            if rng.random() < 0.1:
                symbols.append(elf.Sym(f"data{index}", number, len(data), elf.OBJECT, size=8))
                data += rng.randbytes(8)
        sections.append(elf.Sec(f".text.{number}", bytes(data), relocs=relocs))
    symbols += [elf.Sym(name) for name in sorted(outside)]
    return Object(contract, tuple(maker.__name__ for maker in makers), elf.build(sections, symbols))


@cache
def real_contracts() -> tuple[str, ...]:
    """The contracts for one routine each."""
    return tuple(name for name in contract_names(library.library("models")) if name.count("/") == 1
                 and name.startswith("linux-"))  # fmt: skip


def relocated(rng: random.Random, body: Body) -> Body:
    """Sometimes a relocation that nobody ordered."""
    if rng.random() > 0.25:
        return body
    kind = rng.choice((*sorted(LINKED), 26, rng.randrange(70)))
    name = rng.choice((*FUNCTIONS, *VARIABLES, f"r{rng.randrange(A_BATCH)}"))
    offset = rng.randrange(len(body.code)) if body.code else 0
    return replace(
        body, relocs=(*body.relocs, elf.Reloc(offset, kind, name, rng.choice((0, 2, 4, 2, rng.randint(-9, 9)))))
    )


@lru_cache(4)
def opened(seed: int, batch: int) -> tuple[Image, concrete.ObjectFile]:
    """The object of a batch, read by the verifier and by the emulator's linker."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{batch}.o"
        path.write_bytes(make(seed, batch).raw)
        return load(path), concrete.ObjectFile.read(path)


# Proofs ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of a case; `problem` says what must not be."""

    number: int
    kind: str
    contract: str
    verdict: str
    seconds: float = 0
    problem: str | None = None
    executed: tuple[tuple[int, int, int], ...] = ()
    """Section, first byte, and byte after the last, of what a proof speaks of."""


_ORDER = (Verdict.ERROR, Verdict.REFUTED, Verdict.UNCONFIRMED, Verdict.UNSUPPORTED, Verdict.UNKNOWN, Verdict.VACUOUS,
          Verdict.PROVED)  # fmt: skip


def prove(seed: int, number: int) -> Outcome:
    """Prove one case."""
    batch, index = divmod(number, A_BATCH)
    what = make(seed, batch)
    start = time.process_time()
    try:
        found = report(seed, number)
        verdicts = {finding.verdict for finding in found.findings}
        verdict = str(next(verdict for verdict in _ORDER if verdict in verdicts))
        spans = tuple(_span(text) for text in found.executed) if verdict == "proved" else ()
        problem = _not_provable(seed, batch, spans)
    except InputError:
        verdict, spans, problem = "error", (), None
    except Exception:
        verdict, spans, problem = "internal error", (), traceback.format_exc(limit=-3)
    took = time.process_time() - start
    if took > SLOW:
        problem = problem or f"took {took:.1f} seconds"
    return Outcome(number, what.kinds[index], what.contract, verdict, took, problem, spans)


def report(seed: int, number: int) -> RoutineReport:
    """The verifier's report. Raises InputError, and whatever is wrong with the verifier."""
    batch, index = divmod(number, A_BATCH)
    read, contract = opened(seed, batch)[0], make(seed, batch).contract
    (choice,) = pipeline.choose(read, pipeline.Options(symbol=f"r{index}", contract=contract))
    return routine.prove(f"case {number}", read, choice.symbol, choice.contract, PROPERTIES)


def _span(text: str) -> tuple[int, int, int]:
    section, first, last = re.fullmatch(r"\.text\.(\d+)\+0x([0-9a-f]+)\.\.0x([0-9a-f]+)", text).groups()
    return int(section), int(first, 16), int(last, 16)


def _not_provable(seed: int, batch: int, spans: tuple[tuple[int, int, int], ...]) -> str | None:
    """What a proof executes and cannot know: an instruction without semantics, a relocation without a meaning."""
    sections = opened(seed, batch)[1].sections
    for section, first, end in spans:
        data, where, at = sections[section].data, f".text.{section}", first
        for reloc in sections[section].relocations:
            if at <= reloc.offset < end and not row(reloc.type).supported and reloc.type:
                return f"proved with relocation type {reloc.type} at {where}+{reloc.offset:#x}"
        for insn in _decoded(data, first, end):
            if insn is None or insn.spec.source == "-":
                return f"proved with {data[at : at + 6].hex()} at {where}+{at:#x}"
            at += insn.length
    return None


# Runs -----------------------------------------------------------------------------------------------------------------


def confirm(seed: int, proof: Outcome) -> tuple[int, str | None]:
    """Run a routine that was proved: how many runs came to an end, and what was wrong with one of them."""
    batch, index = divmod(proof.number, A_BATCH)
    read = opened(seed, batch)[1]
    if proof.contract not in ABI or _needs_a_better_machine(read, proof):
        return 0, None
    machine = _linked(read)
    ended = 0
    for start in range(STARTS):
        try:
            problem = _run(machine, f"r{index}", random.Random(f"{seed} {proof.number} {start}"), proof)
        except concrete.Crash:
            continue  # a program interruption: no contract speaks of it
        ended += 1
        if problem:
            return ended, f"start {start}: {problem}"
    return ended, None


def _needs_a_better_machine(what: concrete.ObjectFile, proof: Outcome) -> bool:
    """Whether the linker does not know a relocation of the proof, or the emulator is known to err in an instruction."""
    for section, first, end in proof.executed:
        rows = (one for one in what.sections[section].relocations if first <= one.offset < end)
        if any(row(one.type).supported and one.type not in LINKED for one in rows):
            return True
        if any(insn and insn.mnemonic in MANUAL for insn in _decoded(what.sections[section].data, first, end)):
            return True
    return False


def _decoded(data: bytes, at: int, end: int) -> Iterator[Instruction | None]:
    """The instructions from `at` to `end`; None for what is none, or goes beyond, and no more."""
    while at < end:
        insn = decode(data[at:end])
        yield insn
        if insn is None:
            return
        at += insn.length


def _linked(what: concrete.ObjectFile) -> concrete.Machine:
    """The object in an emulator whose storage is everywhere.

    Relocations that its little linker does not know, or that cannot be right (an odd distance), are left out.
    """
    sections = {}
    for number, section in what.sections.items():
        known_rows = (one for one in section.relocations if one.type in LINKED and not (one.offset | one.addend) & 1)
        sections[number] = replace(section, relocations=tuple(known_rows))
    machine = concrete.Machine(replace(what, sections=sections), frozenset(VARIABLES), frozenset(FUNCTIONS))
    machine.uc.hook_add(unicorn.UC_HOOK_MEM_READ_UNMAPPED | unicorn.UC_HOOK_MEM_WRITE_UNMAPPED, _map)
    return machine


def _map(uc: unicorn.Uc, _kind: int, address: int, *_: object) -> bool:
    page = address & ~0xFFF
    uc.mem_map(page, 0x1000)
    uc.mem_write(page, random.Random(page).randbytes(0x1000))
    return True


def _callee(machine: concrete.Machine, rng: random.Random) -> int:
    """A function: what it may change is changed."""
    back = machine.gprs()[14]
    for number in (0, 1, 2, 3, 4, 5, 14):
        machine.set_gpr(number, rng.getrandbits(64))
    machine.set_random_cc(rng)
    return back


def _run(machine: concrete.Machine, name: str, rng: random.Random, proof: Outcome) -> str | None:
    """One run; what the ABI forbids and it did. Raises concrete.Crash."""
    old = [rng.getrandbits(rng.choice((64, 64, 32, 3))) for _ in range(16)]
    old[14] = concrete.CODE + 0x10_0000 + 2 * rng.randrange(1000)
    old[15] = concrete.ENTRY_R15 + 8 * rng.randrange(64)
    machine.set_gprs(old)
    mask = machine.set_random_psw_mask(rng, rng.randrange(4))
    machine.set_random_others(rng)
    machine.fill(rng, concrete.STACK, concrete.STACK + concrete.STACK_SIZE)
    others, kept = machine.others(), _kept(machine, old[15], proof.contract)
    others_code = dict.fromkeys(machine.externals.values(), lambda _: _callee(machine, rng))
    end = machine.run(machine.address(name), others_code, rng)
    new, after = machine.gprs(), machine.others()
    same = slice(None) if proof.contract.endswith("kernel") else slice(8, 16)
    checks = {
        f"control goes to {end:#x}": end == old[14],
        "r6-r13, r15": [*new[6:14], new[15]] == [*old[6:14], old[15]],
        "floating-point or access registers": after[same] == others[same] and after[32:34] == others[32:34],
        "the PSW mask": not (machine.psw_mask() ^ mask) & ~concrete.CC_MASK,
        "the caller's frame": _kept(machine, old[15], proof.contract) == kept,
    }
    return next((what for what, good in checks.items() if not good), None)


def _kept(machine: concrete.Machine, r15: int, contract: str) -> bytes:
    """The caller's frame, from its back chain on, without the save area that belongs to the routine."""
    chain = 152 if contract.endswith("kernel") else 0
    end = concrete.STACK + concrete.STACK_SIZE
    return machine.read_bytes(r15 + chain, 8) + machine.read_bytes(r15 + 160, end - r15 - 160)


# The whole ------------------------------------------------------------------------------------------------------------


@dataclass
class Totals:
    """What was found so far."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: list[tuple[float, int, str]] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        family = outcome.contract if outcome.contract in ABI else "linux-*"
        self.verdicts[outcome.verdict, family] += 1
        self.kinds[outcome.kind, outcome.verdict] += 1
        self.seconds = sorted([*self.seconds, (outcome.seconds, outcome.number, outcome.kind)])[-5:]
        if outcome.problem:
            self.problems.append(f"case {outcome.number} ({outcome.kind}, {outcome.contract}): {outcome.problem}")


def examine(seed: int, numbers: Sequence[int], jobs: int, totals: Totals) -> None:
    """Prove cases, and run what is proved."""
    proofs = []
    found = workers.run(lambda task: prove(seed, numbers[task]), len(numbers), jobs, TIMEOUT)
    for number, result in zip(numbers, found, strict=True):
        outcome = _lost(seed, number, result) if isinstance(result, workers.Lost) else result
        totals.add(outcome)
        if outcome.verdict == "proved":
            proofs.append(outcome)
    runs = workers.run(lambda task: confirm(seed, proofs[task]), len(proofs), jobs, TIMEOUT)
    for proof, run in zip(proofs, runs, strict=True):
        if isinstance(run, workers.Lost):
            totals.runs["the emulator crashed"] += 1
            continue
        ended, problem = run
        totals.runs["confirmed" if ended else "no run came to an end" if proof.contract in ABI else "not run"] += 1
        if problem:
            totals.problems.append(f"case {proof.number} ({proof.kind}, {proof.contract}) is proved: {problem}")


def _lost(seed: int, number: int, what: workers.Lost) -> Outcome:
    made = make(seed, number // A_BATCH)
    return Outcome(number, made.kinds[number % A_BATCH], made.contract, "lost", 0, f"the verifier {what.reason}")


def show(seed: int, number: int) -> None:
    """One case in full."""
    batch, index = divmod(number, A_BATCH)
    what, (read, raw) = make(seed, batch), opened(seed, batch)
    place = read.symbol(f"r{index}").place
    assert place is not None
    section = raw.sections[place.space]
    print(f"r{index} under {what.contract} ({what.kinds[index]}), .text.{place.space}+{place.offset:#x}:")
    print(f"  {section.data[place.offset :].hex()}")
    for one in section.relocations:
        print(f"  relocation at {one.offset:#x}: type {one.type}, {one.symbol} {one.addend:+}")
    found = report(seed, number)
    for finding in found.findings:
        print(f"  {finding.verdict} {finding.property}: {finding.message} [{finding.address}]")
    print("  executed:", *found.executed)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("count", COUNT), ("jobs", 1), ("seed", 1), ("case", None), ("first", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args(arguments)
    if chosen.case is not None:
        show(chosen.seed, chosen.case)
        return 0
    totals, start = Totals(), time.monotonic()
    samples()  # before the workers fork
    with contextlib.suppress(KeyboardInterrupt):  # what was done until then is worth telling
        for first in range(chosen.first, chosen.first + chosen.count, CHUNK):
            known_problems = len(totals.problems)
            examine(chosen.seed, range(first, min(first + CHUNK, chosen.first + chosen.count)), chosen.jobs, totals)
            print(f"{first} and on: done after {time.monotonic() - start:.0f} s", file=sys.stderr)
            for problem in totals.problems[known_problems:]:
                print(problem, file=sys.stderr)
    done = sum(totals.verdicts.values())
    tell(totals, f"seed {chosen.seed}, {done} routines, {time.monotonic() - start:.0f} s")
    return 1 if totals.problems else 0


def tell(totals: Totals, title: str) -> None:
    print(title)
    families = (*ABI, "linux-*")
    print(f"{'':<15}" + "".join(f"{family:>24}" for family in families))
    for verdict in sorted({verdict for verdict, _ in totals.verdicts}):
        print(f"{verdict:<15}" + "".join(f"{totals.verdicts[verdict, family]:>24}" for family in families))
    proved = ", ".join(
        f"{count} {kind}" for (kind, verdict), count in sorted(totals.kinds.items()) if verdict == "proved"
    )
    print(f"proved: {proved}; on the emulator: {', '.join(f'{n} {what}' for what, n in totals.runs.items())}")
    print("slowest:", ", ".join(f"{took:.2f} s (case {number}, {kind})" for took, number, kind in totals.seconds[::-1]))
    print(*totals.problems, f"{len(totals.problems)} problems", sep="\n")


if __name__ == "__main__":
    sys.exit(main())
