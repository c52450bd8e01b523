"""vector-preserved: floating-point and vector registers."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.registers import registers
from verify.machine.term import Origin, leaf
from verify.properties.base import Obligation, Property, Run, anchor, equation


def obligations(run: Run) -> Iterator[Obligation]:
    """f0-f15 are the left halves of v0-v15."""
    for path in run.exits():
        yield anchor(path, "the vector registers are kept")
        for kind, number in registers(run.contract.vector or ()):
            for half, name in enumerate(("left", "right") if kind == "v" else ("left",)):
                found = path.state.vector[2 * number + half]
                expected = leaf(f"old.v{number}.{name}", 64, Origin.ENTRY)
                what = f"f{number}" if kind == "f" else f"v{number}, {name} half"
                yield equation(f"{what} is as at entry", what, found, expected, path, path.end.at)


PROPERTY = Property(
    name="vector-preserved",
    statement="f0-f15 and v0-v31 are as the contract says",
    proved="the listed floating-point and vector registers are as at entry",
    refuted="{what} is not as at entry",
    states=lambda contract: contract.vector is not None,
    obligations=obligations,
)
