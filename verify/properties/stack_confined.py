"""stack-confined: where on the stack the routine may write."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.schema import Contract
from verify.machine.state import Store
from verify.machine.storage import Ranges, stack_name
from verify.machine.term import boolean
from verify.objfile.image import Place
from verify.properties.base import Obligation, Property, Run, anchor, impossible
from verify.walk.path import CallMade, Path


def granted(contract: Contract) -> Ranges:
    """The bytes at and above entry r15 that the contract lets the routine write."""
    return Ranges(tuple(contract.offset(name) for name in contract.grants))


def obligations(run: Run) -> Iterator[Obligation]:
    """Every store to the stack, and the extent of every struct that is handed out."""
    grants = granted(run.contract)
    for path in run.exits():
        yield anchor(path, "every store to the stack is in the own frame or in a granted slot")
        for store in path.state.stores:
            if store.offset is not None and not _inside(store, grants):
                yield _stray(store, path)
        yield from _struct_fits(run, path)


def _inside(store: Store, grants: Ranges) -> bool:
    first, size = store.offset or 0, store.value.width // 8
    own = store.sp is not None and store.sp <= first and first + size <= 0
    return own or all(
        byte in grants or (store.sp is not None and store.sp <= byte < 0) for byte in range(first, first + size)
    )


def _stray(store: Store, path: Path) -> Obligation:
    first, size = store.offset or 0, store.value.width // 8
    where = path.code.place(store.at) or path.end.at
    slot = f"{size} bytes at {stack_name(first)}"
    below = store.sp is not None and first < store.sp
    why = (
        "lie below r15, where an interrupt may overwrite them"
        if below
        else ("are neither in the own frame nor in a slot that the contract grants")
    )
    reason = f"the {slot} {why}"
    return impossible("every store to the stack stays inside", slot, path, where, reason, given=(store.guard,))


def _struct_fits(run: Run, path: Path) -> Iterator[Obligation]:
    handed = run.contract.handed
    if handed is None or path.history.struct is None:
        return
    base = path.state.mode.offset(path.history.struct)
    size = run.contract.layout.structs[handed.type].size
    made = next((call for call in path.calls if call.struct is not None), None)
    at: Place = made.at if made else path.end.at
    end = None if base is None else base + size
    yield Obligation(
        f"{handed.name} lies inside the own frame", boolean(end is not None and end <= 0), path, at,
        f"struct {handed.type}",
        reason=f"{path.history.struct} is not on the stack" if end is None else _short(made, end, size, handed.type),
    )  # fmt: skip


def _short(made: CallMade | None, end: int, size: int, name: str) -> str:
    """How much of a struct lies where the routine has no frame any more."""
    sp = made.state.sp if made is not None else None
    frame = "the frame" if sp is None else f"its {-sp}-byte frame"
    reach = f"whose {size} bytes reach {end} bytes into the parent's frame"
    return f"{frame} is {end} bytes short for struct {name}, {reach}"


PROPERTY = Property(
    name="stack-confined",
    statement="every store to the stack lies in the routine's own frame or in a slot that the contract grants",
    proved="no store leaves the own frame and the granted slots",
    refuted="{what}: outside what the routine may write",
    states=lambda contract: bool(contract.grants) or contract.writes is not None,
    obligations=obligations,
)
