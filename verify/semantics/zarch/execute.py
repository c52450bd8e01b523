"""EXECUTE and EXECUTE RELATIVE LONG (POP, chapter 7): never through VEX, whose version is broken.

"Bits 8-15 of the instruction designated by the second-operand address are ORed with bits 56-63 of the register
specified by R1. The ORing does not change the contents of either the register or the instruction in storage. When
the R1 field is zero, no ORing takes place." The target's relative operands refer to the target's own address; the
updated instruction address is the one after the execute.
"""

from __future__ import annotations

from dataclasses import replace

from verify.errors import Unsupported
from verify.machine.term import extract
from verify.semantics.decode import Instruction, decode
from verify.semantics.step import Step, insn, perform

_EXECUTES = frozenset({"EX", "EXRL"})


@insn("EX", "EXRL")
def execute(step: Step) -> None:
    """Execute the modified target as if it stood here."""
    address = step.relative() if step.insn.mnemonic == "EXRL" else step.address()
    place = step.code.place(address)
    if place is None:
        raise Unsupported(f"{step.insn.mnemonic.lower()} of code outside the object ({address})")
    target = step.code.fetch(place)
    if target.mnemonic in _EXECUTES:
        raise Unsupported("an execute of an execute is an execute exception")
    step.targets.append(place)
    inner = replace(step, insn=_modified(step, target), place=place, executed=True, jumps=[])
    perform(inner)
    step.jumps.extend(inner.jumps)
    step.leaves = inner.leaves


def _modified(step: Step, target: Instruction) -> Instruction:
    if step.field("R1") == 0:
        return target
    low = extract(step.reg("R1"), 7, 0)
    if not low.is_const:
        raise Unsupported("an execute whose register is not a constant has no semantics here")
    raw = bytes([target.raw[0], target.raw[1] | low.value]) + target.raw[2:]
    changed = decode(raw)
    if changed is None or changed.length != target.length:
        raise Unsupported(f"the executed bytes {raw.hex()} are no instruction")
    return changed
