"""EXECUTE and EXECUTE RELATIVE LONG (POP, chapter 7): never through VEX, whose version is broken.

"Bits 8-15 of the instruction designated by the second-operand address are ORed with bits 56-63 of the register
specified by R1. The ORing does not change the contents of either the register or the instruction in storage. When
the R1 field is zero, no ORing takes place." The target's relative operands refer to the target's own address; the
updated instruction address is the one after the execute.

A register that is not a constant can supply the length of a storage-to-storage instruction, whose handler then treats
each byte under its own condition; for any other target it would be another instruction each time.
"""

from __future__ import annotations

from dataclasses import replace

from verify.errors import Unsupported
from verify.machine.bounds import highest
from verify.machine.term import Term, bvor, const, extract
from verify.semantics.decode import Instruction, decode
from verify.semantics.step import Step, insn, perform

_EXECUTES = frozenset({"EX", "EXRL"})
_BY_LENGTH = frozenset({"MVC", "NC", "OC", "XC", "CLC"})


@insn("EX", "EXRL")
def execute(step: Step) -> None:
    """Execute the modified target as if it stood here."""
    address = step.relative() if step.insn.mnemonic == "EXRL" else step.address()
    place = step.code.place(address)
    target = step.code.fetch(place) if place is not None else _in_lowcore(step, address)
    if target.mnemonic in _EXECUTES:
        raise Unsupported("an execute of an execute is an execute exception")
    if place is not None:
        step.targets.append(place)
    insn, length = _modified(step, target)
    inner = replace(step, insn=insn, place=place or step.place, executed=True, jumps=[], length=length)
    perform(inner)
    step.jumps.extend(inner.jumps)
    step.leaves, step.supervisor = inner.leaves, inner.supervisor


def _in_lowcore(step: Step, address: Term) -> Instruction:
    """The instruction that the contract says the lowcore holds there."""
    if not address.is_const or address.value >= step.state.mode.lowcore:
        raise Unsupported(f"{step.insn.mnemonic.lower()} of code outside the object ({address})")
    raw = step.code.lowcore.get(address.value)
    if raw is None:
        raise Unsupported(
            f"{step.insn.mnemonic.lower()} of code in the lowcore at {address.value:#x}: the contract does not say "
            "what the lowcore holds there"
        )
    target = decode(raw)
    if target is None or target.length != len(raw) or target.format.relative is not None:
        raise Unsupported(f"the code {raw.hex()} in the lowcore at {address.value:#x} cannot be executed from afar")
    step.lowcore.append(address.value)
    return target


def _modified(step: Step, target: Instruction) -> tuple[Instruction, Term | None]:
    """The target with its second byte ORed, and its L field as a term where the register is not a constant."""
    if step.field("R1") == 0:
        return target, None
    low = bvor(extract(step.reg("R1"), 7, 0), const(target.raw[1], 8))
    if low.is_const:
        return _with_second_byte(target, low.value), None
    if target.mnemonic not in _BY_LENGTH:
        raise Unsupported(
            f"an execute of {target.mnemonic.lower()} whose register is not a constant has no semantics here"
        )
    return _with_second_byte(target, highest(low)), low


def _with_second_byte(target: Instruction, byte: int) -> Instruction:
    raw = bytes([target.raw[0], byte]) + target.raw[2:]
    changed = decode(raw)
    if changed is None or changed.length != target.length:
        raise Unsupported(f"the executed bytes {raw.hex()} are no instruction")
    return changed
