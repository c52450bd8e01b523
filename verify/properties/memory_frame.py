"""memory-frame: storage outside the stack."""

from __future__ import annotations

from collections.abc import Iterator

from verify.machine.state import Store
from verify.machine.term import Term, offset_from
from verify.properties.base import Obligation, Property, Run, anchor, claims_at_exits, impossible


def obligations(run: Run) -> Iterator[Obligation]:
    """Every store that is not to the stack must be to what the contract names; then the contract's own claims."""
    for path in run.exits():
        allowed = {path.code.symbol(name): run.contract.variables[name] for name in run.contract.writes or ()}
        moment = run.at_exit(path)
        allowed |= {address: size for expr, size in run.contract.stores for address in moment.readings(expr)}
        yield anchor(path, "no other storage is written")
        for store in path.state.stores:
            if store.offset is None and not _inside(store, allowed):
                where = path.code.place(store.at) or path.end.at
                what = f"storage at {path.code.describe(store.address)}"
                yield impossible(
                    "no other storage is written", what, path, where,
                    f"{what} is written, which the contract does not allow", given=(store.guard,),
                )  # fmt: skip
    yield from claims_at_exits("memory-frame")(run)


def _inside(store: Store, allowed: dict[Term, int]) -> bool:
    """Whether all bytes of the store lie in one of the variables: {address: size in bytes}."""
    for address, size in allowed.items():
        distance = offset_from(store.address, address)
        if distance is not None and distance >= 0 and distance + store.value.width // 8 <= size:
            return True
    return False


PROPERTY = Property(
    name="memory-frame",
    statement="no storage is written but the stack and what the contract names",
    proved="no other storage is written",
    refuted="{what} is not written as the contract says",
    states=lambda contract: contract.writes is not None,
    obligations=obligations,
)
