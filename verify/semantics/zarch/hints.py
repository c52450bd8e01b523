"""Instructions that change nothing the model holds (POP, chapter 7): hints to prediction, prefetch and assist."""

from __future__ import annotations

from verify.semantics.step import Step, insn


@insn("BPP", "BPRP", "PPA", "NIAI", "PFD", "PFDRL")
def no_operation(_step: Step) -> None:
    """The operands are not accessed for fetch or store, and no register or condition code changes."""
