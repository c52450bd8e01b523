"""What the smaller families must do, as concrete checks of one run (see oracles.py): direct-call trampolines, hotpatch
trampolines and PLTs, thunks with a scratch register, return probes, the vdso's wrappers, the context switch. No part of
`verify` is used here.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.mutation.machine import DATA, Machine
from tests.mutation.oracles import GPRS, PSW_ADDR, PSW_MASK, Oracle, Trial, thunk

_ALL = range(16)
_VALID_MASK = 0x03F4_3700_0000_0000  # what may be set in a PSW mask here, beside the 64-bit mode
_MODE_64 = 0x1_8000_0000
_PT_REGS = 200  # bytes, 6.1 to 6.12


def _nothing_else(trial: Trial, free: Iterable[int] = ()) -> None:
    """All registers but `free`, the condition code and all storage are as they were."""
    trial.finish(writable=0)
    trial.check(not trial.machine.writes, "stack-confined", "a store")
    trial.registers({n: trial.old[n] for n in _ALL if n not in set(free)}, "callee-saved")
    trial.equal(trial.machine.psw_mask(), trial.psw_mask, "mode-preserved", "the PSW mask")


# Direct-call trampolines ----------------------------------------------------------------------------------------------


def direct_call(trial: Trial, entry: int, *, tracer: str, arguments: dict[int, int]) -> None:
    """r0 is where to continue; the tracer gets, by register, what the traced function had in another."""
    old = trial.old

    def call_tracer(_: Machine) -> int:
        seen = trial.called("tracer")
        for register, source in arguments.items():
            trial.equal(seen[register], old[source], "handler-arguments", f"r{register}")
        trial.chain(seen[15], [old[14]])
        trial.volatile(seen[15])
        return seen[14]

    end = trial.run(entry, {trial.machine.address(tracer): call_tracer})
    trial.finish()
    trial.check(trial.calls == ["tracer"], "handler-arguments", f"calls {trial.calls}")
    trial.equal(end, old[0], "psw-redirect", "the exit")
    trial.registers({n: old[n] for n in (0, *range(2, 15))}, "callee-saved")


# Hotpatch trampolines, PLTs -------------------------------------------------------------------------------------------


def shared(trial: Trial, entry: int, *, expoline: bool) -> None:
    """r1 points behind the first instruction of a record: 2 bytes further are r0 and the target."""
    machine, old = trial.machine, trial.old
    old[1] = DATA + 0x800 + 6
    rest, interceptor = trial.code_address(), trial.code_address()
    machine.write(old[1] + 2, rest)
    machine.write(old[1] + 10, interceptor)
    machine.set_gprs(old)
    _intercepted(trial, trial.run(entry, {}), rest, interceptor)
    if expoline:
        trial.no_indirect_branch()


def with_data(trial: Trial, entry: int, *, target: int, ret: int | None = None) -> None:
    """Code with its target, and perhaps what belongs into r0, that many bytes behind its beginning."""
    rest, interceptor = trial.code_address(), trial.code_address()
    trial.machine.poke_code(entry + target, interceptor.to_bytes(8, "big"))
    if ret is not None:
        trial.machine.poke_code(entry + ret, rest.to_bytes(8, "big"))
    _intercepted(trial, trial.run(entry, {}), trial.old[0] if ret is None else rest, interceptor)


def _intercepted(trial: Trial, end: int, rest: int, interceptor: int) -> None:
    _nothing_else(trial, free=(0, 1))
    trial.equal(end, interceptor, "psw-redirect", "the exit")
    trial.registers({0: rest, 1: interceptor}, "callee-saved")


# Thunks with a scratch register ---------------------------------------------------------------------------------------


def scratch_thunk(trial: Trial, entry: int, *, scratch: int, register: int) -> None:
    """Control goes where the register says; nothing changes but the scratch register."""
    trial.old[register] = trial.code_address()
    trial.machine.set_gprs(trial.old)
    end = trial.run(entry, {})
    _nothing_else(trial, free=(scratch,))
    trial.equal(end, trial.old[register], "psw-redirect", "the exit")
    trial.no_indirect_branch()


# Return probes --------------------------------------------------------------------------------------------------------


def probe_return(trial: Trial, entry: int, *, handler: str) -> None:
    """The handler gets all registers and the PSW, changes what it likes but r15, and the exit loads them."""
    machine, rng, old = trial.machine, trial.rng, trial.old
    struct = 0

    def call_handler(_: Machine) -> int:
        nonlocal struct
        seen = trial.called("handler")
        struct = seen[2]
        trial.struct(struct, _PT_REGS, seen[15])
        trial.equal(machine.read(struct + PSW_MASK), trial.psw_mask, "regs-complete", "psw.mask")
        trial.equal(machine.read(struct + PSW_ADDR), entry, "regs-complete", "psw.addr")
        for n in _ALL:
            trial.equal(machine.read(struct + GPRS + 8 * n), old[n], "regs-complete", f"gprs[{n}]")
        trial.chain(seen[15], [old[14]])
        trial.volatile(seen[15])
        trial.psw_mask = _MODE_64 | rng.getrandbits(64) & _VALID_MASK
        machine.write(struct + PSW_MASK, trial.psw_mask)
        machine.write(struct + PSW_ADDR, trial.code_address())
        for n in range(15):
            if trial.sometimes():
                machine.write(struct + GPRS + 8 * n, rng.getrandbits(64))
        wanted.update({n: machine.read(struct + GPRS + 8 * n) for n in range(15)})
        wanted[-1] = machine.read(struct + PSW_ADDR)
        return seen[14]

    wanted: dict[int, int] = {-1: 0}
    end = trial.run(entry, {machine.address(handler): call_handler})
    trial.finish()
    trial.check(trial.calls == ["handler"], "handler-arguments", f"calls {trial.calls}")
    trial.equal(end, wanted.pop(-1), "psw-redirect", "the exit")
    trial.registers(wanted, "callee-saved")
    trial.registers(wanted, "regs-honoured")
    trial.equal(machine.psw_mask(), trial.psw_mask, "mode-preserved", "the PSW mask")
    trial.no_indirect_branch()


# The vdso's wrappers --------------------------------------------------------------------------------------------------


def vdso(trial: Trial, entry: int, *, name: str) -> None:
    """User code: the back chain is the first word of a frame, r0-r5 and r14 are volatile."""
    machine, old = trial.machine, trial.old
    result = trial.rng.getrandbits(64)

    def call_function(_: Machine) -> int:
        seen = trial.called("function")
        for n in (2, 3, 4):
            trial.equal(seen[n], old[n], "handler-arguments", f"r{n}")
        trial.equal(machine.read(seen[15]), 0, "handler-arguments", "the back chain")
        trial.check(seen[15] + 160 <= trial.r15, "call-abi", "the save area for the function")
        trial.volatile(seen[15])
        machine.fill(trial.rng, seen[15] + 8, seen[15] + 160)
        machine.set_gpr(2, result)
        return seen[14]

    end = trial.run(entry, {machine.address(f"__s390_vdso_{name}"): call_function})
    trial.finish(writable=0)
    trial.check(trial.calls == ["function"], "handler-arguments", f"calls {trial.calls}")
    trial.equal(end, old[14], "psw-redirect", "the exit")
    trial.registers({2: result}, "return-value")
    trial.registers({n: old[n] for n in range(6, 14)}, "callee-saved")


# From one task to another ---------------------------------------------------------------------------------------------

_TASKS, _TASK_SIZE = 0x3FF_A000_0000, 0x1000  # two tasks and the stack of the second, each in a page of its own
_TASK_STACK, _TASK_PID, _TASK_KSP = 32, 1504, 3000
_TASK_CANARY, _STACK_END = 1984, 0x4000 - 160 - 200  # below the end: a frame and pt_regs
_CURRENT, _KERNEL_STACK, _PID, _CANARY = 0x340, 0x348, 0x39C, 0x240
_SAVED = 72  # r6-r15 in a stack frame


def switch(trial: Trial, entry: int, canary: bool = False) -> None:
    """r2 is the task that ran, r3 the one that will run; with `canary` a stack protector looks into the lowcore."""
    machine, rng, old = trial.machine, trial.rng, trial.old
    if not any(first == _TASKS for first, _, _ in machine.uc.mem_regions()):
        machine.uc.mem_map(_TASKS, 3 * _TASK_SIZE)
    old[2], old[3] = _TASKS, _TASKS + _TASK_SIZE
    frame = _TASKS + 2 * _TASK_SIZE + 0x800
    machine.fill(rng, _TASKS, _TASKS + 3 * _TASK_SIZE)
    machine.write(old[3] + _TASK_KSP, frame)
    machine.write(frame + _SAVED + 8 * 8, trial.code_address())
    machine.set_gprs(old)
    before = machine.read_bytes(_TASKS, 3 * _TASK_SIZE)
    lowcore = bytearray(machine.read_bytes(0, _TASK_SIZE))
    for at, value, size in (
        (_CURRENT, old[3], 8),
        (_KERNEL_STACK, machine.read(old[3] + _TASK_STACK) + _STACK_END & (1 << 64) - 1, 8),
        (_PID, machine.read(old[3] + _TASK_PID, 4), 4),
        *([(_CANARY, machine.read(old[3] + _TASK_CANARY), 8)] if canary else []),
    ):
        lowcore[at : at + size] = value.to_bytes(size, "big")
    above = machine.read_bytes(trial.r15 + 152, 0x400)
    end = trial.run(entry, {})
    wanted = {6 + n: machine.read(frame + _SAVED + 8 * n) for n in range(10)}
    trial.registers({n: value for n, value in wanted.items() if n < 15}, "callee-saved")
    trial.registers({15: wanted[15]}, "stack-balanced")
    trial.registers({2: old[2]}, "return-value")
    trial.equal(end, wanted[14], "psw-redirect", "the exit")
    for n in range(10):
        trial.equal(machine.read(trial.r15 + _SAVED + 8 * n), old[6 + n], "callee-saved", f"r{6 + n} of prev")
    tasks = bytearray(before)
    tasks[_TASK_KSP : _TASK_KSP + 8] = trial.r15.to_bytes(8, "big")
    trial.check(machine.read_bytes(_TASKS, 3 * _TASK_SIZE) == tasks, "memory-frame", "a task or its stack")
    trial.check(machine.read_bytes(0, _TASK_SIZE) == lowcore, "memory-frame", "the lowcore")
    trial.check(machine.read_bytes(trial.r15 + 152, 0x400) == above, "stack-confined", "the caller's frame")
    trial.check(machine.read_bytes(DATA, 0x1000) == trial.data, "memory-frame", "a variable")
    trial.check(machine.others() == trial.others, "vector-preserved", "a floating-point or access register")
    trial.no_indirect_branch()


# Which routine obeys what ---------------------------------------------------------------------------------------------


def _direct(tracer: str, arguments: dict[int, int]) -> Oracle:
    return Oracle(lambda trial, entry: direct_call(trial, entry, tracer=tracer, arguments=arguments))


def _with_data(target: int, ret: int | None = None) -> Oracle:
    return Oracle(lambda trial, entry: with_data(trial, entry, target=target, ret=ret))


def _shared(expoline: bool) -> Oracle:
    return Oracle(lambda trial, entry: shared(trial, entry, expoline=expoline))


def _scratch(scratch: int, register: int) -> Oracle:
    return Oracle(lambda trial, entry: scratch_thunk(trial, entry, scratch=scratch, register=register))


def _probe(handler: str) -> Oracle:
    return Oracle(lambda trial, entry: probe_return(trial, entry, handler=handler))


def _vdso(name: str) -> Oracle:
    return Oracle(lambda trial, entry: vdso(trial, entry, name=name))


_WRAPPERS = ("gettimeofday", "clock_getres", "clock_gettime", "getcpu")
_SCRATCH = [*[(1, number) for number in range(2, 15)], (11, 14)]

ORACLES = {
    "direct": _direct("my_direct_func", {2: 2}),
    "direct-too": _direct("my_direct_func", {2: 2, 3: 3, 4: 4}),
    "direct-multi": _direct("my_direct_func", {2: 0}),
    **{f"direct-modify/{n}": _direct(f"my_direct_func{n}", {}) for n in (1, 2)},
    **{f"direct-multi-modify/{n}": _direct(f"my_direct_func{n}", {2: 0}) for n in (1, 2)},
    "hotpatch/record": _with_data(16, 8),
    "hotpatch/br": _shared(expoline=False),
    "hotpatch/exrl": _shared(expoline=True),
    "ftrace_plt": _with_data(12),
    "bpf_plt": _with_data(24, 16),
    "kretprobe": _probe("trampoline_probe_handler"),
    "rethook": _probe("arch_rethook_trampoline_callback"),
    "switch": Oracle(switch),
    "switch/canary": Oracle(lambda trial, entry: switch(trial, entry, canary=True)),
    "switch/thunk": Oracle(lambda trial, entry: thunk(trial, entry, register=14)),
    **{f"vdso/{name}": _vdso(name) for name in _WRAPPERS},
    **{f"scratch/{scratch}/{register}": _scratch(scratch, register) for scratch, register in _SCRATCH},
}

# Object, routine and oracle of what is mutated in every way; in offsets only, since it shares its code with one above;
# and of the repaired twins, in deletions only.
WHOLE = [
    ("direct", "my_tramp", "direct"),
    ("direct-multi", "my_tramp", "direct-multi"),
    ("hotpatch", "ftrace_shared_hotpatch_trampoline_br", "hotpatch/br"),
    ("hotpatch", "ftrace_shared_hotpatch_trampoline_exrl", "hotpatch/exrl"),
    ("hotpatch", "record_br", "hotpatch/record"),
    ("hotpatch", "record_exrl", "hotpatch/record"),
    ("ftrace_plt", "ftrace_plt", "ftrace_plt"),
    ("bpf_plt", "bpf_plt", "bpf_plt"),
    ("kretprobe-5.17", "__kretprobe_trampoline", "kretprobe"),
    ("switch_to-6.12", "__switch_to_asm", "switch"),
    ("switch_to-6.12", "__s390_indirect_jump_r14", "switch/thunk"),
    *[("vdso", f"__kernel_{name}", f"vdso/{name}") for name in _WRAPPERS[:1]],
    *[("expoline-ex", f"__s390_indirect_jump_r{s}use_r{r}", f"scratch/{s}/{r}") for s, r in _SCRATCH],
]
OFFSETS = [
    ("switch_to-5.10", "__switch_to", "switch"),
    ("switch_to-5.10", "__s390_indirect_jump_r14", "switch/thunk"),
    ("switch_to-7.2", "__switch_to_asm", "switch/canary"),
    ("switch_to-7.2", "__s390_indirect_jump_r14", "switch/thunk"),
    ("direct-too", "my_tramp", "direct-too"),
    *[("direct-modify", f"my_tramp{n}", f"direct-modify/{n}") for n in (1, 2)],
    *[("direct-multi-modify", f"my_tramp{n}", f"direct-multi-modify/{n}") for n in (1, 2)],
    ("rethook-6.3", "arch_rethook_trampoline", "rethook"),
    *[("vdso", f"__kernel_{name}", f"vdso/{name}") for name in _WRAPPERS[1:]],
]
DELETIONS = [
    ("repaired/direct-r0-lost", "my_tramp", "direct"),
    ("repaired/vdso-caller-frame", "__kernel_getcpu", "vdso/getcpu"),
    ("repaired/hotpatch-skip", "ftrace_shared_hotpatch_trampoline_br", "hotpatch/br"),
    ("repaired/bpf-plt-swapped", "bpf_plt", "bpf_plt"),
    ("repaired/rethook-late-epsw", "arch_rethook_trampoline", "rethook"),
    ("repaired/kretprobe-plain-branch", "__kretprobe_trampoline", "kretprobe"),
    ("repaired/switch-ksp-late", "__switch_to", "switch"),
]
# Object, routine, oracle, and what the oracle must find in it.
BROKEN = [
    ("expoline-wrong-scratch", "__s390_indirect_jump_r1use_r14", "scratch/1/14", {"callee-saved"}),
    ("direct-r0-lost", "my_tramp", "direct", {"psw-redirect", "callee-saved"}),
    ("vdso-caller-frame", "__kernel_getcpu", "vdso/getcpu", {"stack-confined"}),
    ("hotpatch-skip", "ftrace_shared_hotpatch_trampoline_br", "hotpatch/br", {"psw-redirect", "callee-saved"}),
    ("bpf-plt-swapped", "bpf_plt", "bpf_plt", {"callee-saved"}),
    ("rethook-late-epsw", "arch_rethook_trampoline", "rethook", {"regs-complete"}),
    ("switch-ksp-late", "__switch_to", "switch", {"memory-frame"}),
    ("kretprobe-plain-branch", "__kretprobe_trampoline", "kretprobe", {"callee-saved", "mode-preserved"}),
]
