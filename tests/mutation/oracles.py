"""What each family of trampolines must do, as a concrete check of one run: transcribed by hand from the kernel's
protocols (entry, handler, exit), not from models/. No part of `verify` is used here.

A trial starts a routine with random registers and storage, plays the handlers, and collects the names of the properties
that this run violates.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tests.mutation.machine import (
    CC_MASK,
    CODE,
    CODE_SIZE,
    DATA,
    DATA_SIZE,
    ENTRY_R15,
    LOWCORE,
    LOWCORE_SIZE,
    STACK,
    STACK_SIZE,
    Crash,
    Machine,
)

# struct stack_frame of -mpacked-stack: the callee may write 0..151 of its caller's frame, never the back chain.
SAVE_AREA, BACK_CHAIN, OVERHEAD, RETURN_SLOT = 152, 152, 160, 136
PARENT_SLOT = 8  # where code compiled with -pg keeps its return address (r14 protocol)
# struct pt_regs: these fields have not moved since 2.6.
PSW_MASK, PSW_ADDR, GPRS, ORIG_GPR2, FLAGS = 8, 16, 24, 152, 176
FULL_REGS = 0x10
VARIABLES = frozenset(
    {"function_trace_stop", "function_trace_op", "ftrace_trace_function", "ftrace_func", "ftrace_dyn_func"}
)
FUNCTIONS = frozenset({"handler", "prepare_ftrace_return", "ftrace_return_to_handler"})
_WORD = (1 << 64) - 1


class _Stop(Exception):
    """The run cannot go on: its violation is recorded."""


@dataclass
class Trial:
    """One run of one routine: what was there at entry, what is true by now, and what went wrong."""

    machine: Machine
    rng: random.Random
    graph: bool = False
    """Whether the graph tracer's site is patched."""
    stop: bool = False
    """function_trace_stop (r14 protocol)."""
    cc: int = 0
    """The condition code at entry."""
    violations: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    r15: int = 0
    old: list[int] = field(default_factory=list)
    psw_mask: int = 0
    others: tuple[int, ...] = ()
    data: bytes = b""
    lowcore: bytes = b""
    stack: bytes = b""

    def check(self, good: bool, prop: str, what: str) -> None:
        if not good:
            self.violations.append(f"{prop}: {what}")

    def equal(self, found: int, wanted: int, prop: str, what: str) -> None:
        self.check(found == wanted, prop, f"{what} is {found:#x}, not {wanted:#x}")

    def code_address(self) -> int:
        """An address at which there might be code (there is nothing in this machine), sometimes near an overflow."""
        while True:
            value = self.rng.getrandbits(64)
            kind = self.rng.randrange(8)
            if kind == 0:
                value &= 0xFFFFFFFF_0000000F
            elif kind in (1, 2):
                value = 1 << 63 | value & 0x7
            elif kind == 3:
                value &= 0x1F
            value &= ~1
            if value and not CODE - 0x10000 <= value < CODE + 0x20000:
                return value

    # Before and after

    def prepare(self) -> None:
        """Random contents everywhere; the handler variables point at handlers."""
        machine, rng = self.machine, self.rng
        self.r15 = ENTRY_R15 + 8 * rng.choice([0, 1, 2, rng.randrange(64)])
        self.old = [rng.getrandbits(64) for _ in range(15)] + [self.r15]
        for number in (0, 14):
            self.old[number] = self.code_address()
        machine.set_gprs(self.old)
        self.psw_mask = machine.set_random_psw_mask(rng, self.cc)
        machine.set_random_others(rng)
        self.others = machine.others()
        machine.fill(rng, STACK, STACK + STACK_SIZE)
        machine.fill(rng, LOWCORE, LOWCORE + LOWCORE_SIZE)
        machine.fill(rng, DATA, DATA + DATA_SIZE)

    def snapshot(self) -> None:
        """What must not change from here on."""
        machine = self.machine
        self.data = machine.read_bytes(DATA, DATA_SIZE)
        self.lowcore = machine.read_bytes(LOWCORE, LOWCORE_SIZE)
        above = self.r15 + SAVE_AREA
        self.stack = machine.read_bytes(above, STACK + STACK_SIZE - above)

    def finish(self, writable: int = SAVE_AREA) -> None:
        """What holds at every exit of every trampoline: `writable` bytes at entry r15 are the routine's."""
        machine, top = self.machine, self.r15 + SAVE_AREA
        self.equal(machine.gprs()[15], self.r15, "stack-balanced", "r15")
        self.check(machine.read_bytes(top, len(self.stack)) == self.stack, "stack-confined", "the caller's frame")
        self.check(machine.read_bytes(DATA, DATA_SIZE) == self.data, "memory-frame", "a variable")
        self.check(machine.read_bytes(LOWCORE, LOWCORE_SIZE) == self.lowcore, "memory-frame", "the lowcore")
        self.check(machine.read_bytes(CODE, CODE_SIZE) == machine.code, "memory-frame", "code")
        self.check(machine.others() == self.others, "vector-preserved", "a floating-point or access register")
        changed = (machine.psw_mask() ^ self.psw_mask) & ~CC_MASK
        self.check(not changed, "mode-preserved", f"bits {changed:#x} of the PSW mask")
        for address, size, r15 in machine.writes:
            if not STACK <= address < STACK + STACK_SIZE:
                self.check(False, "memory-frame", f"a store at {address:#x}")
            elif address < min(r15, self.r15) or address < r15:
                self.check(False, "stack-confined", f"a store {r15 - address} bytes below r15")
            elif address + size > self.r15 + writable:
                self.check(False, "stack-confined", f"a store at entry r15 + {address - self.r15}")

    def no_indirect_branch(self) -> None:
        self.check(not self.machine.indirect, "expoline", "an indirect branch outside an execute")

    def registers(self, wanted: dict[int, int], prop: str) -> None:
        found = self.machine.gprs()
        for number, value in wanted.items():
            self.equal(found[number], value, prop, f"r{number}")

    # Calls

    def called(self, name: str) -> list[int]:
        """A handler was reached: what every handler may rely on. The registers."""
        machine = self.machine
        registers = machine.gprs()
        r15 = registers[15]
        self.check(name not in self.calls, "handler-arguments", f"{name} is called again")
        self.calls.append(name)
        self.check(r15 % 8 == 0, "call-abi", f"r15 at the call of {name} is {r15:#x}")
        self.check(r15 <= self.r15, "call-abi", f"the save area for {name} is not free")
        self.check(machine.place(registers[14]) is not None, "call-abi", f"r14 at the call of {name}")
        if not STACK + OVERHEAD <= r15 < STACK + STACK_SIZE - OVERHEAD:
            self.check(False, "call-abi", f"r15 at the call of {name} is not on the stack: {r15:#x}")
            raise _Stop
        return registers

    def chain(self, r15: int, returns: list[int]) -> None:
        """The unwinder's way: each back chain leads up to a frame, whose r14 slot has the return address."""
        machine, frame = self.machine, r15
        for hop, wanted in enumerate(returns or [None]):
            above = machine.read(frame + BACK_CHAIN)
            self.check(frame < above <= self.r15, "backchain", f"back chain {hop} is {above:#x}")
            if not frame < above <= self.r15:
                return
            frame = above
            if wanted is not None:
                self.equal(machine.read(frame + RETURN_SLOT), wanted, "backchain", f"return address {hop}")
        self.equal(frame, self.r15, "backchain", "the last frame")

    def struct(self, at: int, size: int, r15: int) -> None:
        """A struct on the stack, inside the own frame."""
        inside = r15 + OVERHEAD <= at and at + size <= self.r15
        self.check(inside and at % 8 == 0, "call-abi", f"struct at {at:#x}, r15 {r15:#x}, entry r15 {self.r15:#x}")
        if not STACK <= at < STACK + STACK_SIZE - size:
            raise _Stop

    def volatile(self, r15: int) -> None:
        """What a callee leaves behind: nothing it may change is as it was."""
        machine, rng = self.machine, self.rng
        for number in (0, 1, 2, 3, 4, 5, 14):
            machine.set_gpr(number, rng.getrandbits(64))
        machine.set_random_cc(rng)
        machine.fill(rng, STACK, r15 + SAVE_AREA)
        machine.fill(rng, DATA, DATA + DATA_SIZE)
        self.data = machine.read_bytes(DATA, DATA_SIZE)

    def sometimes(self) -> bool:
        return self.rng.random() < 0.5

    def run(self, entry: int, services: dict[int, Callable[[Machine], int]]) -> int:
        self.snapshot()
        return self.machine.run(entry, services, self.rng)


# The r14 protocol, 2.6.29 to 3.17 -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mcount:
    """What the versions of the r14 protocol differ in; as it stands, 3.12 to 3.16."""

    insn_size: int = 12
    handler: str = "ftrace_trace_function"
    stops: bool = True
    ip_first: bool = False
    """The graph tracer gets ip, then the parent."""
    always: bool = False
    """The graph tracer is called each time, without a patch site."""
    first_kept: int = 2
    """The registers from this one to r13 end as at entry."""
    regs: bool = False


def mcount(trial: Trial, entry: int, era: Mcount) -> None:
    """r14 leads back into the traced function, 8(r15) holds the parent's return address; r0, r1 are free."""
    machine, rng, old, regs = trial.machine, trial.rng, trial.old, era.regs
    trial.graph |= era.always
    parent = trial.code_address()
    machine.write(trial.r15 + PARENT_SLOT, parent)
    handler, operation = machine.address(era.handler), None
    stubs = {"handler": machine.address("handler"), "graph": machine.address("prepare_ftrace_return")}
    nonzero = rng.choice([1, 0x100, 0x10000, 0x1000000, 0x80000000, rng.getrandbits(32) | 1])
    if era.stops:
        machine.write(machine.address("function_trace_stop"), nonzero if trial.stop else 0, 4)
    machine.write(handler, stubs["handler"])
    if regs:
        operation = rng.getrandbits(64)
        machine.write(machine.address("function_trace_op"), operation)
    now = _Regs(trial, size=176)

    def call_handler(_: Machine) -> int:
        seen = trial.called("handler")
        trial.check(not trial.stop, "handler-arguments", "the handler is called though tracing is stopped")
        trial.equal(seen[2], old[14] - era.insn_size & _WORD, "handler-arguments", "ip")
        trial.equal(seen[3], parent, "handler-arguments", "parent ip")
        trial.chain(seen[15], [])
        if regs:
            assert operation is not None
            trial.equal(seen[4], operation, "handler-arguments", "op")
            now.handed(seen[5], seen[15])
            now.complete(PSW_MASK, trial.psw_mask)
            now.complete(PSW_ADDR, old[14])
            for n in range(2, 14):
                now.complete(GPRS + 8 * n, old[n])
            now.complete(GPRS + 8 * 14, parent)
            now.complete(GPRS + 8 * 15, trial.r15)
        trial.volatile(seen[15])
        if regs:
            now.change(direct=False)
        return seen[14]

    def call_graph(_: Machine) -> int:
        seen = trial.called("graph")
        trial.check(trial.graph, "handler-arguments", "the graph tracer is called though it is off")
        trial.check(trial.calls[0] == "handler", "handler-arguments", "the graph tracer is called first")
        if regs:
            trial.equal(seen[2], now.value(14), "handler-arguments", "the graph tracer's parent")
            good = seen[3] in (old[14], now.target)
        else:
            ip, first = (2, 3) if era.ip_first else (3, 2)
            trial.equal(seen[first], parent, "handler-arguments", "the graph tracer's parent")
            good = seen[ip] == old[14]
        trial.check(good, "handler-arguments", f"the graph tracer's ip is neither r14 nor the target: {seen[2:4]}")
        trial.chain(seen[15], [])
        trial.volatile(seen[15])
        now.result = trial.code_address()
        machine.set_gpr(2, now.result)
        return seen[14]

    end = trial.run(entry, {stubs["handler"]: call_handler, stubs["graph"]: call_graph})
    trial.finish()
    if trial.stop:
        trial.equal(end, old[14], "psw-redirect", "the exit")
        trial.registers({n: old[n] for n in range(2, 15)}, "callee-saved")
        trial.equal(machine.read(trial.r15 + PARENT_SLOT), parent, "regs-honoured", "8(entry r15)")
        return
    _made(trial)
    found = machine.gprs()
    if regs:
        trial.equal(end, now.target, "psw-redirect", "the exit")
        trial.registers({n: now.value(n) for n in range(2, 14)}, "regs-honoured")
        if now.target != old[14]:
            trial.equal(found[14], now.value(14), "redirect-entry", "r14")
        kept = now.value(14)
    else:
        kept = parent if now.result is None else now.result
        trial.equal(end, old[14], "psw-redirect", "the exit")
        trial.registers({n: old[n] for n in range(era.first_kept, 14)}, "callee-saved")
        # The traced function's next instruction reloads r14 from 8(r15), so that value is as good.
        trial.check(found[14] in (old[14], kept), "callee-saved", f"r14 is {found[14]:#x}")
    trial.equal(machine.read(trial.r15 + PARENT_SLOT), kept, "regs-honoured", "8(entry r15)")


def _made(trial: Trial) -> None:
    wanted = ["handler", "graph"] if trial.graph else ["handler"]
    trial.check(trial.calls == wanted, "handler-arguments", f"calls {trial.calls}, not {wanted}")


@dataclass
class _Regs:
    """struct pt_regs as the handler left it."""

    trial: Trial
    size: int
    at: int = 0
    target: int = 0
    gprs: dict[int, int] = field(default_factory=dict)
    direct: int = 0
    result: int | None = None

    def handed(self, at: int, r15: int) -> None:
        self.trial.struct(at, self.size, r15)
        self.at = at

    def complete(self, offset: int, wanted: int, bits: int = _WORD) -> None:
        found = self.trial.machine.read(self.at + offset)
        self.trial.equal(found & bits, wanted & bits, "regs-complete", f"pt_regs + {offset}")

    def change(self, *, direct: bool) -> None:
        """The handler changes nothing, or some of what it may."""
        trial, machine = self.trial, self.trial.machine
        inert = trial.rng.random() < 0.2
        self.target = machine.read(self.at + PSW_ADDR)
        if not inert and trial.sometimes():
            self.target = trial.code_address()
            machine.write(self.at + PSW_ADDR, self.target)
        for n in range(2, 15):
            if not inert and trial.sometimes():
                machine.write(self.at + GPRS + 8 * n, trial.rng.getrandbits(64))
            self.gprs[n] = machine.read(self.at + GPRS + 8 * n)
        if direct:
            address = trial.code_address()
            self.direct = 0 if inert else trial.rng.choice([0, address, address << 32 & _WORD, address & 0xFFFFFFFE])
            machine.write(self.at + ORIG_GPR2, self.direct)

    def value(self, n: int) -> int:
        """What register n must hold by the struct; the graph call's result is the new gprs[14]."""
        return self.result if n == 14 and self.result is not None else self.gprs.get(n, 0)


# The r0 protocol, 3.18 and later --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Era:
    """What the versions of the r0 protocol differ in."""

    insn_size: int
    pt_size: int
    handler: str
    direct: bool = False
    """orig_gpr2 may name a direct caller; r0 is then where it continues."""
    framed: bool = False
    """A frame for the traced function."""
    graph_sp: bool = False
    """The graph tracer gets the stack pointer too."""
    expoline: bool = False
    fixup: int = 0
    psw_bits: int = 0
    """The bits of the PSW's mask that are handed out."""
    flags: int = 0


_LINUX_3_18 = Era(18, 184, "ftrace_trace_function")
_LINUX_6_12 = Era(6, 200, "ftrace_func", direct=True, framed=True, graph_sp=True, expoline=True)
_LINUX_6_12_REGS = replace(_LINUX_6_12, psw_bits=_WORD, flags=FULL_REGS)


def r0_protocol(trial: Trial, entry: int, era: Era) -> None:
    """r0 is where to continue in the traced function, r14 the parent's return address; r1 is free."""
    machine, rng, old = trial.machine, trial.rng, trial.old
    operation = rng.getrandbits(64)
    stubs = {"handler": machine.address("handler"), "graph": machine.address("prepare_ftrace_return")}
    machine.write(machine.address(era.handler), stubs["handler"])
    machine.write(machine.address("function_trace_op"), operation)
    now = _Regs(trial, era.pt_size)
    if era.fixup and trial.sometimes():
        old[0] |= 0xFFFFFFFE  # a carry out of the right half
        machine.set_gprs(old)
    resume = old[0] + era.fixup & _WORD
    frames = [resume, old[14]] if era.framed else []

    def call_handler(_: Machine) -> int:
        seen = trial.called("handler")
        trial.equal(seen[2], resume - era.insn_size & _WORD, "handler-arguments", "ip")
        trial.equal(seen[3], old[14], "handler-arguments", "parent ip")
        trial.equal(seen[4], operation, "handler-arguments", "op")
        trial.chain(seen[15], frames)
        now.handed(seen[5], seen[15])
        now.complete(PSW_ADDR, resume)
        for n in range(2, 15):
            now.complete(GPRS + 8 * n, old[n])
        now.complete(GPRS + 8 * 15, trial.r15)
        if era.direct:
            now.complete(ORIG_GPR2, 0)
            now.complete(FLAGS, era.flags)
        now.complete(PSW_MASK, trial.psw_mask, era.psw_bits)
        trial.volatile(seen[15])
        now.change(direct=era.direct)
        return seen[14]

    def call_graph(_: Machine) -> int:
        seen = trial.called("graph")
        trial.check(trial.graph, "handler-arguments", "the graph tracer is called though it is off")
        trial.check(trial.calls[0] == "handler", "handler-arguments", "the graph tracer is called first")
        arguments = [now.value(14), *([trial.r15] if era.graph_sp else []), now.target]
        for n, wanted in enumerate(arguments, 2):
            trial.equal(seen[n], wanted, "handler-arguments", f"r{n} of the graph tracer")
        trial.chain(seen[15], frames)
        trial.volatile(seen[15])
        now.result = trial.code_address()
        machine.set_gpr(2, now.result)
        return seen[14]

    services: dict[int, Callable[[Machine], int]] = {stubs["handler"]: call_handler, stubs["graph"]: call_graph}
    end = trial.run(entry, services | _thunks(machine))
    trial.finish()
    _made(trial)
    trial.equal(end, now.direct or now.target, "psw-redirect", "the exit")
    trial.registers({n: now.value(n) for n in range(2, 15)}, "regs-honoured")
    if era.direct:
        trial.registers({0: now.target}, "regs-honoured")
    if era.expoline:
        trial.no_indirect_branch()


def _thunks(machine: Machine) -> dict[int, Callable[[Machine], int]]:
    """Expoline thunks of another object."""
    found: dict[int, Callable[[Machine], int]] = {}
    for name, address in machine.externals.items():
        _, mark, number = name.partition("__s390_indirect_jump_r")
        if mark:
            found[address] = lambda m, n=int(number): m.gprs()[n]
    return found


# return_to_handler ----------------------------------------------------------------------------------------------------


def return_to_handler(
    trial: Trial, entry: int, *, size: int = 0, r2_at: int = 0, r15_at: int = 0, expoline: bool = True
) -> None:
    """r2, r3 hold the traced function's result, r15 is the parent's; the handler returns the real return address.

    From 6.5 on it gets a struct of that size, with r2 and r15 in it.
    """
    machine, old = trial.machine, trial.old
    handler = machine.address("ftrace_return_to_handler")
    back = trial.code_address()

    def call_handler(_: Machine) -> int:
        seen = trial.called("handler")
        trial.chain(seen[15], [])
        if size:
            trial.struct(seen[2], size, seen[15])
            trial.equal(machine.read(seen[2] + r2_at), old[2], "regs-complete", "the result")
            trial.equal(machine.read(seen[2] + r15_at), trial.r15, "regs-complete", "the frame pointer")
        trial.volatile(seen[15])
        machine.set_gpr(2, back)
        return seen[14]

    end = trial.run(entry, {handler: call_handler} | _thunks(machine))
    trial.finish()
    _made(trial)
    trial.equal(end, back, "psw-redirect", "the exit")
    trial.registers({14: back}, "callee-saved")
    trial.registers({n: old[n] for n in range(2, 6)}, "return-value")
    trial.registers({n: old[n] for n in range(6, 14)}, "callee-saved")
    if expoline:
        trial.no_indirect_branch()


# Expoline thunks ------------------------------------------------------------------------------------------------------


def thunk(trial: Trial, entry: int, *, register: int) -> None:
    """Control goes where the register says; nothing changes."""
    machine, old = trial.machine, trial.old
    if register != 15:  # r15 stays the stack pointer, also as a target
        old[register] = trial.code_address()
        machine.set_gprs(old)
    end = trial.run(entry, {})
    trial.finish(writable=0)
    trial.equal(end, old[register], "psw-redirect", "the exit")
    trial.registers(dict(enumerate(old)), "callee-saved")
    trial.check(not machine.writes, "stack-confined", "a store")
    trial.equal(machine.psw_mask(), trial.psw_mask, "mode-preserved", "the PSW mask")
    trial.no_indirect_branch()


# Which routine obeys what ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oracle:
    """A protocol, the states of the machine around it, and what the kernel writes at the graph tracer's site."""

    play: Callable[[Trial, int], None]
    graph_site: Callable[[Machine, int], bytes] | None = None
    stops: bool = False

    def scenarios(self) -> Iterator[tuple[bool, bool]]:
        """(graph tracer on, function_trace_stop)."""
        for graph in (False, True) if self.graph_site else (False,):
            for stop in (False, True) if self.stops else (False,):
                yield graph, stop

    def judge(self, machine: Machine, symbol: str, seed: int, *, graph: bool, stop: bool) -> list[str]:
        """The properties that one run violates. The machine is loaded, and not patched."""
        trial = Trial(machine, random.Random(seed), graph, stop, seed % 4)
        trial.prepare()
        try:
            self.play(trial, machine.address(symbol))
        except _Stop:
            assert trial.violations
        except Crash as crash:
            trial.violations.append(f"crash: {crash}")
        return trial.violations

    def patch(self, machine: Machine) -> None:
        """Switch the graph tracer on, as the kernel does."""
        assert self.graph_site is not None
        labels = ("ftrace_graph_caller", "ftrace_regs_graph_caller")
        site = machine.address(next(label for label in labels if label in machine.object.symbols))
        machine.poke_code(site, self.graph_site(machine, site))


def bras_target(machine: Machine, site: int) -> bytes:
    """3.12: the offset of the branch is overwritten."""
    distance = machine.address("prepare_ftrace_return") - site
    assert -0x10000 <= distance < 0x10000
    return machine.code[site - CODE : site - CODE + 2] + (distance // 2 & 0xFFFF).to_bytes(2, "big")


def no_branch(machine: Machine, site: int) -> bytes:
    """3.18 and later: the branch's mask is overwritten."""
    at = site - CODE
    return machine.code[at : at + 1] + b"\x04" + machine.code[at + 2 : at + 4]


def _return(**where: int) -> Oracle:
    return Oracle(lambda trial, entry: return_to_handler(trial, entry, **where))


ORACLES = {
    "mcount/ftrace_caller": Oracle(lambda t, e: mcount(t, e, Mcount()), bras_target, stops=True),
    "mcount/ftrace_regs_caller": Oracle(lambda t, e: mcount(t, e, Mcount(regs=True)), bras_target, stops=True),
    "3.18/ftrace_caller": Oracle(lambda t, e: r0_protocol(t, e, _LINUX_3_18), no_branch),
    "6.12/ftrace_caller": Oracle(lambda t, e: r0_protocol(t, e, _LINUX_6_12), no_branch),
    "6.12/ftrace_regs_caller": Oracle(lambda t, e: r0_protocol(t, e, _LINUX_6_12_REGS), no_branch),
    "6.5/return_to_handler": _return(size=16, r2_at=0, r15_at=8),
    "6.14/return_to_handler": _return(size=200, r2_at=GPRS + 16, r15_at=GPRS + 120),
    **{
        f"thunk/{n}": Oracle(lambda trial, entry, n=n: thunk(trial, entry, register=n))  # type: ignore[misc]
        for n in range(1, 16)
    },
}
