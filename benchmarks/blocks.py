"""Compare the verifier with a concrete machine on many random blocks of instructions.

    python benchmarks/blocks.py [BLOCKS [SEED]]

Prints what was compared, and every difference; exits with 1 if there is one.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.semantics.blocks import Generator, Tally, compare, rows

BLOCKS = 5000


def main(blocks: int, seed: str) -> int:
    generator, tally = Generator(seed), Tally()
    start = time.perf_counter()
    for number in range(blocks):
        compare(generator, number, tally)
    took = time.perf_counter() - start
    kinds = ", ".join(f"{count} {how}" for how, count in tally.blocks.items())
    print(f"seed {seed}: {blocks} blocks ({kinds}) in {took:.0f} s")
    print(f"{tally.steps} instructions executed, {tally.taken} branches taken, {len(tally.mnemonics)} mnemonics")
    for why, count in tally.dropped.most_common():
        print(f"left out of their blocks: {count} instructions, {why}")
    print(f"never executed: {', '.join(sorted(set(rows()) - tally.mnemonics.keys())) or 'none'}")
    print(f"{len(tally.wrong)} blocks differ")
    print(*tally.wrong, sep="\n\n")
    return int(bool(tally.wrong))


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else BLOCKS
    chosen = sys.argv[2] if len(sys.argv) > 2 else str(random.SystemRandom().getrandbits(32))
    sys.exit(main(wanted, chosen))
