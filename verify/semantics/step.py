"""One instruction: zarch/ first, VEX second, else `unsupported`, by the table's own column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from verify.errors import Unsupported
from verify.machine.state import Branch, State
from verify.machine.term import TRUE, Term, add, concat, const, extract, plus
from verify.objfile.image import Place
from verify.semantics import isa
from verify.semantics.code import Code
from verify.semantics.decode import Instruction
from verify.semantics.vex import encode

MODE_BITS = 64


@dataclass(frozen=True, slots=True)
class Jump:
    """Where control may go instead of the next instruction, and under which condition."""

    condition: Term
    target: Term


@dataclass
class Step:
    """An instruction about to be executed on a state.

    `place` is the instruction's own address, to which relative operands refer; `next` is the address of the next
    sequential instruction, which for the target of an execute instruction is the one after the execute (POP,
    chapter 7, "EXECUTE RELATIVE LONG"). `leaves` is the new instruction address when the PSW is loaded; `targets` are
    the places that were executed out of line. `length` is the L field where an execute instruction takes it from a
    register that is not a constant (8 bits; the field itself then holds the highest value that it can have).
    `lowcore` are the addresses of what was executed in the lowcore, as the contract says that it is there.
    `supervisor` is the interruption code of a SUPERVISOR CALL, whose effect is the environment's.
    """

    state: State
    code: Code
    insn: Instruction
    place: Place
    next: Term
    executed: bool = False
    jumps: list[Jump] = dataclass_field(default_factory=list)
    leaves: Term | None = None
    targets: list[Place] = dataclass_field(default_factory=list)
    lowcore: list[int] = dataclass_field(default_factory=list)
    length: Term | None = None
    supervisor: int | None = None

    def field(self, name: str) -> int:
        """An operand field by its POP name."""
        return self.insn.fields[name]

    def reg(self, name: str) -> Term:
        """The 64-bit contents of the general register that an R field names."""
        return self.state.gpr[self.field(name)]

    def set_reg(self, name: str, value: Term) -> None:
        """Replace the 64 bits of the general register that an R field names."""
        self.state.gpr[self.field(name)] = value

    def word(self, name: str, *, high: bool = False) -> Term:
        """Bits 32-63 (or 0-31) of a general register."""
        return extract(self.reg(name), 63, 32) if high else extract(self.reg(name), 31, 0)

    def set_word(self, name: str, value: Term, *, high: bool = False) -> None:
        """Replace bits 32-63 (or 0-31) of a general register; the others stay."""
        self.set_reg(name, concat(value, self.word(name)) if high else concat(self.word(name, high=True), value))

    def low(self, name: str, bits: int) -> Term:
        """The rightmost bits (32 or 64) of a general register."""
        return extract(self.reg(name), bits - 1, 0)

    def set_low(self, name: str, value: Term) -> None:
        """Replace as many rightmost bits of a general register as the value has (32 or 64)."""
        self.set_reg(name, value if value.width == MODE_BITS else concat(self.word(name, high=True), value))

    def several(self, first: str = "R1", last: str = "R3") -> list[int]:
        """The register numbers from one field to another, 0 following 15."""
        start = self.field(first)
        return [(start + n) % 16 for n in range((self.field(last) - start) % 16 + 1)]

    def address(self, number: str = "2") -> Term:
        """The address of a storage operand: base, index where the format has one, displacement (POP, chapter 5).

        As wide as the addressing mode has it: in the 31-bit mode "bits 0-32 are ignored" and nothing is carried out.
        """
        total = const(self.field(f"D{number}"), MODE_BITS)
        for name in (f"B{number}", f"X{number}"):
            register = self.insn.fields.get(name, 0)
            if register:
                total = add(self.state.gpr[register], total)
        return self.state.mode.address(total)

    def set_address(self, name: str, address: Term) -> None:
        """Load an address into the general register that an R field names, as LOAD ADDRESS does."""
        self.set_reg(name, self.state.mode.loaded_address(self.reg(name), address))

    def relative(self) -> Term:
        """The address that the relative operand designates."""
        return self.code.relative(self.place, self.insn)

    def jump(self, target: Term, condition: Term = TRUE) -> None:
        """Go to `target`, an address or a register that holds one, where `condition` holds."""
        self.jumps.append(Jump(condition, self.state.mode.address(target)))

    def jump_indirect(self, target: Term, condition: Term = TRUE) -> None:
        """Go to an address held in a register or computed from one."""
        self.state.branches.append(Branch(self.state.pc, self.insn.mnemonic.lower(), self.executed))
        self.jump(target, condition)

    def link(self, name: str) -> None:
        """Put the return address into a register, with the addressing mode where that goes with it."""
        self.set_reg(name, self.state.mode.link(self.reg(name), self.next))
        self.state.links |= {self.next}

    def only_in_64_bit_mode(self) -> None:
        """Refuse what has no semantics in the 31-bit addressing mode here. Raises Unsupported."""
        if self.state.mode.narrow:
            raise Unsupported(f"{self.insn.mnemonic.lower()} has no semantics in the 31-bit addressing mode here")


Handler = Callable[[Step], None]
HANDLERS: dict[str, Handler] = {}
HANDLERS_31: dict[str, Handler] = {}
"""Meanings in the 31-bit addressing mode alone: where the lifter, which knows the 64-bit mode only, is wrong there."""


def insn(*mnemonics: str) -> Callable[[Handler], Handler]:
    """Register a function as the meaning of these mnemonics."""

    def register(handler: Handler) -> Handler:
        for mnemonic in mnemonics:
            if mnemonic in HANDLERS:
                raise ValueError(f"{mnemonic} has two meanings")
            HANDLERS[mnemonic] = handler
        return handler

    return register


def family(rows: dict[str, Handler]) -> None:
    """Register a family by its closing table."""
    for mnemonic, handler in rows.items():
        insn(mnemonic)(handler)


def family_31(rows: dict[str, Handler]) -> None:
    """Register a family for the 31-bit addressing mode alone."""
    HANDLERS_31.update(rows)


def perform(step: Step) -> None:
    """Execute one instruction on the step's state. Raises Unsupported; then the state must not be used."""
    instruction = step.insn
    problem = instruction.operand_error
    if problem is not None:
        raise Unsupported(problem)
    handler = HANDLERS.get(instruction.mnemonic)
    if step.state.mode.narrow:
        handler = HANDLERS_31.get(instruction.mnemonic, handler)
    before = step.state.sp
    if handler is not None:
        handler(step)
    elif instruction.spec.source == "vex":
        if instruction.relative_offset is not None:
            raise Unsupported(f"{instruction.mnemonic.lower()} is relative and must not reach VEX")
        encode.execute(step.state, instruction.raw)
    else:
        raise Unsupported(f"{instruction.mnemonic.lower()}: {isa.reasons()[instruction.spec.reason]}")
    step.state.settle(before)


def start(state: State, code: Code, place: Place) -> Step:
    """The step at a place of the code."""
    instruction = code.fetch(place)
    return Step(state, code, instruction, place, plus(code.address(place), instruction.length))


__all__ = ["HANDLERS", "HANDLERS_31", "Handler", "Jump", "Step", "family", "family_31", "insn", "perform", "start"]
