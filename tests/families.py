"""Tables of the smaller families, for the tests that hold every contract and every object to a table."""

from __future__ import annotations

# A contract that takes something from the routine's name is loaded for this one.
SYMBOL_FOR = {
    "linux/expoline_scratch": "__s390_indirect_jump_r1use_r7",
    "linux/vdso": "__kernel_getcpu",
    "samples/direct_modify": "my_tramp1",
    "samples/direct_multi_modify": "my_tramp1",
}
CONTRACTS = (
    "linux-3.18/ftrace_plt",
    "linux-4.16/expoline_r1",
    "linux-5.15/hotpatch_shared_br",
    "linux-5.15/hotpatch_shared_exrl",
    "linux-5.15/hotpatch_trampoline",
    "linux-5.10/__switch_to",
    "linux-5.17/kretprobe_trampoline",
    "linux-6.12/__switch_to_asm",
    "linux-6.12/__switch_to_asm-canary",
    "linux-6.3/bpf_plt",
    "linux-6.3/rethook_trampoline",
    "linux/expoline_scratch",
    "linux/vdso",
    "samples/direct",
    "samples/direct_modify",
    "samples/direct_multi",
    "samples/direct_multi_modify",
    "samples/direct_too",
)
LAYOUTS = ("linux-6.12-task", "linux-hotpatch", "linux-lowcore")

# The objects under broken/, the properties that find each fault, and what the same fault breaks besides.
BUGS = {
    "alternative-facility": {"psw-redirect"},
    "direct-r0-lost": {"psw-redirect", "callee-saved", "no-stale-read"},
    "vdso-caller-frame": {"stack-confined"},
    "expoline-wrong-scratch": {"callee-saved"},
    "hotpatch-skip": {"psw-redirect", "callee-saved"},
    "bpf-plt-swapped": {"callee-saved"},
    "rethook-late-epsw": {"regs-complete"},
    "kretprobe-plain-branch": {"callee-saved", "regs-honoured", "mode-preserved"},
    "switch-ksp-late": {"memory-frame"},
}
CONSEQUENCES = {"kretprobe-plain-branch": {"expoline"}}


def _thunk(scratch: int, register: int) -> tuple[str, list[str]]:
    name = f"__s390_indirect_jump_r{scratch}use_r{register}"
    return name, [f".text..{name}+0x0..0xa", f".text..{name}+0xe..0x10"]


_THUNK_14 = [".text..__s390_indirect_jump_r14+0x0..0x6", ".text..__s390_indirect_jump_r14+0xa..0xc"]
_R1 = [f".text..__s390_indirect_jump_r1+{span}" for span in ("0x0..0x6", "0xa..0xc")]
# The bytes that are executed, by object and routine; and those of its own that no path reaches, where there are some.
EXECUTED = {
    "ftrace-6.12-alternative": {
        "ftrace_caller": [".text+0x0..0xbc", *_R1],
        "__s390_indirect_jump_r1": _R1,
    },
    "expoline-r1": {"__s390x_indirect_jump_r1use_r1": [".text+0x0..0x6", ".text+0xa..0xc"]},
    **{name: {"my_tramp": [".text+0x0..0x36"]} for name in ("direct", "direct-too")},
    "direct-multi": {"my_tramp": [".text+0x0..0x3a"]},
    "direct-modify": {"my_tramp1": [".text+0x0..0x36"], "my_tramp2": [".text+0x40..0x76"]},
    "direct-multi-modify": {"my_tramp1": [".text+0x0..0x3a"], "my_tramp2": [".text+0x40..0x7a"]},
    "vdso": {
        f"__kernel_{name}": [f".text+{48 * number:#x}..{48 * number + 34:#x}"]
        for number, name in enumerate(("gettimeofday", "clock_getres", "clock_gettime", "getcpu"))
    },
    "expoline-ex": dict([*[_thunk(1, number) for number in range(2, 15)], _thunk(11, 14)]),
    "hotpatch": {
        "ftrace_shared_hotpatch_trampoline_br": [".text+0x0..0x8"],
        "ftrace_shared_hotpatch_trampoline_exrl": [".text+0x10..0x1c", ".text+0x20..0x22"],
        "record_br": [".text+0x0..0x8", ".text.trampolines+0x0..0x6"],
        "record_exrl": [".text+0x10..0x1c", ".text+0x20..0x22", ".text.trampolines+0x18..0x1e"],
    },
    "ftrace_plt": {"ftrace_plt": [".text+0x0..0xa"]},
    "bpf_plt": {"bpf_plt": [".text+0x0..0xe"]},
    "switch_to-5.10": {"__switch_to": [".text+0x0..0x46", *_THUNK_14], "__s390_indirect_jump_r14": _THUNK_14},
    "switch_to-6.12": {"__switch_to_asm": [".text+0x0..0x46", *_THUNK_14], "__s390_indirect_jump_r14": _THUNK_14},
    "switch_to-7.2": {"__switch_to_asm": [".text+0x0..0x52", *_THUNK_14], "__s390_indirect_jump_r14": _THUNK_14},
    "kretprobe-5.17": {"__kretprobe_trampoline": [".text+0x0..0x58"]},
    "rethook-6.3": {"arch_rethook_trampoline": [".text+0x0..0x58"]},
}
UNEXECUTED = {
    "__s390x_indirect_jump_r1use_r1": (".text+0x6..0xa",),
    **{name: (f".text..{name}+0xa..0xe",) for name in EXECUTED["expoline-ex"]},
    "ftrace_shared_hotpatch_trampoline_exrl": (".text+0x1c..0x20",),
}
