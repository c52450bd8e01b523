"""Further references by the Principles of Operation, for corners that only long campaigns come to.

They are as those of `manual.MANUAL`, which has the forms that unicorn gets wrong in any sample.
"""

from __future__ import annotations

from dataclasses import replace

from tests.semantics import manual
from tests.semantics.manual import Reference
from tests.semantics.unicorn_machine import Cpu, Memory
from verify.semantics.decode import Instruction


def _load_and_add(width: int) -> Reference:
    """LAA, LAAG: storage plus R3 goes to storage, what was there to R1; CC 3 where the sum is too great."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        at, number, size = manual.address(insn, cpu), insn.fields["R1"], width // 8
        old = manual.fetch(memory, at, size)
        exact = manual.signed(old, width) + manual.signed(cpu.gpr[insn.fields["R3"]], width)
        total = exact & (1 << width) - 1
        code = 3 if manual.signed(total, width) != exact else (exact > 0) * 2 + (exact < 0)
        after = cpu.with_gpr(number, cpu.gpr[number] >> width << width | old)
        content = manual.stored(memory, at, total.to_bytes(size, "big"))
        return replace(after, cc=code, pc=cpu.pc + insn.length), content

    return reference


REFERENCES: dict[str, Reference] = {"LAA": _load_and_add(32), "LAAG": _load_and_add(64)}
