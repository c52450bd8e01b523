"""Small routines beside each other: assembled, and compared in this process."""

from __future__ import annotations

from pathlib import Path

from tests import assembler
from verify import equivalence, pipeline
from verify.report.report import Finding

USER, KERNEL = "abi/s390x-elf", "abi/s390x-linux-kernel"
_FRAME = "stmg %r6,%r15,48(%r15)\n aghi %r15,-{size}\n {body}\n lmg %r6,%r15,{size}+48(%r15)\n br %r14"


def framed(body: str, size: int = 176) -> str:
    """A function of the user ABI with a frame."""
    return _FRAME.format(body=body, size=size)


def assembled(directory: Path, name: str, body: str) -> Path:
    """An object with the function `f`."""
    source = directory / f"{name}.s"
    lines = "\n".join(f"\t{line.strip()}" if ":" not in line else line for line in body.splitlines())
    text = f"\t.text\n\t.globl f\n\t.type f,@function\nf:\n{lines}\n\t.size f,.-f\n"
    source.write_text(text, encoding="utf-8")
    return assembler.available()[0].assemble(source, directory / f"{name}.o")


def compared(
    directory: Path, old: str, new: str, contract: str = USER, *, strict: bool = False, replay: bool = True
) -> tuple[Finding, ...]:
    """What is found of two bodies of a function."""
    options = pipeline.Options(symbol="f", contract=contract, replay=replay)
    (pair,), missing = equivalence.choose(assembled(directory, "old", old), assembled(directory, "new", new), options)
    assert not missing
    return equivalence.compared(pair, options, strict=strict).findings
