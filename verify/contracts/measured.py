"""The structs of one kernel, from what its build left behind, in the place of a contract's own layout.

What an ABI fixes, and the kernel's build cannot say, stays as the contract's layout has it: the part of the save area
that a callee may write, the compiler's slots in it, records of code. So do the constants, which belong to the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from verify.contracts.layout import Field, Layout, Struct
from verify.errors import InputError

# What every kernel's build can tell of: where it does not, the kernel has none, whatever another one had.
KERNELS = ("pt_regs", "ftrace_regs", "fgraph_ret_regs", "lowcore", "task_struct", "thread_struct", "thread_info")
# Records of code and data: their padding has no name in C, and is as long as the instructions make it.
_RECORDS = ("ftrace_hotpatch_trampoline", "bpf_plt")
_ALIASES = {"ftrace_regs": ("__arch_ftrace_regs", "ftrace_regs"), "lowcore": ("lowcore", "_lowcore")}
_FIRST_SAVED = 6  # struct stack_frame's gprs are r6 to r15 (asm/stacktrace.h)


@dataclass(frozen=True)
class Measured:
    """A kernel that says where its fields are: the file it was read from, and its struct of a name, None for none."""

    path: Path
    ask: Callable[[str], Struct | None]

    def over(self, base: Layout) -> Layout:
        """The contract's layout with this kernel's structs. Raises InputError for a file that contradicts itself."""
        structs = _Structs(self, base)
        return replace(base, name=str(self.path), summary=f"measured in {self.path}", structs=structs, path=self.path)


class _Structs(Mapping[str, Struct]):
    """Structs that are looked for when they are asked for: debugging information has thousands."""

    def __init__(self, kernel: Measured, base: Layout) -> None:
        self._kernel, self._base = kernel, base
        self._known: dict[str, Struct | None] = {}

    def __getitem__(self, name: str) -> Struct:
        if name not in self._known:
            self._known[name] = self._find(name)
        found = self._known[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in dict.fromkeys((*self._base.structs, *KERNELS)) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Struct]]]:
        """For another process: what is known by then, since nothing new is asked when a proof runs."""
        return dict, (dict(self.items()),)

    def _find(self, name: str) -> Struct | None:
        own = self._base.structs.get(name)
        if own is None and name not in KERNELS:  # a word of the contract language, perhaps
            return None
        found = self._asked(name)
        if found is None:
            return None if name in KERNELS else own
        if name == "stack_frame" and own is not None:
            return _frame(self._kernel.path, found, own, self._base.word)
        if name in _RECORDS and own is not None and found.size == own.size:
            return replace(found, fields={**own.fields, **found.fields})
        return found

    def _asked(self, name: str) -> Struct | None:
        for alias in _ALIASES.get(name, (name,)):
            found = self._kernel.ask(alias)
            if found is not None and found.fields:  # struct ftrace_regs is empty where another one stands for it
                self._fits(found)
                return replace(found, name=name)
        return None

    def _fits(self, found: Struct) -> None:
        word = self._base.word
        for name in ("psw.addr", "regs.psw.addr", "back_chain"):
            if name in found.fields and found.fields[name].size != word:
                made, wanted = (31 if size == 4 else 64 for size in (found.fields[name].size, word))
                raise InputError(
                    self._kernel.path, f"is of a {made}-bit kernel, and the contract of a {wanted}-bit one"
                )


def _frame(path: Path, found: Struct, own: Struct, word: int) -> Struct:
    """The register save area: the kernel says where the back chain and r14 are, and the callee may write the rest."""
    size = max(own.size, found.size)
    if not {"back_chain", "gprs"} <= found.fields.keys():
        raise InputError(path, "says of struct stack_frame neither where the back chain nor where the registers are")
    chain = found.fields["back_chain"].at
    if chain not in (0, size - word):
        raise InputError(path, f"puts the back chain of struct stack_frame at {chain}: neither first nor last")
    rest = (word, size) if chain == 0 else (0, chain)
    saved = found.fields["gprs"].at + (14 - _FIRST_SAVED) * word
    named = {"back_chain": Field(chain, word), "return_address": Field(saved, word), "gprs": found.fields["gprs"]}
    fields = {**own.fields, **{name: field for name, field in named.items() if name in own.fields}}
    return Struct(own.name, size, fields, {**own.ranges, "save_area": rest})
