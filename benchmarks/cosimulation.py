"""The long co-simulation campaign: the verifier against unicorn and QEMU in user mode, form by form, state by state.

    python benchmarks/cosimulation.py [--forms N] [--states N] [--seed TEXT] [--only MNEMONIC,...] [--jobs N] [--write]

Prints one table, and every difference that tests/semantics/disagreements.tsv does not admit; then the exit code is 1.
With --write the counts of each mnemonic go to verify/semantics/cosimulation.tsv.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.semantics import campaign, disagreements, qemu_machine  # noqa: E402
from tests.semantics.campaign import QEMU, UNICORN, Results, RowResult, Runner  # noqa: E402
from tests.semantics.test_cosimulation import ALLOWED, ROWS  # noqa: E402
from verify.semantics import isa  # noqa: E402

OUTPUT = ROOT / "verify" / "semantics" / "cosimulation.tsv"
SHOWN = 10  # unexplained differences of one row
THOROUGH = 200  # states of a form that come to every case of the table


@cache
def machines() -> dict[str, Runner]:
    return campaign.runners()[0]


def one_row(arguments: tuple[str, int, int, str, int]) -> RowResult:
    mnemonic, forms, states, seed, by_z3 = arguments
    return campaign.run_row(mnemonic, forms, states, seed, machines(), by_z3)


def run(rows: Sequence[str], options: argparse.Namespace) -> Results:
    if options.jobs == 1:
        return campaign.run(rows, options.forms, options.states, options.seed, machines(), options.z3)
    work = [(mnemonic, options.forms, options.states, options.seed, options.z3) for mnemonic in rows]
    if QEMU in machines():
        qemu_machine.driver()  # built once, before there are processes
    start = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        found = {row.mnemonic: row for row in pool.map(one_row, work)}
    return Results(options.seed, tuple(machines()), found, time.perf_counter() - start)


def versions(results: Results) -> str:
    return ", ".join(f"{machine} {campaign.VERSIONS[machine]()}" for machine in results.machines)


def table(results: Results, options: argparse.Namespace) -> str:
    differing = sum(sum(row.explained.values()) for row in results.rows.values())
    explained = differing - sum(item.machine in results.machines for item in results.unexplained)
    lines = [
        ("seed", results.seed),
        ("machines", versions(results)),
        ("rows", f"{len(results.rows)} of {len(ALLOWED)} supported"),
        ("forms", f"{results.total('forms'):,}, {options.states} states each"),
        ("states of the verifier", f"{results.total('states'):,}"),
        *((f"compared with {machine}", f"{results.total(machine):,}") for machine in results.machines),
        ("judged by the manual", f"{results.total('judged'):,}"),
        ("evaluated by Z3", f"{results.total('by_z3'):,}"),
        ("seconds", f"{results.seconds:.0f}"),
        ("machine differs, explained", f"{explained:,}"),
        ("unexplained", f"{len(results.unexplained):,}"),
    ]
    return "\n".join(f"{name:<28} {value}" for name, value in lines)


def rows_by_result(results: Results) -> str:
    """How many rows came to each result, and which, where a machine was not agreed with."""
    found: dict[str, list[str]] = {}
    for row in results.rows.values():
        found.setdefault(row.result, []).append(row.mnemonic)
    lines = []
    for result, mnemonics in sorted(found.items(), key=lambda item: -len(item[1])):
        names = "" if result == "agrees" else ": " + " ".join(mnemonics)
        lines.append(f"{len(mnemonics):4} {result}{names}")
    return "\n".join(lines)


def second_witness(results: Results) -> str:
    """Rows for which unicorn needs the manual and QEMU agrees with the verifier."""
    names = [
        row.mnemonic for row in results.rows.values()
        if {machine for machine, _ in row.explained} == {UNICORN} and row.compared[QEMU]
    ]  # fmt: skip
    return f"{len(names)} rows in which unicorn differs and qemu agrees with the verifier: {' '.join(names)}"


def write(results: Results, options: argparse.Namespace) -> None:
    separate = " ".join(sorted(ALLOWED - results.rows.keys()))
    lines = [
        "# What co-simulation has compared, one row a mnemonic: `make cosim`, benchmarks/cosimulation.py --write.",
        f"# seed {results.seed}; {versions(results)}",
        f"# {options.forms} forms of a row and more for its masks, {options.states} states of a form",
        f"# Not here, but in tests of their own: {separate}",
        "# mnemonic\tforms\tstates compared with unicorn\twith qemu-user\tjudged by the manual\tresult",
    ]
    for spec in isa.specs():
        row = results.rows.get(spec.mnemonic)
        if row is not None:
            counts = (row.forms, row.compared[UNICORN], row.compared[QEMU], row.judged)
            lines.append("\t".join([row.mnemonic, *map(str, counts), row.result]))
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def stale(results: Results) -> list[str]:
    """Rows of the table that this campaign could have needed and did not: most are rare corners."""
    needed = {(row.mnemonic, machine) for row in results.rows.values() for machine, _ in row.explained}
    return [
        f"{mnemonic} on {machine}"
        for mnemonic, machine in disagreements.by_instruction()
        if mnemonic in results.rows and machine in results.machines and (mnemonic, machine) not in needed
    ]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The long co-simulation campaign.")
    parser.add_argument("--forms", type=int, default=2, help="forms of a row, besides those for its masks")
    parser.add_argument("--states", type=int, default=200, help="start states of a form")
    parser.add_argument("--z3", type=int, default=2, help="states of a form that Z3 evaluates as well")
    parser.add_argument("--seed", default=os.environ.get("COSIM_SEED", "1"))
    parser.add_argument("--only", help="mnemonics, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--write", action="store_true", help=f"write {OUTPUT.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    if options.only and options.write:
        parser.error("--write needs the whole campaign, without --only")
    options.only = options.only.upper().split(",") if options.only else ROWS
    unknown = sorted(set(options.only) - set(ROWS))
    if unknown:
        parser.error(f"no rows of the campaign: {' '.join(unknown)}")
    return options


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    missing = qemu_machine.available()
    if missing:
        print(f"without {QEMU}: {missing}")
    results = run(options.only, options)
    print(table(results, options), rows_by_result(results), second_witness(results), sep="\n\n")
    unneeded = stale(results)
    if unneeded and options.states >= THOROUGH:
        print(f"\n{disagreements.TABLE.name} has cases that this campaign did not come to: {', '.join(unneeded)}")
    for row in results.rows.values():
        for item in row.unexplained[:SHOWN]:
            print(f"\nUNEXPLAINED {item}")
    if options.write:
        if missing:
            print(f"\n{OUTPUT.name} is not written without {QEMU}")
            return 1
        write(results, options)
    return 1 if results.unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
