"""Terms and states of the verifier as numbers: an evaluator that shares no folding rule with `verify.machine.term`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.semantics.unicorn_machine import CODE, CODE_SIZE, SIZES, STACK, Cpu, Memory
from verify.machine.state import OLD_R15, State, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import TRUE, Term, const, extract, plus
from verify.objfile.image import LINKED_SPACE, Image, Place, Section
from verify.semantics import cc
from verify.semantics.code import Code
from verify.semantics.step import Step, perform

_EVERYTHING = Ranges(((None, None),))
_ON_STACK = re.compile(r"^(\w+)\.mem\[old\.r15([+-]\d+)?\](?:#\d+)?$")


class Event(NamedTuple):
    """An access to storage: `load` or `store`, where, what, and under which condition it takes place."""

    kind: str
    address: Term
    value: Term
    guard: Term


class Trace(State):
    """A state that keeps its loads and stores in one list, in the order in which they happened."""

    events: list[Event]

    def load(self, address: Term, size: int, guard: Term = TRUE) -> Term:
        value = super().load(address, size, guard)
        self.events.append(Event("load", address, value, guard))
        return value

    def store(self, address: Term, value: Term, guard: Term = TRUE) -> None:
        super().store(address, value, guard)
        self.events.append(Event("store", address, value, guard))


def code_of(bytes_at: dict[int, bytes]) -> Code:
    """A linked image of one executable section, at the address at which unicorn has it."""
    data = bytearray(b"\x07\x07" * (CODE_SIZE // 2))
    for address, raw in bytes_at.items():
        data[address - CODE : address - CODE + len(raw)] = raw
    section = Section(".text", LINKED_SPACE, LINKED_SPACE, CODE, bytes(data), True, True)
    return Code(Image(Path("cosimulation"), False, (section,), (), ()))


def symbolic(code: Code, pc: int = CODE) -> Trace:
    """A state of which nothing is known; all of the stack holds something."""
    state = entry_state(code.address(Place(LINKED_SPACE, pc)), _EVERYTHING)
    return _trace(state)


def literal(code: Code, cpu: Cpu) -> Trace:
    """The state in which every register is a literal, r15 included, so that no address is on the stack."""
    state = symbolic(code, cpu.pc)
    state.gpr = [const(value, 64) for value in cpu.gpr]
    state.vector = [const(value, 64) for value in cpu.vector]
    state.access = [const(value, 32) for value in cpu.access]
    state.fpc = const(cpu.fpc, 32)
    state.set_cc(const(cpu.cc, 2))
    state.program_mask = const(cpu.program_mask, 4)
    state.system_mask = const(cpu.system_mask, 64)
    return state


def on_stack(code: Code, cpu: Cpu) -> Trace:
    """As `symbolic`, but a register that points into the stack is a known distance from r15 at entry."""
    state = symbolic(code, cpu.pc)
    for number, value in enumerate(cpu.gpr):
        if STACK <= value < STACK + SIZES[STACK]:
            state.gpr[number] = plus(OLD_R15, value - cpu.gpr[15])
    return state


def _trace(state: State) -> Trace:
    trace = Trace(
        state.gpr, state.vector, state.access, state.fpc, state.cc, state.program_mask, state.system_mask,
        state.stack, state.pc,
    )  # fmt: skip
    trace.events = []
    return trace


def performed(code: Code, state: Trace, pc: int = CODE) -> Step:
    """The verifier's own step. Raises Unsupported."""
    place = Place(LINKED_SPACE, pc)
    insn = code.fetch(place)
    step = Step(state, code, insn, place, plus(code.address(place), insn.length))
    perform(step)
    return step


def through(code: Code, state: Trace, addresses: list[int]) -> Step:
    """Several instructions in a row, none of which branches but perhaps the last."""
    for address in addresses:
        state.pc = code.address(Place(LINKED_SPACE, address))
        step = performed(code, state, address)
    return step


def _unknowns() -> list[Term]:
    """The unknowns of an entry state, in the order of the fields of Cpu; the image is where it says."""
    state = entry_state(const(CODE, 64), _EVERYTHING)
    (code,) = cc.value(state).leaves()
    (system_mask,) = state.system_mask.leaves()
    base = code_of({}).base(LINKED_SPACE)
    return [*state.gpr, *state.vector, *state.access, state.fpc, code, state.program_mask, system_mask, base]


_UNKNOWNS = _unknowns()


class Evaluator:
    """The value of terms once the unknowns of an entry state are known."""

    def __init__(self, cpu: Cpu, memory: Memory) -> None:
        self.cpu, self.before = cpu, memory
        self.memory = {base: bytearray(content) for base, content in memory.items()}
        values = [
            *cpu.gpr, *cpu.vector, *cpu.access, cpu.fpc, cpu.cc, cpu.program_mask, cpu.system_mask, 0,
        ]  # fmt: skip
        self.known: dict[Term, int] = dict(zip(_UNKNOWNS, values, strict=True))

    def __call__(self, term: Term) -> int:
        found = self.known.get(term)
        if found is None:
            found = self._leaf(term) if term.op == "leaf" else _operate(term, [self(arg) for arg in term.args])
            self.known[term] = found
        return found

    def _leaf(self, term: Term) -> int:
        """Storage at entry; the registers are known from the start."""
        match = _ON_STACK.match(term.leaf.name)
        assert match is not None, term
        assert match.group(1) == "old", term
        return self._bytes(self.before, self.cpu.gpr[15] + int(match.group(2) or 0), term.width // 8)

    @staticmethod
    def _bytes(memory: dict[int, bytes] | dict[int, bytearray], address: int, size: int) -> int:
        base = _region(address)
        content = memory[base][address - base : address - base + size]
        assert len(content) == size, hex(address)
        return int.from_bytes(content, "big")

    def replay(self, events: list[Event]) -> None:
        """Run the storage accesses over concrete storage; a load from unknown storage finds out what it loaded."""
        for kind, address, value, guard in events:
            if guard is not TRUE and not self(guard):
                if kind == "load" and value.op == "leaf" and value.leaf.name.startswith("mem"):
                    self.known[value] = 0  # not accessed: nothing may depend on it
                continue
            at = self(address) & (1 << 64) - 1
            size = value.width // 8
            if kind == "store":
                base = _region(at)
                self.memory[base][at - base : at - base + size] = self(value).to_bytes(size, "big")
                continue
            for unknown in value.leaves():
                match = _ON_STACK.match(unknown.leaf.name)
                if match and match.group(1) == "below_r15" and unknown not in self.known:
                    where = self.cpu.gpr[15] + int(match.group(2) or 0)
                    self.known[unknown] = self._bytes(self.memory, where, unknown.width // 8)
            content = self._bytes(self.memory, at, size)
            if value.op == "leaf" and value.leaf.name.startswith("mem"):
                self.known[value] = content
            else:
                assert self(value) == content, f"the stack gives {self(value):#x} at {address}, not {content:#x}"


def _region(address: int) -> int:
    return next(base for base, size in SIZES.items() if base <= address < base + size)


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


def _operate(term: Term, v: list[int]) -> int:
    """SMT-LIB's definition of each operation, on unsigned Python numbers."""
    op, width = term.op, term.width
    mask = (1 << width) - 1
    inner = term.args[0].width if term.args else 0
    match op:
        case "const":
            return int(term.param)
        case "bvadd":
            return v[0] + v[1] & mask
        case "bvsub":
            return v[0] - v[1] & mask
        case "bvmul":
            return v[0] * v[1] & mask
        case "bvand":
            return v[0] & v[1]
        case "bvor":
            return v[0] | v[1]
        case "bvxor":
            return v[0] ^ v[1]
        case "bvnot":
            return ~v[0] & mask
        case "bvshl":
            return v[0] << v[1] & mask if v[1] < width else 0
        case "bvlshr":
            return v[0] >> v[1] if v[1] < width else 0
        case "bvashr":
            return _signed(v[0], width) >> min(v[1], width) & mask
        case "concat":
            total = 0
            for arg, value in zip(term.args, v, strict=True):
                total = total << arg.width | value
            return total
        case "extract":
            return v[0] >> term.param[1] & (1 << (term.param[0] - term.param[1] + 1)) - 1
        case "zero_extend":
            return v[0]
        case "sign_extend":
            return _signed(v[0], inner) & mask
        case "=":
            return int(v[0] == v[1])
        case "bvult":
            return int(v[0] < v[1])
        case "bvule":
            return int(v[0] <= v[1])
        case "bvslt":
            return int(_signed(v[0], inner) < _signed(v[1], inner))
        case "bvsle":
            return int(_signed(v[0], inner) <= _signed(v[1], inner))
        case "not":
            return 1 - v[0]
        case "and":
            return int(all(v))
        case "or":
            return int(any(v))
        case "ite":
            return v[1] if v[0] else v[2]
    raise AssertionError(f"no rule for {op}")


@dataclass
class Outcome:
    """What the verifier says becomes of one concrete machine."""

    cpu: Cpu
    memory: Memory
    unpredictable: frozenset[int] = field(default_factory=frozenset)


def outcome(step: Step, cpu: Cpu, memory: Memory) -> Outcome:
    """Give the step's terms their values for this machine."""
    state = step.state
    assert isinstance(state, Trace)
    value = Evaluator(cpu, memory)
    value.replay(state.events)
    pc = step.next if step.leaves is None else step.leaves
    for jump in step.jumps:
        if jump.condition is TRUE or value(jump.condition):
            pc = jump.target
    unpredictable = frozenset(
        n for n, term in enumerate(state.vector) if term.leaf is not None and "unpredictable" in term.leaf.name
    )
    code = value(cc.value(state))
    for mask in range(16):
        chosen = value(cc.selected(state.cc, mask))
        assert chosen == mask >> (3 - code) & 1, f"mask {mask} with condition code {code}"
    after = Cpu(
        tuple(map(value, state.gpr)),
        tuple(0 if n in unpredictable else value(term) for n, term in enumerate(state.vector)),
        tuple(map(value, state.access)), value(state.fpc), code, value(state.program_mask),
        value(state.system_mask) & ~(0x3F << 40), value(pc),
    )  # fmt: skip
    _check_stack(state, value)
    return Outcome(after, {base: bytes(content) for base, content in value.memory.items()}, unpredictable)


def _check_stack(state: Trace, value: Evaluator) -> None:
    """What was stored on the stack reads back as what storage holds, while r15 still protects it."""
    if state.sp != 0:
        return
    for offset in sorted(state.stack.bytes):
        byte = state.stack.read(offset, 1, state.sp)
        assert value(extract(byte, 7, 0)) == Evaluator._bytes(value.memory, value.cpu.gpr[15] + offset, 1), offset
