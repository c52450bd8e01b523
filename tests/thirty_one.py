"""Tables of the 31-bit code, for the tests that hold every contract, every layout and every object to a table."""

from __future__ import annotations

CONTRACTS = (
    "abi/s390-elf",
    "abi/s390-linux-kernel",
    "linux-2.6.29-31/ftrace_stub",
    "linux-2.6.31-31/return_to_handler",
    "linux-2.6.34-31/ftrace_caller",
    "linux-3.17-31/ftrace_caller",
    "linux-mcount-31/ftrace_caller",
    "linux-mcount-31/ftrace_regs_caller",
)
LAYOUTS = ("linux-3.0-31", "linux-3.12-31", "s390-elf", "s390-linux-kernel")

# The objects under broken/, the properties that find each fault, and what the same fault breaks besides.
BUGS = {
    "mcount-31-mode-bit": {"handler-arguments"},
    "mcount-31-ip-adjust": {"handler-arguments"},
    "mcount-31-no-backchain": {"backchain"},
    "proposal-31-2014": {"regs-complete", "regs-honoured", "psw-redirect"},
    "return_to_handler-31-result": {"return-value"},
}
CONSEQUENCES = {
    "proposal-31-2014": {"callee-saved", "stack-balanced", "redirect-entry", "handler-arguments", "no-stale-read"},
    "return_to_handler-31-result": {"no-stale-read"},
}

# The bytes that are executed, and of a routine those that are not: the addresses of symbols, which lie in the code.
EXECUTED = {
    "mcount-31-_mcount": {"_mcount": [".text+0x0..0x4", ".text+0x8..0x34", ".text+0x38..0x60"]},
    "mcount-31-ftrace_caller": {"ftrace_caller": [".text+0x0..0x4", ".text+0x8..0x38", ".text+0x3c..0x64"]},
    "mcount-31-ftrace_caller-3.17": {"ftrace_caller": [".text+0x0..0x26", ".text+0x2a..0x52"]},
    "mcount-31-ftrace_regs_caller": {
        "ftrace_caller": [".text+0x0..0x4", ".text+0x8..0x1a", ".text+0x32..0x68", ".text+0x70..0xa4"],
        "ftrace_regs_caller": [".text+0x1c..0x24", ".text+0x28..0x68", ".text+0x70..0xa4"],
    },
    "stubs-31-2.6.29": {"ftrace_stub": [".text+0x0..0x2"], "_mcount": [".text+0x4..0x6"]},
    "return_to_handler-31-2.6.31": {"return_to_handler": [".text+0x0..0xa", ".text+0xe..0x28"]},
}
UNEXECUTED = {
    ("mcount-31-_mcount", "_mcount"): (".text+0x4..0x8", ".text+0x34..0x38"),
    ("mcount-31-ftrace_caller", "ftrace_caller"): (".text+0x4..0x8", ".text+0x38..0x3c"),
    ("mcount-31-ftrace_caller-3.17", "ftrace_caller"): (".text+0x26..0x2a",),
    ("mcount-31-ftrace_regs_caller", "ftrace_caller"): (".text+0x4..0x8",),
    ("mcount-31-ftrace_regs_caller", "ftrace_regs_caller"): (".text+0x24..0x28", ".text+0x68..0x70"),
    ("return_to_handler-31-2.6.31", "return_to_handler"): (".text+0xa..0xe",),
}


def is_narrow(stem: str) -> bool:
    """Whether an object is 31-bit code, by its name (trampolines/Makefile)."""
    return "-31-" in stem or "abi-s390-" in stem
