"""The machine beside what the verifier says of it: all registers, and the stack as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from verify.explain.emulator import PSW, Emulator
from verify.explain.values import Values
from verify.machine.evaluate import Evaluation
from verify.machine.state import State
from verify.machine.term import Origin, Term
from verify.semantics import cc

ABOVE = 0x200  # bytes of the caller's frames that are compared
_ALL = (1 << 64) - 1


def terms(state: State) -> dict[str, Term]:
    """All registers of the verifier's machine, by the emulator's names."""
    halves = ("left", "right")
    return {
        **{f"r{n}": term for n, term in enumerate(state.gpr)},
        **{f"a{n}": term for n, term in enumerate(state.access)},
        **{f"v{n // 2}.{halves[n % 2]}": term for n, term in enumerate(state.vector)},
        "fpc": state.fpc, "cc": cc.value(state),
        "program mask": state.program_mask, "system mask": state.system_mask,
    }  # fmt: skip


@dataclass
class Comparison:
    """A machine and the numbers of the unknowns; `placed` are the unknown bytes that were put into its storage.

    The stack at entry is at `r15`.
    """

    machine: Emulator
    value: Evaluation
    r15: int
    placed: set[Term]

    def differences(self, state: State, where: str) -> Iterator[str]:
        """Registers and stack, as the verifier knows them at this moment, that are otherwise on the machine."""
        found, wanted = self.machine.registers(), terms(state)
        self._observe(wanted, found)
        for name, term in wanted.items():
            number = self.value(term) & (PSW["system mask"][1] if name == "system mask" else _ALL)
            if number != found[name]:
                yield f"{name} {where} is {found[name]:#x}, not {number:#x}"
        sp = state.sp
        first, stack = (0 if sp is None else sp), state.stack.copy()
        now = self.machine.read(self.r15 + first, ABOVE - first)
        for offset in sorted(offset for offset in stack.bytes if first <= offset < ABOVE):
            byte = stack.read(offset, 1, sp)
            if not self._meaningless(byte) and self.value(byte) != now[offset - first]:
                yield f"the byte at old.r15{offset:+d} {where} is another one"

    def _observe(self, wanted: Mapping[str, Term], found: Mapping[str, int]) -> None:
        """What POP calls unpredictable is what this machine has there, from now on."""
        values = self.value.values
        assert isinstance(values, Values)
        for name, term in wanted.items():
            if term.leaf is not None and term.leaf.origin is Origin.MACHINE and term not in values:
                values[term] = found[name]

    def _meaningless(self, byte: Term) -> bool:
        """Storage that nothing wrote and nothing read: the verifier says nothing of it."""
        stale = any(one.leaf is not None and one.leaf.origin is Origin.STALE for one in byte.leaves())
        return stale and byte.op == "extract" and byte.args[0].op == "leaf" and byte not in self.placed
