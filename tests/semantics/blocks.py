"""Random blocks of instructions, run on a concrete machine, and followed by the verifier along the way that it takes.

A block is made while it runs: each instruction is chosen for the state in which it will be executed, so that storage
operands lie in storage and branches lead to code. Branches go forward, sometimes back, sometimes out of the block.
The verifier then steps through the same instructions from a start state of its own (unknown, at known distances from
r15, or literal); at a branch it goes where the concrete machine went, once its own condition and target have said so
too; and in the end everything that it says of the machine is compared with the machine.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import islice

from tests.semantics import manual, operands
from tests.semantics.concrete import Evaluator, Event, Trace, code_of, literal, on_stack, performed, symbolic
from tests.semantics.unicorn_machine import CODE, CODE_SIZE, DATA, LOW, SIZES, STACK, Cpu, Interruption, Machine, Memory
from verify.errors import Unsupported
from verify.machine.state import OLD_R15
from verify.machine.storage import Ranges
from verify.machine.term import TRUE, Origin, Term, offset_from
from verify.objfile.image import LINKED_SPACE, Place
from verify.semantics import cc, isa, zarch
from verify.semantics.code import Code
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.isa import used_fields
from verify.semantics.step import Step

assert zarch  # imported for its registrations

SHORTEST, LONGEST, MOST_STEPS = 4, 20, 60
MOST_ROUNDS = 20  # of one instruction
_ABOVE = 64  # bytes that r15 may rise above its value at the start
CHOICES, TRIES = 12, 60

# Rows that no block contains, by the reason.
LEFT_OUT = {
    "they load a PSW, or change the system mask": {"SSM", "STNSM", "STOSM", "LPSW", "LPSWE", "LPSWEY"},
    "they are executed together with their target": {"EX", "EXRL"},
    "they ask for a clock or a processor": {"STCK", "STCKE", "STCKF", "STIDP", "STAP", "STPX", "STPT"},
    "they change what an emulator is": {"SCKC", "STCKC", "SPT", "LPP", "LCTL", "LCTLG", "STCTL", "STCTG"},
    "the last breaking event is not that of a step": {"LBEAR", "STBEAR"},
    "their addresses and lengths are in registers": {"MVCLE"},
    "a call of the supervisor": {"SVC"},
    "its target is in storage, where blocks have numbers": {"BIC"},
}
# What the verifier leaves to assumptions, so that blocks do without it. Storage outside the stack is read afresh each
# time, so that it does not matter to the verifier whether an operand there overlaps the other; in a block it does.
OVERLAP = "operands overlap at an unknown distance"
HIT = "a store at an unknown distance from r15 hits the stack"
_RELATIVE_BRANCH = re.compile(r"(BR(?!P)|C\w*J$)")
_BRANCH_BY_ADDRESS = re.compile(r"(BC|BCT|BCTG|BAS|BAL|BXH|BXLE|BXHG|BXLEG)$")
_BRANCH_BY_REGISTER = re.compile(r"(BCR|BCTR|BCTGR|BASR|BALR)$")
_COMPARE_AND_BRANCH = re.compile(r"C\w*B$")
_POINTERS = (STACK, DATA)
_MARGIN = 0x200  # no operand is longer than 256 bytes
_INTERRUPTION = 192  # bytes below r15 that change


def rows() -> list[str]:
    """The mnemonics that blocks are made of."""
    left_out = set().union(*LEFT_OUT.values())
    return sorted(spec.mnemonic for spec in isa.specs() if spec.source != "-" and spec.mnemonic not in left_out)


# The concrete machine -------------------------------------------------------------------------------------------------


@cache
def _machine() -> Machine:
    return Machine()


def execute(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """One instruction at `cpu.pc`: unicorn's answer, or the manual's. Raises Interruption."""
    if insn.mnemonic in manual.MANUAL:
        return manual.MANUAL[insn.mnemonic][1](insn, cpu, memory)
    try:
        after, stored = _machine().run(cpu, {cpu.pc: insn.raw}, memory)
    except Interruption:
        _machine.cache_clear()  # an instance that was interrupted is not used again
        raise
    return manual.corrected(insn, cpu, after), stored


def interrupted(memory: Memory, entry: Cpu, now: Cpu, index: int) -> Memory:
    """Storage after an interruption before the instruction of that number: it has used what lies below r15.

    Where r15 has gone elsewhere, only what lies below it at entry: the verifier has then lost track of it.
    """
    known = now.gpr[15] <= entry.gpr[15] + _ABOVE
    at = ((now.gpr[15] if known else entry.gpr[15]) & -8) - STACK - _INTERRUPTION
    if not 0 <= at < SIZES[STACK] - _INTERRUPTION:
        return memory
    content, noise = memory[STACK], random.Random(index).randbytes(_INTERRUPTION)
    return {**memory, STACK: content[:at] + noise + content[at + _INTERRUPTION :]}


@dataclass
class Block:
    """What was executed, in order, from `start` to `end`."""

    start: Cpu
    memory: Memory
    code: dict[int, Instruction] = field(default_factory=dict)
    trace: list[tuple[Instruction, Cpu]] = field(default_factory=list)
    """Each instruction with the machine before it."""
    end: Cpu = field(default_factory=Cpu)
    stored: Memory = field(default_factory=dict)

    def after(self, index: int) -> Cpu:
        """The machine after the instruction of that number."""
        return self.trace[index + 1][1] if index + 1 < len(self.trace) else self.end

    def listing(self) -> str:
        """The code, for a message."""
        return " ".join(f"{at - CODE:x}:{insn.mnemonic.lower()}:{insn.raw.hex()}" for at, insn in self.code.items())


# Making blocks --------------------------------------------------------------------------------------------------------


class Generator:
    """Blocks from one seed, of the rows with these mnemonics."""

    def __init__(self, seed: object, names: Sequence[str] = ()) -> None:
        self.pool_seed = str(seed)
        self.rows = sorted(names) or rows()
        self.branches = [name for name in self.rows if _is_branch(name)]
        self.storage = [name for name in self.rows if _is_storage(name)]
        self._pools: dict[str, list[Instruction]] = {}

    def block(self, seed: object, pointers: bool, avoid: frozenset[tuple[int, bytes]] = frozenset()) -> Block:
        """The block of a seed, without the instructions in `avoid` (by address and bytes).

        `pointers` says whether registers other than r15 point into the stack at the start.
        """
        rng = random.Random(f"{self.pool_seed} {seed}")
        memory = operands.storage(rng)
        start = _start(rng, pointers)
        block = Block(start, memory, end=start, stored=memory)
        _Maker(self, rng, block, avoid, rng.randint(SHORTEST, LONGEST)).run()
        return block

    def pool(self, mnemonic: str) -> list[Instruction]:
        """A few instructions of a row, to choose from."""
        if mnemonic not in self._pools:
            rng = random.Random(f"{self.pool_seed} {mnemonic}")
            found = operands.choices(isa.by_mnemonic()[mnemonic], rng, CHOICES)
            self._pools[mnemonic] = list(islice(found, CHOICES + 16))
        return self._pools[mnemonic]


def _is_branch(name: str) -> bool:
    return any(
        kind.match(name) for kind in (_RELATIVE_BRANCH, _BRANCH_BY_ADDRESS, _BRANCH_BY_REGISTER, _COMPARE_AND_BRANCH)
    )


def _is_storage(name: str) -> bool:
    used = used_fields(isa.by_mnemonic()[name])
    return bool({"D1", "D2"} & used) and name not in operands.NO_STORAGE and not _is_branch(name)


def _start(rng: random.Random, pointers: bool) -> Cpu:
    """Any state, in which some registers point at data (and the stack), some at code, and one holds a small count."""
    cpu = operands.registers(rng).with_gpr(15, STACK + 0x1000 + 8 * rng.randrange(16))
    numbers = rng.sample(range(1, 15), 7)
    for number in numbers[:3]:
        cpu = cpu.with_gpr(number, DATA + 0x800 + 8 * rng.randrange(8))
    if pointers:
        for number in numbers[:2]:
            cpu = cpu.with_gpr(number, cpu.gpr[15] + 8 * rng.randrange(32))
    for number in numbers[3:5]:
        cpu = cpu.with_gpr(number, CODE + 2 * rng.randrange(6, 60))
    cpu = cpu.with_gpr(numbers[5], rng.randrange(1, 5))
    return cpu.with_gpr(numbers[6], 8 * rng.randrange(8))


class _Maker:
    """One block under way."""

    def __init__(
        self, source: Generator, rng: random.Random, block: Block, avoid: frozenset[tuple[int, bytes]], length: int
    ) -> None:
        self.source, self.rng, self.block, self.avoid, self.length = source, rng, block, avoid, length
        pairs = [rng.randrange(8) for _ in range(8)]
        few = rng.sample(pairs, 4)
        # Registers by pairs, folded onto a few, so that instructions meet each other's results.
        self.folded = [2 * few[n // 2 % 4] + n % 2 for n in range(16)]

    def run(self) -> None:
        """Execute until the block is long enough, leaves its storage, or is where nothing can be put."""
        block = self.block
        while len(block.trace) < MOST_STEPS and self._inside(block.end.pc):
            known = block.code.get(block.end.pc)
            if known is None and (len(block.code) >= self.length or self._covered(block.end.pc)):
                return
            if not (self._again(known) if known else self._new()):
                return

    @staticmethod
    def _inside(pc: int) -> bool:
        return CODE <= pc < CODE + CODE_SIZE - 64 and pc % 2 == 0

    def _covered(self, pc: int) -> bool:
        return any(at < pc < at + insn.length for at, insn in self.block.code.items())

    def _room(self, pc: int) -> int:
        return min((at - pc for at in self.block.code if at > pc), default=CODE_SIZE)

    def _again(self, insn: Instruction) -> bool:
        """Execute an instruction of the block in another round, if its operands still lie in storage."""
        rounds = sum(cpu.pc == self.block.end.pc for _, cpu in self.block.trace)
        return rounds < MOST_ROUNDS and _operands_fit(insn, self.block.end) and self._try(insn)

    def _new(self) -> bool:
        """Choose an instruction that can be executed here."""
        block, pc = self.block, self.block.end.pc
        room = self._room(pc)
        for _ in range(TRIES):
            insn = self._choose()
            if insn is None or insn.length > room or (pc, insn.raw) in self.avoid:
                continue
            if _operands_fit(insn, block.end) and self._try(insn):
                block.code[pc] = insn
                return True
        return False

    def _try(self, insn: Instruction) -> bool:
        block = self.block
        before = interrupted(block.stored, block.start, block.end, len(block.trace))
        try:
            after, stored = execute(insn, block.end, before)
        except Interruption:
            return False
        if after.program_mask & 8 or not self._stack_pointer_stays(block.end, after):
            return False  # from then on an overflow would interrupt
        block.trace.append((insn, block.end))
        block.end, block.stored = after, stored
        return True

    def _stack_pointer_stays(self, before: Cpu, after: Cpu) -> bool:
        """Few instructions may lose the stack."""
        new = after.gpr[15]
        good = STACK + _MARGIN <= new <= self.block.start.gpr[15] + _ABOVE and new % 8 == 0
        lost = not STACK <= new < STACK + SIZES[STACK]
        return before.gpr[15] == new or good or (lost and self.rng.random() < 0.02)

    # Choosing

    def _choose(self) -> Instruction | None:
        kind = self.rng.random()
        if kind < 0.1:
            return self._frame()
        source = self.source
        names = (source.branches if kind < 0.25 else source.storage if kind < 0.6 else ()) or source.rows
        model = self.rng.choice(source.pool(self.rng.choice(names)))
        values = dict(model.fields)
        self._fold(model, values)
        if not self._aim(model.spec, values):
            return None
        insn = decode(encode(model.spec, values))
        return insn if insn is not None and insn.operand_error is None else None

    def _frame(self) -> Instruction:
        """Make or give back room on the stack."""
        room = 8 * self.rng.choice([-20, -4, -3, -2, -1, 1, 2, 3, 4, 20])
        name = self.rng.choice(["AGHI", "LAY"])
        values = {"R1": 15, "I2": room & 0xFFFF} if name == "AGHI" else {"R1": 15, "B2": 15, "D2": room}
        insn = decode(encode(isa.by_mnemonic()[name], values))
        assert insn is not None
        return insn

    def _fold(self, model: Instruction, values: dict[str, int]) -> None:
        general = {token for token in re.findall(r"[a-z]?R\d", model.spec.operands) if token[0] in "eR"}
        for token in general:
            name = token.lstrip("e")
            if name in values:
                values[name] = self.folded[values[name]]

    def _aim(self, spec: isa.Spec, values: dict[str, int]) -> bool:
        """Give the instruction operands in storage, and branch targets in the block; whether there are such."""
        name, used, relative = spec.mnemonic, used_fields(spec), isa.formats()[spec.format].relative
        if _RELATIVE_BRANCH.match(name) and relative:
            values[relative] = self._distance(spec)
        elif relative and spec.format.startswith("RIL"):
            values[relative] = self._to_data(name)
        if _BRANCH_BY_REGISTER.match(name):
            return self._by_register(values)
        if _BRANCH_BY_ADDRESS.match(name):
            return self._by_address(values, "2")
        if _COMPARE_AND_BRANCH.match(name) and "D4" in used:
            return self._by_address(values, "4")
        if name not in operands.NO_STORAGE:
            for number in "12":
                if f"D{number}" in used:
                    self._in_storage(spec, values, number)
        return True

    def _distance(self, spec: isa.Spec) -> int:
        """Halfwords to another instruction: near ahead, sometimes back, sometimes out of the block."""
        pc, kind = self.block.end.pc, self.rng.random()
        if kind < 0.15 and self.block.code:
            return (self.rng.choice(list(self.block.code)) - pc) // 2
        if kind < 0.18:
            return 0x1000
        return isa.formats()[spec.format].length // 2 + self.rng.choice([0, 1, 2, 3, 3, 5, 8])

    def _to_data(self, name: str) -> int:
        """Halfwords to the data, or for LARL sometimes to the block."""
        ahead = CODE + 2 * self.rng.randrange(8, 100)
        target = ahead if name == "LARL" and self.rng.random() < 0.7 else DATA + 0x800 + 8 * self.rng.randrange(16)
        return (target - self.block.end.pc) // 2

    def _holding(self, good: Callable[[int], bool]) -> list[int]:
        return [number for number in range(1, 16) if good(self.block.end.gpr[number])]

    def _by_register(self, values: dict[str, int]) -> bool:
        found = self._holding(self._inside)
        values["R2"] = self.rng.choice([0, *found, *found])
        return True

    def _by_address(self, values: dict[str, int], number: str) -> bool:
        """Base and displacement that lead to the code, which no displacement alone does."""
        found = self._holding(self._inside)
        if not found:
            return False
        values |= {f"B{number}": self.rng.choice(found), f"D{number}": 2 * self.rng.randrange(16)}
        if f"X{number}" in values:
            values[f"X{number}"] = 0
        return True

    def _in_storage(self, spec: isa.Spec, values: dict[str, int], number: str) -> None:
        """A base register that points into storage, and an address near it; the lowest storage where none does."""
        base, index = f"B{number}", f"X{number}"
        found = self._holding(_points)
        small = self._holding(lambda value: 0 < value < 256)
        if index in values:
            values[index] = self.rng.choice([0, 0, *small[:1]])
        if not found:
            values[base], values[f"D{number}"] = 0, 8 * self.rng.randrange(64, 400)
            return
        values[base] = self.rng.choice(found + [15] * (15 in found) * 2)
        near = self.rng.choice([0, 8, 16, 24, 160, 8 * self.rng.randrange(24), 4 * self.rng.randrange(48)])
        if self.rng.random() < 0.25 and spec.mnemonic not in operands.ALIGNED:
            near += self.rng.randrange(8)
        signed = next(one.signed for one in isa.formats()[spec.format].fields if one.name == f"D{number}")
        if signed and self.rng.random() < 0.3:
            near = -near
        values[f"D{number}"] = near


def _points(value: int) -> bool:
    return any(base + _MARGIN <= value < base + SIZES[base] - _MARGIN for base in _POINTERS)


def _operands_fit(insn: Instruction, cpu: Cpu) -> bool:
    """Whether the storage operands lie well inside storage."""
    name, used = insn.mnemonic, used_fields(insn.spec)
    if _is_branch(name) or name in operands.NO_STORAGE:
        return True
    for number in "12":
        if f"D{number}" in used:
            at = manual.address(insn, cpu, number)
            if not any(base + 16 <= at < base + SIZES[base] - _MARGIN for base in (LOW, *_POINTERS)):
                return False
    return True


# Following a block with the verifier ----------------------------------------------------------------------------------

_INDETERMINATE = re.compile(r"^(?:unwritten|below_r15)\.mem\[old\.r15([+-]\d+)?\]#\d+$")
_CALLER_UP = Ranges(((0, None),))


class Refused(Exception):
    """An instruction does what the verifier assumes that it does not: `OVERLAP`, or `HIT`."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(why)
        self.index, self.why = index, why


class Contradiction(Exception):
    """A load on the verifier's own stack gives what is not there."""


def _overlap(insn: Instruction, cpu: Cpu) -> bool:
    """Whether two operands in storage, at most 256 bytes long, have bytes in common."""
    if not {"D1", "D2", "L"} <= used_fields(insn.spec):
        return False
    first, second = (manual.address(insn, cpu, number) for number in "12")
    return first != second and abs(first - second) < 256


def _is_read_afresh(value: Term) -> bool:
    return value.leaf is not None and value.leaf.name.startswith("mem")


def _region(address: int) -> int:
    return next(base for base, size in SIZES.items() if base <= address < base + size)


class Found(Evaluator):
    """An evaluator that goes along: storage that the verifier does not know holds what it holds when it is read."""

    def interrupt(self, now: Cpu, index: int) -> None:
        """What `interrupted` does."""
        memory = interrupted({STACK: bytes(self.memory[STACK])}, self.cpu, now, index)
        self.memory[STACK] = bytearray(memory[STACK])

    def happen(self, event: Event) -> None:
        """Let one access take place in the storage here. A load must give what is there."""
        if event.guard is not TRUE and not self(event.guard):
            if event.kind == "load" and _is_read_afresh(event.value):
                self.known[event.value] = 0  # not accessed: nothing may depend on it
            self.on_stack(event.value)
            return
        at, size = self(event.address), event.value.width // 8
        if event.kind == "store":
            base = _region(at)
            self.memory[base][at - base : at - base + size] = self(event.value).to_bytes(size, "big")
            return
        content = self._bytes(self.memory, at, size)
        if _is_read_afresh(event.value):
            self.known[event.value] = content
        self.on_stack(event.value)
        said = self(event.value)
        if said != content:
            raise Contradiction(f"the stack gives {said:#x} at {event.address}, not {content:#x}")

    def on_stack(self, term: Term) -> None:
        """Bytes of the stack in this term that the verifier knows nothing of hold what they hold now."""
        for unknown in term.leaves() - self.known.keys():
            assert unknown.leaf is not None
            match = _INDETERMINATE.match(unknown.leaf.name)
            if match:
                at = self.cpu.gpr[15] + int(match.group(1) or 0)
                self.known[unknown] = self._bytes(self.memory, at, unknown.width // 8)

    def observe(self, state: Trace, after: Cpu) -> None:
        """What POP calls unpredictable is what the concrete machine has there, from now on."""
        for term, number in zip(state.vector, after.vector, strict=True):
            if term.leaf is not None and term.leaf.origin is Origin.MACHINE:
                self.known.setdefault(term, number)


def from_unknown(code: Code, cpu: Cpu) -> Trace:
    """Nothing is known."""
    return symbolic(code, cpu.pc)


STARTS: dict[str, Callable[[Code, Cpu], Trace]] = {"symbolic": from_unknown, "stack": on_stack, "literal": literal}


class Follower:
    """The verifier on the way that a block took, from one kind of start."""

    def __init__(self, block: Block, how: str) -> None:
        self.block, self.how = block, how
        self.code = code_of({at: insn.raw for at, insn in block.code.items()})
        self.state = STARTS[how](self.code, block.start)
        self.state.stack.defined = _CALLER_UP
        self.value = Found(block.start, block.memory)
        self.seen = 0

    def differences(self, *, each: bool = False) -> list[str]:
        """What differs at the end; with `each`, what differs first after any instruction. Raises Refused."""
        for index, (insn, before) in enumerate(self.block.trace):
            step = self._step(index, insn, before)
            after = self.block.after(index)
            self.value.interrupt(before, index)
            self._advance(index)
            self.value.observe(self.state, after)
            pc = self._next(step)
            if pc != after.pc:
                return [f"after {index}, {insn.mnemonic}: the next address is {after.pc:#x}, not {pc:#x}"]
            wrong = self._compare(after) if each else []
            if wrong:
                return [f"after {index}, {insn.mnemonic}", *wrong]
            self.state.pc = self.code.address(Place(LINKED_SPACE, after.pc))
        return [*self._compare(self.block.end), *self._storage()]

    def _step(self, index: int, insn: Instruction, before: Cpu) -> Step:
        step = performed(self.code, self.state, before.pc)
        if _overlap(insn, before) and offset_from(step.address("1"), step.address("2")) is None:
            raise Refused(index, OVERLAP)
        return step

    def _advance(self, index: int) -> None:
        """Let the new accesses happen, and give every register its number while that is near at hand."""
        new = self.state.events[self.seen :]
        self.seen = len(self.state.events)
        for event in new:
            if self.how != "literal" and self._hits_stack(event):
                raise Refused(index, HIT)
            for term in self._kept(event):
                self.value.on_stack(term)
            self.value.happen(event)
        for term in (*self.state.gpr, *self.state.vector, *self.state.cc):
            if term.op != "leaf" or term in self.value.known:
                self.value(term)

    def _kept(self, event: Event) -> list[Term]:
        """A store that may not take place keeps what was there in a term of its own."""
        return (
            [] if event.kind == "load" or event.guard is TRUE else [term for term, _ in self.state.stack.bytes.values()]
        )

    def _hits_stack(self, event: Event) -> bool:
        if event.kind != "store" or offset_from(event.address, OLD_R15) is not None:
            return False
        return self.value(event.guard) == 1 and STACK <= self.value(event.address) < STACK + SIZES[STACK]

    def _next(self, step: Step) -> int:
        """Where the verifier says that control goes."""
        for jump in step.jumps:
            if jump.condition is TRUE or self.value(jump.condition):
                return self.value(jump.target)
        return self.value(step.next)

    def _compare(self, after: Cpu) -> list[str]:
        """The registers, by the fields of Cpu."""
        state, value = self.state, self.value
        code = value(cc.value(state))
        said = replace(
            after, gpr=tuple(map(value, state.gpr)), vector=tuple(map(value, state.vector)),
            access=tuple(map(value, state.access)), fpc=value(state.fpc), cc=code,
            program_mask=value(state.program_mask), system_mask=value(state.system_mask) & ~(0x3F << 40),
        )  # fmt: skip
        lines = [f"mask {mask} with condition code {code}" for mask in range(16) if not self._selects(mask, code)]
        for item in fields(Cpu):
            one, other = getattr(said, item.name), getattr(after, item.name)
            if one != other:
                lines += [f"{item.name}{where} is {b:#x}, not {a:#x}" for where, a, b in _unlike(one, other)]
        return lines

    def _selects(self, mask: int, code: int) -> bool:
        return self.value(cc.selected(self.state.cc, mask)) == mask >> (3 - code) & 1

    def _storage(self) -> list[str]:
        """All storage, as the stores left it, and the verifier's own stack from r15 up."""
        lines = []
        for base, content in self.block.stored.items():
            wrong = [base + n for n, (a, b) in enumerate(zip(self.value.memory[base], content, strict=True)) if a != b]
            if wrong:
                lines.append(f"{len(wrong)} bytes of storage differ from {wrong[0]:#x}")
        stack, sp = self.state.stack, self.state.sp
        for offset in sorted(stack.bytes):
            if offset >= (sp or 0):
                said = self.value(stack.read(offset, 1, sp))
                there = Evaluator._bytes(self.value.memory, self.block.start.gpr[15] + offset, 1)
                if said != there:
                    lines.append(f"the stack has {said:#x} at {offset:+d}, storage {there:#x}")
        return lines


def _unlike(one: object, other: object) -> Iterator[tuple[str, int, int]]:
    if isinstance(one, tuple) and isinstance(other, tuple):
        yield from ((f"[{n}]", a, b) for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    else:
        assert isinstance(one, int)
        assert isinstance(other, int)
        yield "", one, other


# A campaign -----------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What a campaign did."""

    blocks: Counter[str] = field(default_factory=Counter)
    """Blocks compared, by kind of start."""
    steps: int = 0
    taken: int = 0
    """Branches that left the sequence."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Instructions that blocks had to do without, by the reason."""
    mnemonics: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def differences(block: Block, how: str, *, each: bool = False) -> list[str]:
    """As `Follower.differences`; what stops the verifier is a difference too. Raises Refused."""
    try:
        return Follower(block, how).differences(each=each)
    except Unsupported as refusal:
        return [f"the verifier refuses: {refusal}"]
    except Contradiction as found:
        return [str(found)]


def compare(generator: Generator, number: int, tally: Tally) -> None:
    """One block, from the kind of start that its number says, without what the verifier assumes away."""
    how = list(STARTS)[number % len(STARTS)]
    avoid: frozenset[tuple[int, bytes]] = frozenset()
    while True:
        block = generator.block(number, how != "symbolic", avoid)
        try:
            wrong = differences(block, how)
        except Refused as refusal:
            insn, before = block.trace[refusal.index]
            avoid |= {(before.pc, insn.raw)}
            tally.dropped[refusal.why] += 1
            continue
        if wrong:
            first = differences(block, how, each=True)
            tally.wrong.append(f"block {number} {how}: {block.listing()}: {first} {wrong} from {block.start}")
        tally.blocks[how] += 1
        tally.steps += len(block.trace)
        tally.taken += sum(block.after(n).pc != cpu.pc + insn.length for n, (insn, cpu) in enumerate(block.trace))
        tally.mnemonics.update(insn.mnemonic for insn, _ in block.trace)
        return
