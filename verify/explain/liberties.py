"""What this emulator does in its own way, where an instruction leaves something open or it is not true to the book."""

from __future__ import annotations

import random
from collections.abc import Mapping

from verify.explain.emulator import Emulator
from verify.machine.evaluate import Evaluation
from verify.machine.term import Origin
from verify.objfile.image import Place
from verify.semantics.decode import Instruction
from verify.walk.path import Path

_FLOATING_STORES = frozenset({"STD", "STE", "STDY", "STEY"})
_LOADS_ADDRESS = frozenset({"LA", "LAY", "LAE", "LAEY", "LARL"})
_EXECUTES = frozenset({"EX", "EXRL"})


def correct(machine: Emulator, insn: Instruction, before: Mapping[str, int]) -> None:
    """In the 31-bit mode this machine clears bits 0-31 of the register, which "remain unchanged" (LOAD ADDRESS)."""
    if insn.mnemonic in _LOADS_ADDRESS:
        name = f"r{insn.fields['R1']}"
        low = machine.registers()[name] & 0xFFFF_FFFF
        machine.set_registers({name: before[name] & ~0xFFFF_FFFF | low})


def poison(machine: Emulator, path: Path, insn: Instruction, value: Evaluation, rng: random.Random) -> None:
    """ "Bits 64-127 of the vector register are unpredictable" after a floating-point load: here they change."""
    if not insn.spec.operands.startswith(("fR1", "xR1")) or insn.mnemonic in _FLOATING_STORES:
        return
    number = insn.fields["R1"]
    for one in (number, number + 2) if insn.spec.operands.startswith("x") else (number,):
        term = path.state.vector[2 * one + 1]
        machine_made = term.leaf is not None and term.leaf.origin is Origin.MACHINE
        machine.set_registers({f"v{one}.right": value(term) if machine_made else rng.getrandbits(64)})


def executes(path: Path, place: Place) -> bool:
    """Whether an instruction is an execute whose target the machine counts as a step of its own.

    It does not where the target is one that it executes on the spot (MVC and its like).
    """
    if path.code.fetch(place).mnemonic not in _EXECUTES:
        return False
    on_the_spot = [path.code.fetch(one).raw[0] & 0xF0 == 0xD0 for one in path.out_of_line]
    return not on_the_spot or not all(on_the_spot)
