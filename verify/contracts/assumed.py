"""What a contract assumes, in sentences for a report; the standing assumptions are in SOUNDNESS.md."""

from __future__ import annotations

from collections.abc import Iterable

from verify.contracts import handlers
from verify.contracts.schema import Contract
from verify.contracts.sites import AT_ONCE
from verify.machine.mode import MODES

_BELOW_2_GIB = "the machine is and stays in the 31-bit addressing mode, and every symbol lies below 2 GiB"
_SWITCHES = "{} point into another stack, on which interrupts run from then on; nothing else writes to this one then"
_ASSUMED = {
    "symbols": "storage at a symbol plus a constant does not lie on the stack",
    "lowcore": "the lowcore (0 to {lowcore}) does not lie on the stack",
    "pointers": "pointers from the caller or from storage do not point into the routine's own frame or its save area",
}


def sentences(contract: Contract) -> Iterable[str]:
    """The contract's own assumptions, one a sentence."""
    yield from (expr.text for expr in contract.assume)
    last = MODES[contract.bits].lowcore - 1
    yield from (_ASSUMED[kind].format(lowcore=last) for kind in contract.separate)
    if contract.regions:
        named = ", ".join(f"{one.name} ({one.size} bytes at {one.base.text})" for one in contract.regions)
        yield f"{named} do not overlap"
    if contract.switches:
        yield _SWITCHES.format(", ".join(expr.text for expr in contract.switches))
    if contract.bits == 31:
        yield _BELOW_2_GIB
    yield from (
        f"another CPU finds patch site {site.name} as it was or as it is written, and nothing between"
        for site in contract.patches
        if site.writing.way == AT_ONCE
    )
    yield from (f"the machine is one {'with' if has else 'without'} {name}" for name, has in contract.machine.items())
    if contract.calls:
        changed = ", ".join(contract.clobbers)
        yield f"a callee changes only {changed}, the condition code, its save area, what lies below r15 and storage " \
              "outside the stack, and returns"  # fmt: skip
    yield from handlers.sentences(contract)
    for call in contract.calls:
        if call.named:
            through = " and ".join(f"{struct} at r{register}" for register, struct in call.into.items())
            yield f"{call.name} ({', '.join(call.named)}) writes {through or 'nothing'} of the frames of the routine " \
                  "and its caller"  # fmt: skip
        yield from (f"{promise.text} when {call.name} returns" for promise in call.ensures)
        if call.is_any:
            yield "no callee writes over registers that the routine saved in its frame"
