"""What must lie apart: a store that may hit the protected stack or code, a load that may find no storage."""

from __future__ import annotations

from verify.errors import Undecided, Unsupported
from verify.machine.mode import Mode
from verify.machine.state import GOT_SLOT, Load, State, Store
from verify.machine.term import INDETERMINATE, Origin, Term, plus, split
from verify.objfile.image import Place
from verify.walk.under_way import Ground, Walk

_SEPARATE = {"symbols": "storage at a symbol", "lowcore": "the lowcore", "pointers": "what a pointer designates"}
_POINTERS = frozenset(Origin) - INDETERMINATE - {Origin.MACHINE}


def check_stack(ground: Ground, walk: Walk) -> None:
    """A stack pointer from storage is another stack's only where the contract says so; else it may be this one."""
    state = walk.state
    base, _ = split(state.gpr[15])
    if not ground.contract.switches or state.sp is not None:
        return
    if not any(base is value for expr in ground.contract.switches for value in ground.moment(walk).readings(expr)):
        state.stack.drop_all()


def check_separate(ground: Ground, state: State, store: Store, place: Place) -> None:
    """A store that may hit the protected stack stops the path, unless the contract assumes it cannot."""
    if store.offset is not None:
        return
    kind = _kind(ground, store.address)
    if kind not in ground.contract.separate:
        raise Undecided(
            f"the store to {store.address} at {ground.code.image.label(place)} may hit the stack: "
            f"the contract does not assume that {_SEPARATE.get(kind, 'such an address')} lies elsewhere"
        )
    if kind == "pointers":
        state.stack.forget_caller()  # separate from the own frame, but perhaps a local of the caller
    if any(unknown.leaf is not None and unknown.leaf.note.startswith(GOT_SLOT) for unknown in store.address.leaves()):
        raise Unsupported(f"the store at {ground.code.image.label(place)} changes a GOT entry")
    for byte in (0, store.value.width // 8 - 1):
        target = ground.code.place(plus(store.address, byte))
        if target is not None and ground.code.image.code(target, 1):
            raise Unsupported(f"the store at {ground.code.image.label(place)} changes code")
    if ground.code.in_lowcore(store.address, store.value.width // 8):
        raise Unsupported(f"the store at {ground.code.image.label(place)} changes code in the lowcore")


def check_storage(ground: Ground, load: Load, place: Place) -> None:
    """A load stops the path unless there must be storage where it looks: an access exception would interrupt it."""
    if load.offset is not None or _kind(ground, load.address) in ground.contract.separate:
        return
    garbage = any(u.leaf is not None and u.leaf.origin in INDETERMINATE for u in load.address.leaves())
    if "pointers" in ground.contract.separate and not garbage:
        return
    raise Undecided(
        f"the load from {load.address} at {ground.code.image.label(place)} may find no storage there: "
        "it is not the stack, nor a symbol, nor the lowcore"
    )


def _kind(ground: Ground, address: Term) -> str:
    """Which separation assumption an address would need: bare code has its data at addresses, not at symbols."""
    if address.is_const and ground.code.place(address) is not None:
        return "symbols"
    return _assumption(address, ground.code.mode)


def _assumption(address: Term, mode: Mode) -> str:
    """Which of the contract's separation assumptions an address would need; "" where none would do."""
    if mode.r15 in address.leaves():
        return ""
    base, constant = split(address)
    if base is None:
        return "lowcore" if constant < mode.lowcore else ""
    origins = {unknown.leaf.origin for unknown in address.leaves() if unknown.leaf is not None}
    if base.leaf is not None and origins <= {Origin.SYMBOL, Origin.CODE}:
        return "symbols"
    return "pointers" if origins <= _POINTERS else ""
