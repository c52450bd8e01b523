"""How long one instruction takes: fetched, decoded, lifted where VEX knows it, and encoded as terms.

Measured on every instruction of the sample objects, each on a fresh state: cold (nothing of this instruction is
cached) and warm (the lifter's answer is). Microseconds; `python benchmarks/semantics.py`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from verify.machine.state import entry_state
from verify.machine.storage import Ranges
from verify.objfile.elf import load
from verify.objfile.image import Image, Place
from verify.semantics import zarch
from verify.semantics.code import Code
from verify.semantics.step import perform, start
from verify.semantics.vex.lift import lift

assert zarch  # imported for its registrations

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 100.0  # microseconds at the median
EVERYTHING = Ranges(((None, None),))
ROUNDS = 5


def instructions() -> Iterator[tuple[Image, Place, str]]:
    """The instructions of the sample objects' routines, with the source of their semantics."""
    for path in sorted((ROOT / "trampolines").glob("*.o")):
        image = load(path)
        if image.bits != 64:  # between the instructions of 31-bit code lie its literals
            continue
        for symbol in image.routines():
            place, code = symbol.place, Code(image)
            assert place is not None
            end = place.offset + symbol.size
            while place.offset < end:
                insn = code.fetch(place)
                yield image, place, insn.spec.source
                place = place.plus(insn.length)


def one(image: Image, place: Place, *, cold: bool) -> float:
    """Microseconds for one instruction. What a path goes through once only, such as the state, is not counted."""
    if cold:
        lift.cache_clear()
    code = Code(image)
    state = entry_state(code.address(place), EVERYTHING)
    begin = time.perf_counter()
    perform(start(state, code, place))
    return (time.perf_counter() - begin) * 1e6


def main() -> int:
    found = list(instructions())
    worst = 0.0
    print(f"{'':<6} {'source':<6} {'count':>6} {'median':>8} {'p90':>8}   microseconds an instruction")
    for kind in ("cold", "warm"):
        for source in ("vex", "zarch", "all"):
            chosen = [(image, place) for image, place, of in found if source in (of, "all")]
            times = [
                statistics.median(one(image, place, cold=kind == "cold") for _ in range(ROUNDS))
                for image, place in chosen
            ]
            median, p90 = statistics.median(times), statistics.quantiles(times, n=10)[-1]
            print(f"{kind:<6} {source:<6} {len(times):>6} {median:>8.1f} {p90:>8.1f}")
            worst = max(worst, median) if source == "all" else worst
    print(f"budget: {BUDGET:.0f} at the median over all, {'kept' if worst <= BUDGET else 'exceeded'}")
    return 0 if worst <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
