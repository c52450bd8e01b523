"""Time what a user waits for: engine time a routine after imports, and the process against the bare imports.

    python benchmarks/trampolines.py [OBJECT ...]

Every figure is the median of several runs in one go; ratios within one run are what counts on a noisy machine.
angr's stock symbolic execution runs the same routines beside it, with the outcome it comes to.
"""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
BARE = "import cle, pyvex, z3"
STEPS = 400
TIMED = ("ftrace_caller", "ftrace_regs_caller", "return_to_handler", "__s390_indirect_jump_r1")


def median(action: Callable[[], object], runs: int = RUNS) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def processes(path: Path) -> tuple[float, float]:
    """Seconds of the bare imports and of `verify prove` on one object, in turn."""
    bare, whole = [], []
    for _ in range(RUNS):
        for command, times in (
            ([sys.executable, "-c", BARE], bare),
            ([sys.executable, "-m", "verify", "prove", "--no-cache", path], whole),
        ):
            start = time.perf_counter()
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
    return statistics.median(bare), statistics.median(whole)


def engine(path: Path, symbol: str) -> tuple[float, float, int]:
    """Milliseconds for all properties of one routine: first time (nothing lifted yet), and again; properties proved."""
    from verify import pipeline
    from verify.semantics.vex.lift import lift

    options = pipeline.Options(symbol=symbol)

    def cold() -> None:
        lift.cache_clear()
        pipeline.prove_file(path, options)

    report = pipeline.prove_file(path, options)
    proved = sum(finding.verdict.value == "proved" for finding in report.findings())
    return 1e3 * median(cold), 1e3 * median(lambda: pipeline.prove_file(path, options)), proved


def stock(path: Path, symbol: str) -> tuple[float, str]:
    """Milliseconds of angr's own symbolic execution from the routine's entry, and how that ends."""
    import angr

    logging.disable(logging.CRITICAL)
    try:
        project = angr.Project(str(path), auto_load_libs=False)
    except Exception as problem:  # 31-bit objects
        return 0.0, f"does not load: {type(problem).__name__}"
    entry = project.loader.find_symbol(symbol).rebased_addr
    start = time.perf_counter()
    manager = project.factory.simgr(project.factory.blank_state(addr=entry))
    steps = 0
    while manager.active and steps < STEPS:
        manager.step()
        steps += 1
    took = 1e3 * (time.perf_counter() - start)
    if manager.errored:
        return took, f"stops: {type(manager.errored[0].error).__name__}"
    if manager.active:
        return took, f"still running after {STEPS} steps"
    ends = ", ".join(f"{len(states)} {name}" for name, states in manager.stashes.items() if states)
    return took, ends or "no state left"


def main(paths: list[Path]) -> None:
    from verify.objfile.elf import load

    print(f"{'routine':<58} {'first ms':>8} {'again ms':>8} {'proved':>6}   angr's stock engine")
    worst = 0.0
    for path in paths:
        for symbol in load(path).routines():
            if symbol.name not in TIMED:
                continue
            cold, warm, proved = engine(path, symbol.name)
            worst = max(worst, cold)
            took, outcome = stock(path, symbol.name)
            name = f"{path.name}: {symbol.name}"
            print(f"{name:<58} {cold:8.1f} {warm:8.1f} {proved:6}   {took:7.1f} ms, {outcome}")
    print(f"\nslowest routine, first time: {worst:.1f} ms")
    bare, whole = processes(paths[0])
    print(f"process on {paths[0].name}: {whole:.3f} s; `{BARE}`: {bare:.3f} s; ratio {whole / bare:.2f}")


if __name__ == "__main__":
    chosen = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "trampolines").glob("*.o"))
    main(chosen)
