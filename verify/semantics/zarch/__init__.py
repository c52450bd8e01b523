"""Instructions by hand, each beside its line of the Principles of Operation (POP, SA22-7832).

Here is what VEX lacks or gets wrong, and everything that is relative to the instruction address, branches, executes
another instruction or touches the PSW. Importing this package registers them all.
"""

from verify.semantics.zarch import (
    addressing,
    atomic,
    branch,
    control,
    execute,
    hexadecimal,
    hints,
    long,
    program_status,
    registers,
    relative,
    storage,
    vector,
)

__all__ = [
    "addressing",
    "atomic",
    "branch",
    "control",
    "execute",
    "hexadecimal",
    "hints",
    "long",
    "program_status",
    "registers",
    "relative",
    "storage",
    "vector",
]
