"""instruction-level: no instruction that the machine which the code is built for does not have."""

from __future__ import annotations

from collections.abc import Iterator

from verify.properties.base import Obligation, Property, Run, anchor, impossible
from verify.semantics import levels


def obligations(run: Run) -> Iterator[Obligation]:
    """The witness is the instruction itself, on whatever path it is executed.

    What an alternative puts in is no witness: its feature, and not the level, says what the machine has then.
    """
    arch = run.contract.arch
    for path in run.exits():
        yield anchor(path, "every instruction is known to the machine")
        for place in dict.fromkeys((*path.places, *path.out_of_line)):
            insn = path.code.fetch(place)
            if arch is not None and levels.above(insn, arch) and not path.code.replaced(place, insn.length):
                name, where = insn.mnemonic.lower(), path.code.image.label(place)
                yield impossible(
                    f"every instruction exists on {arch}", name, path, place,
                    f"{name} at {where} is an instruction of {levels.needed(insn)}, and the code is for {arch}",
                    witness=True,
                )  # fmt: skip


PROPERTY = Property(
    name="instruction-level",
    statement="every executed instruction exists on the machine that the code is built for (--arch)",
    proved="every executed instruction exists on that machine",
    refuted="{what} does not exist on the machine that the code is built for",
    states=lambda contract: contract.arch is not None,
    obligations=obligations,
)
