"""memory-frame: storage outside the stack."""

from __future__ import annotations

from collections.abc import Iterator

from verify.machine.term import split
from verify.properties.base import Obligation, Property, Run, anchor, impossible


def obligations(run: Run) -> Iterator[Obligation]:
    """Every store that is not to the stack must be to a variable that the contract names."""
    allowed = {path.code.symbol(name) for path in run.paths for name in run.contract.writes or ()}
    for path in run.exits():
        yield anchor(path, "no other storage is written")
        for store in path.state.stores:
            if store.offset is None and split(store.address)[0] not in allowed:
                where = path.code.place(store.at) or path.end.at
                what = f"storage at {path.code.describe(store.address)}"
                yield impossible(
                    "no other storage is written", what, path, where,
                    f"{what} is written, which the contract does not allow",
                )  # fmt: skip


PROPERTY = Property(
    name="memory-frame",
    statement="no storage is written but the stack and what the contract names",
    proved="no other storage is written",
    refuted="{what} is written",
    states=lambda contract: contract.writes is not None,
    obligations=obligations,
)
