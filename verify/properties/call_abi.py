"""call-abi: what every callee may rely on (s390x psABI, "Function Calling Sequence")."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.schema import Contract
from verify.machine.storage import Ranges
from verify.machine.term import boolean, const, eq, extract
from verify.properties.base import Obligation, Property, Run, anchor
from verify.walk.path import CallMade, Path


def obligations(run: Run) -> Iterator[Obligation]:
    """At each call: r15 aligned, its save area free, the return address in r14 leads back into the routine."""
    for path in run.exits():
        yield anchor(path, "every call keeps the calling convention")
        for made in path.calls:
            yield from _at_call(run, path, made)


def _at_call(run: Run, path: Path, made: CallMade) -> Iterator[Obligation]:
    r15, name = made.state.seen(15), made.spec.name
    sp = made.state.sp
    area = run.contract.layout.structs["stack_frame"].size
    free = sp is not None and _is_free(run.contract, sp, area)
    yield Obligation(
        f"r15 is a multiple of 8 at the call of {name}", eq(extract(r15, 2, 0), const(0, 3)), path, made.at,
        f"r15 at the call of {name}", found=r15,
    )  # fmt: skip
    yield Obligation(
        f"0..{area - 1}(r15) is free at the call of {name}", boolean(free), path, made.at,
        f"the save area for {name}", found=r15, reason="it reaches into what the caller must find unchanged",
    )  # fmt: skip
    for register, struct in made.spec.into.items():
        first = made.state.mode.offset(made.state.gpr[register])
        size = run.contract.layout.structs[struct].size
        inside = first is not None and sp is not None and sp + area <= first and first + size <= 0
        yield Obligation(
            f"{struct} lies inside the own frame at the call of {name}", boolean(inside), path, made.at,
            f"struct {struct} at r{register}", found=made.state.seen(register),
            reason=f"{name} writes {size} bytes there",
        )  # fmt: skip
    handed = run.contract.handed
    if handed is not None and made.struct is not None and sp is not None:
        base = made.state.mode.offset(made.struct)
        clear = base is not None and base >= sp + area
        yield Obligation(
            f"{handed.name} does not overlap the save area of {name}", boolean(clear), path, made.at,
            f"struct {handed.type}", reason=f"{made.struct} lies below r15 + {area}",
        )  # fmt: skip


def _is_free(contract: Contract, sp: int, area: int) -> bool:
    """Whether all that the callee may write at its caller's r15 is this routine's to give away."""
    grants = Ranges(tuple(contract.offset(name) for name in contract.grants))
    kept = Ranges(tuple(contract.offset(name) for name in contract.keeps))
    return all(byte in kept or sp + byte < 0 or sp + byte in grants for byte in range(area))


PROPERTY = Property(
    name="call-abi",
    statement="at every call r15 is 8-byte aligned, 0..159(r15) is free for the callee, the return address is in r14",
    proved="every call keeps the calling convention",
    refuted="{what} breaks the calling convention",
    states=lambda contract: contract.call_abi,
    obligations=obligations,
)
