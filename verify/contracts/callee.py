"""What a call does to the machine: a frame contract, never the handler's code.

The callee gives fresh values to what it may write (volatile registers, its save area at 0..159(r15) except the words
that the contract keeps, everything below r15, the mutable fields of the struct it was handed) and keeps the rest of
the protected stack. All storage outside the stack is read afresh anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

from verify.contracts.registers import registers
from verify.contracts.schema import Call, Contract
from verify.errors import Undecided, Unsupported
from verify.machine.state import OLD_R15, State, entry_register
from verify.machine.term import Origin, Term, concat, const, extract, leaf, offset_from

_RESULT_REGISTER = 2
SUPERVISOR = "a supervisor call returns once, to the next instruction, and changes only {}, the condition code, what " \
             "lies below r15 and the storage that its arguments designate"  # fmt: skip
_ARGUMENTS = range(7)  # r2-r6, and r0, r1 for a static chain or a parameter block
_SUPERVISOR_ARGUMENTS = range(8)


@dataclass(frozen=True)
class Effect:
    """What a call left behind: its result, and the new contents of the struct's mutable fields."""

    result: Term | None
    fields: dict[str, Term]


def call(contract: Contract, spec: Call, state: State, struct: Term | None) -> Effect:
    """Apply a callee that obeys its contract to the state at the call. Raises Undecided."""
    sp = state.sp
    if sp is None:
        raise Undecided(f"call of {spec.name} with a stack pointer that is not r15 at entry plus a constant")
    if spec.to is None:
        state.stack.forget_caller()
        if state.stack.escaped or _escapes(state, sp):  # an earlier callee may have kept the address
            _give_up_locals(contract, state, sp + contract.layout.structs["stack_frame"].size)
    _clobber_registers(contract, spec, state)
    _clobber_stack(contract, spec, state, sp)
    result = None
    if spec.returns:
        result = state.fresh(f"{spec.name}.result", 64, Origin.RESULT)
        state.gpr[_RESULT_REGISTER] = result
    return Effect(result, _change_fields(contract, spec, state, struct))


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
    called = const(number, 64) if number else state.gpr[1]
    if called.is_const and called.value in effect.refuses:
        raise Unsupported(f"svc: the contract refuses supervisor call {called.value}, which does not just return")
    if not called.is_const:
        raise Unsupported(f"svc: the number of the supervisor call is not a constant but {called}")
    state.stack.forget_caller()
    if state.stack.escaped or _escapes(state, sp, _SUPERVISOR_ARGUMENTS):
        _give_up_locals(contract, state, sp)
    for _, register in registers(effect.clobbers):
        state.gpr[register] = state.fresh(f"r{register} after svc {called.value}", 64, Origin.RESULT)
    state.set_cc(state.fresh(f"cc after svc {called.value}", 2, Origin.CLOBBERED))
    state.stack.drop_below(sp)
    return SUPERVISOR.format(", ".join(effect.clobbers))


def _clobber_registers(contract: Contract, spec: Call, state: State) -> None:
    vector = False
    for kind, number in registers(contract.clobbers):
        name = f"{kind}{number} after {spec.name}"
        if kind == "r":
            state.gpr[number] = state.fresh(name, 64, Origin.CLOBBERED)
        elif kind == "a":
            state.access[number] = state.fresh(name, 32, Origin.CLOBBERED)
        else:
            vector = True
            state.vector[2 * number] = state.fresh(name, 64, Origin.CLOBBERED)
        if kind == "v":
            state.vector[2 * number + 1] = state.fresh(f"{name}, right half", 64, Origin.CLOBBERED)
    if vector:
        for number in range(8, 16):  # "only bytes 0-7 of v8-v15 are call-saved" (psABI, "Registers")
            name = f"v{number} after {spec.name}, right half"
            state.vector[2 * number + 1] = state.fresh(name, 64, Origin.CLOBBERED)
        # code that computes in floating point sets the FPC's flags and DXC, bits 8-23
        flags = state.fresh(f"fpc flags after {spec.name}", 16, Origin.CLOBBERED)
        state.fpc = concat(extract(state.fpc, 31, 24), flags, extract(state.fpc, 7, 0))
    state.set_cc(state.fresh(f"cc after {spec.name}", 2, Origin.CLOBBERED))


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
    if handed is None or struct is None or not spec.mutable:
        return fields
    base = offset_from(struct, OLD_R15)
    if base is None:
        raise Undecided(f"the address of {handed.name} handed to {spec.name} is not on the stack: {struct}")
    for path in spec.mutable:
        field = contract.layout.structs[handed.type].field(path.removeprefix(f"{handed.name}."))
        value = state.fresh(path, 8 * field.size, Origin.FIELD)
        state.stack.write(base + field.at, value, state.sp)
        fields[path] = value
    return fields


def _escapes(state: State, sp: int, arguments: range = _ARGUMENTS) -> bool:
    """Whether an address in the routine's own frame may be known to the callee."""
    if any(OLD_R15 in state.gpr[number].leaves() for number in arguments):
        return True
    return any(
        OLD_R15 in store.value.leaves() and store.value is not OLD_R15 and not _is_chain(store.value, sp)
        for store in state.stores
    )


def _is_chain(value: Term, sp: int) -> bool:
    offset = offset_from(value, OLD_R15)
    return offset is not None and offset <= sp


def _give_up_locals(contract: Contract, state: State, lowest: int) -> None:
    """What the own frame holds at and above `lowest` may change through an escaped address.

    Slots that save registers are kept: that a callee does not overwrite saved registers through such an address is an
    assumption of the contract.
    """
    saved = set(_entry_values(contract))
    stack = state.stack
    for offset in [o for o, (value, _) in stack.bytes.items() if lowest <= o and value not in saved]:
        del stack.bytes[offset]
    stack.escaped = True
    stack.generation += 1


def _entry_values(contract: Contract) -> list[Term]:
    found = [OLD_R15, entry_register(14)]
    for kind, number in registers(contract.preserves):
        found.append(entry_register(number) if kind == "r" else leaf(f"old.v{number}.left", 64, Origin.ENTRY))
    return found
