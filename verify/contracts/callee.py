"""What a call does to the machine: a frame contract, never the handler's code.

The callee gives fresh values to what it may write (volatile registers, its save area at 0..159(r15) except the words
that the contract keeps, everything below r15, the mutable fields of the struct it was handed) and keeps the rest of
the protected stack. All storage outside the stack is read afresh anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

from verify.contracts import handlers
from verify.contracts.registers import registers
from verify.contracts.schema import Call, Contract
from verify.errors import Undecided, Unsupported
from verify.machine.mode import Mode
from verify.machine.state import State
from verify.machine.term import Origin, Term, concat, const, extract, leaf

_RESULT_REGISTER = 2
SUPERVISOR = "a supervisor call returns once, to the next instruction, and changes only {}, the condition code, what " \
             "lies below r15 and the storage that its arguments designate"  # fmt: skip
# Vector registers of which bytes 0-7 alone are call-saved, by the addressing mode (psABI, "Registers").
_SAVED_HALVES = {64: range(8, 16), 31: (4, 6)}
_ARGUMENTS = range(7)  # r2-r6, and r0, r1 for a static chain or a parameter block
_SUPERVISOR_ARGUMENTS = range(8)


@dataclass(frozen=True)
class Effect:
    """What a call left behind: its result, the struct's mutable fields, and what its caller's save area holds."""

    result: Term | None
    fields: dict[str, Term]
    left: dict[str, Term]


def call(contract: Contract, spec: Call, state: State, struct: Term | None) -> Effect:
    """Apply a callee that obeys its contract to the state at the call. Raises Undecided."""
    sp = state.sp
    if sp is None:
        raise Undecided(f"call of {spec.name} with a stack pointer that is not r15 at entry plus a constant")
    state.stack.event()
    if spec.is_any:
        state.stack.forget_caller()
        if state.stack.escaped or _escapes(state, sp):  # an earlier callee may have kept the address
            _give_up_locals(contract, state, sp + contract.layout.structs["stack_frame"].size)
    _write_through(contract, spec, state)
    _clobber_registers(contract, spec, state)
    _clobber_stack(contract, spec, state, sp)
    left = _leave(contract, spec, state, sp)
    result = None
    if spec.returns:
        result = state.fresh(f"{spec.name}.result", state.mode.word, Origin.RESULT)
        state.set_seen(_RESULT_REGISTER, result)
    return Effect(result, _change_fields(contract, spec, state, struct), left)


def _write_through(contract: Contract, spec: Call, state: State) -> None:
    """The structs that the callee may write through its arguments; call-abi says whether they lie where they may."""
    for register, struct in spec.into.items():
        first = state.mode.offset(state.gpr[register])
        if first is None:
            raise Undecided(f"r{register} at the call of {spec.name} is not on the stack: {state.gpr[register]}")
        state.fresh_count += 1
        written = range(first, first + contract.layout.structs[struct].size)
        state.stack.havoc(written, f"after {spec.name}#{state.fresh_count}")


def _leave(contract: Contract, spec: Call, state: State, sp: int) -> dict[str, Term]:
    """What the callee leaves in the save area for its caller to see."""
    left = {}
    for name, slot in spec.leaves.items():
        first, end = contract.offset(slot)
        value = state.fresh(f"{spec.name}.{name}", 8 * (end - first), Origin.RESULT)
        state.stack.write(sp + first, value, sp)
        left[f"{spec.name}.{name}"] = value
    return left


def supervisor_call(contract: Contract, number: int, state: State) -> str:
    """Apply a SUPERVISOR CALL to the state after it; return what is assumed of it.

    Raises Unsupported where the contract does not describe it. It reads and writes storage through its arguments, so
    that what lies in frames whose address may be known to it is given up; a signal handler may run meanwhile, below
    r15.
    """
    effect, sp = contract.supervisor, state.sp
    if effect is None:
        raise Unsupported("svc: the contract describes no supervisor call")
    if sp is None:
        raise Undecided("svc with a stack pointer that is not r15 at entry plus a constant")
    called = const(number, 64) if number else state.seen(1)
    if called.is_const and called.value in effect.refuses:
        raise Unsupported(f"svc: the contract refuses supervisor call {called.value}, which does not just return")
    if not called.is_const:
        raise Unsupported(f"svc: the number of the supervisor call is not a constant but {called}")
    state.stack.event()
    state.stack.forget_caller()
    if state.stack.escaped or _escapes(state, sp, _SUPERVISOR_ARGUMENTS):
        _give_up_locals(contract, state, sp)
    for _, register in registers(effect.clobbers):
        state.set_seen(register, state.fresh(f"r{register} after svc {called.value}", state.mode.word, Origin.RESULT))
    _clobber_high_words(state, f"svc {called.value}")
    state.set_cc(state.fresh(f"cc after svc {called.value}", 2, Origin.CLOBBERED))
    state.stack.drop_below(sp)
    return SUPERVISOR.format(", ".join(effect.clobbers))


def _clobber_registers(contract: Contract, spec: Call, state: State) -> None:
    vector = False
    _clobber_high_words(state, spec.name)
    for kind, number in registers(contract.clobbers):
        name = f"{kind}{number} after {spec.name}"
        if kind == "r":
            state.set_seen(number, state.fresh(name, state.mode.word, Origin.CLOBBERED))
        elif kind == "a":
            state.access[number] = state.fresh(name, 32, Origin.CLOBBERED)
        else:
            vector = True
            state.vector[2 * number] = state.fresh(name, 64, Origin.CLOBBERED)
        if kind == "v":
            state.vector[2 * number + 1] = state.fresh(f"{name}, right half", 64, Origin.CLOBBERED)
    if vector:
        for number in _SAVED_HALVES[state.mode.bits]:
            name = f"v{number} after {spec.name}, right half"
            state.vector[2 * number + 1] = state.fresh(name, 64, Origin.CLOBBERED)
        # code that computes in floating point sets the FPC's flags and DXC, bits 8-23
        flags = state.fresh(f"fpc flags after {spec.name}", 16, Origin.CLOBBERED)
        state.fpc = concat(extract(state.fpc, 31, 24), flags, extract(state.fpc, 7, 0))
    state.set_cc(state.fresh(f"cc after {spec.name}", 2, Origin.CLOBBERED))


def _clobber_high_words(state: State, name: str) -> None:
    """Bits 0-31 of all general registers after 31-bit code ran: no rule of its ABI speaks of them."""
    if state.mode.narrow:
        for number, register in enumerate(state.gpr):
            high = state.fresh(f"r{number} after {name}, bits 0-31", 32, Origin.CLOBBERED)
            state.gpr[number] = concat(high, state.mode.seen(register))


def _clobber_stack(contract: Contract, spec: Call, state: State, sp: int) -> None:
    frame = contract.layout.structs["stack_frame"]
    kept = {sp + byte for name in contract.keeps for byte in range(*contract.offset(name))}
    state.stack.drop_below(sp)
    save_area = [offset for offset in range(sp, sp + frame.size) if offset not in kept]
    state.fresh_count += 1
    state.stack.havoc(save_area, f"after {spec.name}#{state.fresh_count}")


def _change_fields(contract: Contract, spec: Call, state: State, struct: Term | None) -> dict[str, Term]:
    handed = contract.handed
    fields: dict[str, Term] = {}
    if handed is None or struct is None or not (spec.mutable or spec.kept):
        return fields
    base = state.mode.offset(struct)
    if base is None:
        raise Undecided(f"the address of {handed.name} handed to {spec.name} is not on the stack: {struct}")
    known = contract.layout.structs[handed.type]
    for path in spec.mutable:
        field = known.field(path.removeprefix(f"{handed.name}."))
        value = state.fresh(path, 8 * field.size, Origin.FIELD)
        state.stack.write(base + field.at, value, state.sp)
        fields[path] = value
    state.conditions += handlers.left_behind(contract, fields)
    for path in spec.kept:  # as the callee found it: what the routine does to the struct later is another matter
        field = known.field(path.removeprefix(f"{handed.name}."))
        fields[path] = state.stack.read(base + field.at, field.size, state.sp)
    return fields


def _escapes(state: State, sp: int, arguments: range = _ARGUMENTS) -> bool:
    """Whether an address in the routine's own frame may be known to the callee."""
    r15 = state.mode.r15
    if any(r15 in state.seen(number).leaves() for number in arguments):
        return True
    return any(
        r15 in store.value.leaves() and store.value is not r15 and not _is_chain(state.mode, store.value, sp)
        for store in state.stores
    )


def _is_chain(mode: Mode, value: Term, sp: int) -> bool:
    offset = mode.offset(value)
    return offset is not None and offset <= sp


def _give_up_locals(contract: Contract, state: State, lowest: int) -> None:
    """What the own frame holds at and above `lowest` may change through an escaped address.

    Slots that save registers are kept: that a callee does not overwrite saved registers through such an address is an
    assumption of the contract.
    """
    saved = set(_entry_values(contract, state.mode))
    stack = state.stack
    for offset in [o for o, (value, _) in stack.bytes.items() if lowest <= o and value not in saved]:
        del stack.bytes[offset]
    stack.escaped = True
    stack.generation += 1


def _entry_values(contract: Contract, mode: Mode) -> list[Term]:
    found = [mode.r15, mode.entry(14)]
    for kind, number in registers(contract.preserves):
        found.append(mode.entry(number) if kind == "r" else leaf(f"old.v{number}.left", 64, Origin.ENTRY))
    return found
