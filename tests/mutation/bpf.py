"""What a BPF trampoline must do, as a concrete check of one run (see oracles.py): transcribed by hand from the kernel's
protocol, not from models/. No part of `verify` is used here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutation.machine import Machine
from tests.mutation.oracles import OVERHEAD, Oracle, Trial

# The numbers of trampolines/include/body-bpf.inc, which stand in the code.
_FUNC = 0x3FF_8010_0000
_TRAMP_ENTER, _TRAMP_EXIT = 0x3FF_E020_1000, 0x3FF_E020_1100
_ENTER, _EXIT = (0x3FF_E020_1200, 0x3FF_E020_1400), (0x3FF_E020_1300, 0x3FF_E020_1500)
_PROGRAMS, _MOD_RET = (0x3FF_8020_0000, 0x3FF_8020_1000), 0x3FF_8020_2000
_TAIL_COUNT = 64  # four bytes in the caller's save area
_RUN_CTX = 16
_IN_REGISTERS = 5


@dataclass
class _Tracing:
    """What has happened by now: the program that was entered, what was returned, the tail call counter."""

    trial: Trial
    nr_args: int
    ip_arg: bool
    recursion: bool
    """Whether entering a program may fail."""
    tail: int
    arguments: list[int]
    entered: int | None = None
    result: int | None = None
    programs: int = 0
    skipped: bool = False

    def reached(self, name: str) -> list[int]:
        """Somebody is called, any number of times: what every callee may rely on."""
        trial = self.trial
        seen = trial.called(f"{name} {len(trial.calls)}")
        trial.chain(seen[15], [trial.old[14]])
        return seen

    def done(self, seen: list[int], result: int | None = None) -> int:
        self.trial.volatile(seen[15])
        if result is not None:
            self.trial.machine.set_gpr(2, result)
        return seen[14]

    def image(self, name: str) -> int:
        seen = self.trial.called(name)
        self.trial.chain(seen[15], [self.trial.old[14]])
        return self.done(seen)

    def enter(self, _: Machine) -> int:
        trial, seen = self.trial, self.reached("enter")
        trial.check(self.entered is None, "handler-arguments", "a program is entered inside another")
        self.run_ctx(seen[3], seen[15])
        self.entered = 0 if self.recursion and trial.sometimes() else trial.rng.getrandbits(64) | 1
        return self.done(seen, self.entered)

    def exit(self, _: Machine) -> int:
        trial, seen = self.trial, self.reached("exit")
        trial.check(self.entered is not None, "handler-arguments", "a program is left that was not entered")
        trial.equal(seen[3], self.entered or 0, "handler-arguments", "the time at which it began")
        self.run_ctx(seen[4], seen[15])
        self.entered = None
        return self.done(seen)

    def run_ctx(self, at: int, r15: int) -> None:
        self.trial.struct(at, _RUN_CTX, r15)
        self.trial.machine.fill(self.trial.rng, at, at + _RUN_CTX)

    def program(self, _: Machine, name: str = "prog") -> int:
        trial, seen = self.trial, self.reached(name)
        machine, context = trial.machine, seen[2]
        trial.check(bool(self.entered), "handler-arguments", f"{name} is called though it was not entered")
        trial.struct(context - 16, 16 + 8 * self.nr_args, seen[15])
        if self.ip_arg:
            trial.equal(machine.read(context - 16), _FUNC, "handler-arguments", "the function's address")
        trial.equal(machine.read(context - 8), self.nr_args, "handler-arguments", "the number of arguments")
        for number, wanted in enumerate(self.arguments):
            trial.equal(machine.read(context + 8 * number), wanted, "handler-arguments", f"argument {number}")
        self.programs += 1
        returned = trial.rng.getrandbits(64)
        if name == "mod_ret":
            returned = trial.rng.choice([0, returned, returned << 32 & (1 << 64) - 1])
            self.skipped = returned != 0
        if name == "mod_ret" or self.result is None:
            self.result = returned
        return self.done(seen, returned)

    def original(self, _: Machine) -> int:
        trial, seen = self.trial, self.reached("original")
        machine = trial.machine
        trial.check(not self.skipped, "handler-arguments", "the function is called though a program returned for it")
        for number, wanted in enumerate(self.arguments):
            at = seen[15] + OVERHEAD + 8 * (number - _IN_REGISTERS)
            found = seen[2 + number] if number < _IN_REGISTERS else machine.read(at)
            trial.equal(found, wanted, "handler-arguments", f"argument {number} of the function")
        trial.equal(machine.read(seen[15] + _TAIL_COUNT, 4), self.tail, "handler-arguments", "the tail call counter")
        self.result = trial.rng.getrandbits(64)
        back = self.done(seen, self.result)
        self.tail = machine.read(seen[15] + _TAIL_COUNT, 4)
        return back


def trampoline(
    trial: Trial, entry: int, *, kind: str, nr_args: int, ip_arg: bool = False, orig_stack: bool = False
) -> None:
    """r14 is the return address into the parent, r0 (where the flag says so) the address to go on at."""
    machine, old = trial.machine, trial.old
    while old[0] == old[14]:  # by which this machine could not tell a call of the function from the exit
        old[0] = trial.code_address()
        machine.set_gprs(old)
    arguments = old[2:7] + [machine.read(trial.r15 + OVERHEAD + 8 * n) for n in range(nr_args - _IN_REGISTERS)]
    now = _Tracing(
        trial, nr_args, ip_arg, kind != "struct_ops", machine.read(trial.r15 + _TAIL_COUNT, 4),
        arguments[:nr_args],
    )  # fmt: skip
    resume = old[0] if orig_stack else _FUNC + 6
    calls_it = kind in ("fexit", "fmod_ret")
    services = {address: now.enter for address in _ENTER} | {address: now.exit for address in _EXIT}
    services |= {address: now.program for address in _PROGRAMS}
    if calls_it:
        services |= {
            resume: now.original,
            _TRAMP_ENTER: lambda _: now.image("tramp_enter"),
            _TRAMP_EXIT: lambda _: now.image("tramp_exit"),
        }
    if kind == "fmod_ret":
        services[_MOD_RET] = lambda machine: now.program(machine, "mod_ret")
    end = trial.run(entry, services)
    trial.finish()
    trial.check(now.entered is None, "handler-arguments", "a program is not left")
    trial.equal(end, resume if kind == "fentry" else old[14], "psw-redirect", "the exit")
    trial.registers({n: old[n] for n in (*range(6, 14), 14)}, "callee-saved")
    trial.equal(machine.read(trial.r15 + _TAIL_COUNT, 4), now.tail, "regs-honoured", "the tail call counter")
    if kind == "fentry":
        trial.registers({2 + n: old[2 + n] for n in range(min(nr_args, _IN_REGISTERS))}, "callee-saved")
    if calls_it:
        made = [name.partition(" ")[0] for name in trial.calls]
        wanted = ["tramp_enter", "tramp_exit", *([] if now.skipped else ["original"])]
        good = sorted(name for name in made if name in ("tramp_enter", "tramp_exit", "original")) == sorted(wanted)
        trial.check(good, "handler-arguments", f"calls {made}")
    if kind not in ("fentry", "struct_ops_void"):
        trial.check(now.result is not None, "return-value", "nothing was returned")
        trial.registers({2: now.result or 0}, "return-value")


def _oracle(kind: str, nr_args: int, ip_arg: bool = False, orig_stack: bool = False) -> Oracle:
    return Oracle(
        lambda trial, entry: trampoline(trial, entry, kind=kind, nr_args=nr_args, ip_arg=ip_arg, orig_stack=orig_stack)
    )


ORACLES = {
    "bpf/fentry": _oracle("fentry", 3, ip_arg=True),
    "bpf/fentry-2": _oracle("fentry", 2),
    "bpf/fexit": _oracle("fexit", 7),
    "bpf/fexit-1": _oracle("fexit", 1),
    "bpf/fexit-shared": _oracle("fexit", 5, ip_arg=True, orig_stack=True),
    "bpf/fmod_ret": _oracle("fmod_ret", 1),
    "bpf/struct_ops": _oracle("struct_ops", 2),
    "bpf/struct_ops_void": _oracle("struct_ops_void", 0),
}
WHOLE = [("bpf-fentry", "bpf_trampoline_fentry", "bpf/fentry")]
OFFSETS = [
    ("bpf-fexit", "bpf_trampoline_fexit", "bpf/fexit"),
    ("bpf-fmod_ret", "bpf_trampoline_fmod_ret", "bpf/fmod_ret"),
    ("bpf-struct_ops", "bpf_trampoline_struct_ops", "bpf/struct_ops"),
]
DELETIONS = [
    ("bpf-fexit-shared", "bpf_trampoline_fexit_shared", "bpf/fexit-shared"),
    ("bpf-struct_ops_void", "bpf_trampoline_struct_ops_void", "bpf/struct_ops_void"),
    ("repaired/bpf-backchain-overlap", "bpf_trampoline_fexit", "bpf/fexit-1"),
    ("repaired/bpf-no-backchain", "bpf_trampoline_fentry", "bpf/fentry-2"),
    ("repaired/bpf-tail-count", "bpf_trampoline_fexit", "bpf/fexit-1"),
]
# Object, routine, oracle, and what the oracle must find in it.
BROKEN = [
    ("bpf-backchain-overlap", "bpf_trampoline_fexit", "bpf/fexit-1", {"stack-confined"}),
    ("bpf-no-backchain", "bpf_trampoline_fentry", "bpf/fentry-2", {"backchain"}),
    ("bpf-tail-count", "bpf_trampoline_fexit", "bpf/fexit-1", {"regs-honoured"}),
]
