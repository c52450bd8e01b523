"""Tables of the BPF trampolines, for the tests that hold every contract and every object to a table."""

from __future__ import annotations

CONTRACTS = ("bpf/fentry", "bpf/fexit", "bpf/fmod_ret", "bpf/struct_ops", "bpf/struct_ops_void")
LAYOUTS = ("linux-6.12-bpf",)

# The objects under broken/, the properties that find each fault, and what the same fault breaks besides.
BUGS = {
    "bpf-backchain-overlap": {"stack-confined"},
    "bpf-no-backchain": {"backchain"},
    "bpf-tail-count": {"regs-honoured"},
}
CONSEQUENCES = {"bpf-backchain-overlap": {"backchain"}}


def _but_the_endless_branch(end: int) -> list[str]:
    """All but the four bytes before the last branch, which stop speculation."""
    return [f".text+0x0..{end - 6:#x}", f".text+{end - 2:#x}..{end:#x}"]


_THUNKED = {"fentry": 0xF6, "fexit": 0x1D2, "fmod_ret": 0x1DE, "struct_ops": 0xEE, "struct_ops_void": 0xDC}
# The bytes that are executed, and of a routine those that are not.
EXECUTED = {
    **{f"bpf-{name}": {f"bpf_trampoline_{name}": _but_the_endless_branch(end)} for name, end in _THUNKED.items()},
    "bpf-fexit-shared": {"bpf_trampoline_fexit_shared": [".text+0x0..0x19c"]},
}
UNEXECUTED = {f"bpf_trampoline_{name}": (f".text+{end - 6:#x}..{end - 2:#x}",) for name, end in _THUNKED.items()}
