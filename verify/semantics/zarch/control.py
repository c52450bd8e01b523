"""Control instructions (POP, chapter 10): control registers, clocks, timers and identities of the CPU.

A clock, a timer or an identity is whatever the machine says it is: each time a new unknown. What sets one has no
effect that the model holds. Control registers 1, 7 and 13 designate the address spaces, so that another value there
is another storage: then nothing that is known of the stack would stand.
"""

from __future__ import annotations

from verify.errors import Unsupported
from verify.machine.term import Origin, concat, const, extract, plus
from verify.semantics.step import Handler, Step, family, insn

_ADDRESS_SPACES = (1, 7, 13)


def _load(bits: int) -> Handler:
    """LCTL (bits 32-63) and LCTLG: the control registers from R1 to R3."""

    def handler(step: Step) -> None:
        control = step.state.control
        for n, number in enumerate(step.several()):
            value = step.state.load(plus(step.address(), n * bits // 8), bits // 8)
            new = value if bits == 64 else concat(extract(control[number], 63, 32), value)
            if number in _ADDRESS_SPACES and new is not control[number]:
                raise Unsupported(
                    f"{step.insn.mnemonic.lower()} of control register {number} may change the address space"
                )
            control[number] = new

    return handler


def _store(bits: int) -> Handler:
    """STCTL (bits 32-63) and STCTG."""

    def handler(step: Step) -> None:
        for n, number in enumerate(step.several()):
            step.state.store(plus(step.address(), n * bits // 8), extract(step.state.control[number], bits - 1, 0))

    return handler


family({"LCTL": _load(32), "LCTLG": _load(64), "STCTL": _store(32), "STCTG": _store(64)})


def _stores_fresh(what: str, size: int, *, sets_code: bool = False) -> Handler:
    """Store a value that only the machine knows; STCK and its like also say by the CC in which state the clock is."""

    def handler(step: Step) -> None:
        state = step.state
        for at in range(0, size, 8):
            part = min(8, size - at)
            state.store(plus(step.address(), at), state.fresh(what, 8 * part, Origin.MACHINE))
        if sets_code:
            state.set_cc(state.fresh(f"state of the {what}", 2, Origin.MACHINE))

    return handler


def _only_loads(size: int) -> Handler:
    """Set something that the model does not hold from storage."""

    def handler(step: Step) -> None:
        step.state.load(step.address(), size)

    return handler


family({
    "STCK": _stores_fresh("clock", 8, sets_code=True), "STCKF": _stores_fresh("clock", 8, sets_code=True),
    "STCKE": _stores_fresh("clock", 16, sets_code=True), "STCKC": _stores_fresh("clock comparator", 8),
    "STPT": _stores_fresh("CPU timer", 8), "STIDP": _stores_fresh("CPU identification", 8),
    "STAP": _stores_fresh("CPU address", 2), "STPX": _stores_fresh("prefix", 4),
    "STBEAR": _stores_fresh("breaking-event address", 8),
    "SPT": _only_loads(8), "SCKC": _only_loads(8), "LPP": _only_loads(8), "LBEAR": _only_loads(8),
})  # fmt: skip


@insn("TAM")
def test_addressing_mode(step: Step) -> None:
    """CC 0 in the 24-bit, 1 in the 31-bit, 3 in the 64-bit mode."""
    step.state.set_cc(const(1 if step.state.mode.narrow else 3, 2))


@insn("SVC")
def supervisor_call(step: Step) -> None:
    """An interruption whose handler is the environment: what it changes is for the contract to say."""
    step.supervisor = step.field("I")
