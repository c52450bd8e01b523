"""Ways to a wrong `proved` that were open once, each as a small routine that must not be proved, and its sound twin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from verify import pipeline
from verify.report.report import Finding
from verify.verdict import Verdict

USER, KERNEL = "abi/s390x-elf", "abi/s390x-linux-kernel"
FRAME = "stmg %r6,%r15,48(%r15)\n aghi %r15,-{size}\n {body}\n lmg %r6,%r15,{size}+48(%r15)\n br %r14"


def framed(body: str, size: int = 176) -> str:
    return FRAME.format(body=body, size=size)


def findings(tmp_path: Path, body: str, contract: str = USER) -> list[Finding]:
    source = tmp_path / "f.s"
    lines = "\n".join(f"\t{line.strip()}" if ":" not in line else line for line in body.splitlines())
    source.write_text(f"\t.text\n\t.globl f\n\t.type f,@function\nf:\n{lines}\n\t.size f,.-f\n", encoding="utf-8")
    built = assembler.available()[0].assemble(source, tmp_path / "f.o")
    report = pipeline.prove_file(built, pipeline.Options(symbol="f", contract=contract))
    return list(report.findings())


def of(found: list[Finding], prop: str | None) -> set[Verdict]:
    return {finding.verdict for finding in found if finding.property == prop}


# Each: the routine, its contract, the property (None: the routine as a whole) that must not pass, a sound twin.
CASES = {
    "a branch on what nothing wrote": (
        "lg %r1,32(%r15)\n ltgr %r1,%r1\n je 1f\n lgr %r2,%r3\n1: br %r14", USER, "no-stale-read",
        "ltgr %r2,%r2\n je 1f\n lgr %r2,%r3\n1: br %r14",
    ),
    "a jump to a register that is not the return address": (
        "br %r13", USER, "psw-redirect", "jg other",
    ),
    "a save area that overlaps the caller's back chain": (
        "lgr %r1,%r14\n aghi %r15,-8\n stmg %r14,%r14,24(%r15)\n brasl %r14,g\n aghi %r15,8\n"
        "lg %r14,16(%r15)\n br %r14",
        USER, "call-abi", framed("brasl %r14,g"),
    ),
    "an address that an earlier callee kept": (
        framed("stg %r14,160(%r15)\n la %r2,168(%r15)\n brasl %r14,g\n lghi %r2,0\n lghi %r1,0\n stg %r1,168(%r15)\n"
               "brasl %r14,g\n lg %r1,168(%r15)\n ltgr %r1,%r1\n je 1f\n lghi %r6,0\n stg %r6,176+48(%r15)\n1: nopr"),
        USER, "callee-saved",
        framed("lghi %r1,0\n stg %r1,168(%r15)\n brasl %r14,g\n lg %r1,168(%r15)\n ltgr %r1,%r1\n je 1f\n"
               "lghi %r6,0\n stg %r6,176+48(%r15)\n1: nopr"),
    ),
    "the caller's frame after a store through a pointer": (
        "lg %r1,168(%r15)\n stg %r4,0(%r3)\n cg %r1,168(%r15)\n je 1f\n lghi %r6,0\n1: br %r14", USER, "callee-saved",
        "lg %r1,168(%r15)\n cg %r1,168(%r15)\n je 1f\n lghi %r6,0\n1: br %r14",
    ),
    "a store through a pointer that nothing wrote": (
        "lg %r1,32(%r15)\n stg %r2,0(%r1)\n br %r14", USER, None, "stg %r2,0(%r3)\n br %r14",
    ),
    "a store to an absolute address beyond the lowcore": (
        "lgfi %r1,1048576\n stg %r2,0(%r1)\n br %r14", KERNEL, None, "lghi %r1,512\n stg %r2,0(%r1)\n br %r14",
    ),
    "a new PSW that leads back into the code": (
        "larl %r1,1f\n stg %r1,16(%r15)\n lghi %r0,0\n stg %r0,8(%r15)\n lpswe 8(%r15)\n1: br %r14",
        USER, "psw-redirect", "br %r14",
    ),
    "a function pointer after its GOT entry was changed": (
        "larl %r1,g@GOT\n stg %r2,0(%r1)\n lgrl %r1,g@GOT\n br %r1", USER, None, "lgrl %r1,g@GOT\n br %r1",
    ),
    "the caller's frame while r15 was above it": (
        "lg %r1,168(%r15)\n aghi %r15,256\n aghi %r15,-256\n cg %r1,168(%r15)\n je 1f\n lghi %r6,0\n1: br %r14",
        USER, "callee-saved",
        "lg %r1,168(%r15)\n aghi %r15,-256\n aghi %r15,256\n cg %r1,168(%r15)\n je 1f\n lghi %r6,0\n1: br %r14",
    ),
    "an own slot while r15 was above it": (
        "stg %r6,16(%r15)\n aghi %r15,32\n aghi %r15,-32\n lg %r6,16(%r15)\n br %r14", USER, "callee-saved",
        "stg %r6,16(%r15)\n aghi %r15,16\n aghi %r15,-16\n lg %r6,16(%r15)\n br %r14",
    ),
    "an own slot while r15 was elsewhere": (
        "stg %r6,16(%r15)\n lgr %r1,%r15\n lgr %r15,%r2\n lgr %r15,%r1\n lg %r6,16(%r15)\n br %r14", USER,
        "callee-saved", "stg %r6,16(%r15)\n lgr %r1,%r15\n lgr %r15,%r1\n lg %r6,16(%r15)\n br %r14",
    ),
    "a register saved on one condition code only": (
        "ltgr %r2,%r2\n stocgnl %r6,48(%r15)\n lghi %r6,0\n lg %r6,48(%r15)\n br %r14", USER, "callee-saved",
        "stg %r6,48(%r15)\n ltgr %r2,%r2\n stocgnl %r6,48(%r15)\n lghi %r6,0\n lg %r6,48(%r15)\n br %r14",
    ),
    "a store into the back chain on one condition code": (
        "ltgr %r2,%r2\n stocge %r2,0(%r15)\n br %r14", USER, "stack-confined",
        "ltgr %r2,%r2\n stocge %r2,8(%r15)\n br %r14",
    ),
    "a copy whose length is a register's, beyond the own frame": (
        "la %r1,0(%r2)\n exrl %r1,1f\n br %r14\n1: mvc 16(1,%r15),0(%r3)", USER, "stack-confined",
        "lghi %r1,63\n ngr %r1,%r2\n exrl %r1,1f\n br %r14\n1: mvc 16(1,%r15),0(%r3)",
    ),
    "a copy over a saved register, as far as a register says": (
        "stg %r6,48(%r15)\n lghi %r1,63\n ngr %r1,%r2\n exrl %r1,1f\n lg %r6,48(%r15)\n br %r14\n"
        "1: mvc 16(1,%r15),0(%r3)", USER, "callee-saved",
        "stg %r6,80(%r15)\n lghi %r1,63\n ngr %r1,%r2\n exrl %r1,1f\n lg %r6,80(%r15)\n br %r14\n"
        "1: mvc 16(1,%r15),0(%r3)",
    ),
    "a compare and swap of the caller's back chain": (
        "csg %r2,%r3,0(%r15)\n br %r14", USER, "stack-confined", "csg %r2,%r3,0(%r4)\n br %r14",
    ),
    "a branch on the clock's value is none on garbage, but r6 may be lost": (
        "stckf 16(%r15)\n tm 23(%r15),1\n je 1f\n lghi %r6,0\n1: br %r14", USER, "callee-saved",
        "stckf 16(%r15)\n tm 23(%r15),1\n je 1f\n lghi %r2,0\n1: br %r14",
    ),
    "a move long that may stop half way": (
        "lghi %r1,8\n lghi %r3,8\n la %r0,16(%r15)\n lgr %r2,%r4\n mvcle %r0,%r2,0\n br %r14", USER, None,
        "lghi %r1,8\n lghi %r3,8\n la %r0,16(%r15)\n lgr %r2,%r4\n1: mvcle %r0,%r2,0\n jo 1b\n br %r14",
    ),
    "a supervisor call from kernel code": ("svc 4\n br %r14", KERNEL, None, "br %r14"),
    "a supervisor call that returns twice": ("svc 120\n br %r14", USER, None, "svc 4\n br %r14"),
    "a supervisor call whose number is not known": ("svc 0\n br %r14", USER, None, "lghi %r1,4\n svc 0\n br %r14"),
    "a supervisor call that was handed a local": (
        "stg %r6,16(%r15)\n lghi %r1,0\n stg %r1,24(%r15)\n la %r2,24(%r15)\n svc 4\n ltg %r1,24(%r15)\n"
        "je 1f\n lghi %r6,0\n1: br %r14", USER, "callee-saved",
        "stg %r6,16(%r15)\n lghi %r1,0\n stg %r1,24(%r15)\n svc 4\n ltg %r1,24(%r15)\n"
        "je 1f\n lghi %r6,0\n1: br %r14",
    ),
    "what lies below r15 at a supervisor call": (
        "stg %r6,-8(%r15)\n svc 4\n lg %r6,-8(%r15)\n br %r14", USER, "callee-saved",
        "stg %r6,16(%r15)\n svc 4\n lg %r6,16(%r15)\n br %r14",
    ),
    "a control register that chooses the address space": (
        "lctlg %c13,%c13,16(%r2)\n br %r14", KERNEL, None, "lctlg %c9,%c9,16(%r2)\n br %r14",
    ),
    "a load through garbage": (
        "lg %r1,32(%r15)\n lg %r6,0(%r1)\n br %r14", USER, None, "lg %r2,0(%r3)\n br %r14",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_not_proved(name: str, tmp_path: Path) -> None:
    body, contract, prop, _ = CASES[name]
    found = of(findings(tmp_path, body, contract), prop)
    assert found
    assert Verdict.PROVED not in found


@pytest.mark.parametrize("name", CASES)
def test_its_sound_twin_is_proved(name: str, tmp_path: Path) -> None:
    _, contract, _, twin = CASES[name]
    found = findings(tmp_path, twin, contract)
    assert {finding.verdict for finding in found} == {Verdict.PROVED}, [f.message for f in found]


def test_dead_ends_that_cannot_be_reached_hide_no_fork(tmp_path: Path) -> None:
    """Twelve branches to code without semantics, all impossible, are walked before the fork that loses r6."""
    impossible = "\n".join(f"cghi %r2,{n}\n jne 6f\n cghi %r2,{n + 1}\n je 9f\n br %r14\n6: nopr" for n in range(12))
    body = f"ltgr %r3,%r3\n je 8f\n lghi %r6,0\n br %r14\n8: nopr\n{impossible}\n br %r14\n9: sam31\n br %r14"
    found = findings(tmp_path, body)
    assert of(found, "callee-saved") == {Verdict.REFUTED}
    assert not of(found, None)


def test_more_paths_than_the_bound_are_unknown(tmp_path: Path) -> None:
    body = "\n".join(f"tmll %r2,{1 << n}\n je 1f\n la %r3,1(%r3)\n1: nopr" for n in range(10))
    found = findings(tmp_path, f"{body}\n br %r14")
    assert of(found, None) == {Verdict.UNKNOWN}
    assert not any(finding.verdict is Verdict.PROVED for finding in found)
