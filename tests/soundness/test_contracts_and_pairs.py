"""Ways to a wrong `proved` that lead through a contract of one's own, or through the comparison of two routines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from verify import equivalence, pipeline
from verify.verdict import Verdict

USER, USER_31 = "abi/s390x-elf", "abi/s390-elf"


def built(directory: Path, name: str, body: str) -> Path:
    """A function `f` of this body; 31-bit code where the name says so."""
    source = directory / f"{name}.s"
    lines = "\n".join(f"\t{line.strip()}" if ":" not in line else line for line in body.splitlines())
    source.write_text(f"\t.text\n\t.globl f\n\t.type f,@function\nf:\n{lines}\n\t.size f,.-f\n", encoding="utf-8")
    return assembler.for_source(source)[0].assemble(source, directory / f"{name}.o")


# Contracts ------------------------------------------------------------------------------------------------------------

HELD = '[claims]\nreturn-value = ["mem[old.r2] == r3"]\n'
EARLY = """drop = ["call.callee"]
[early]
when = "old.r2 == 0"
[early.claims]
psw-redirect = ["pc == old.r14"]
[call.helper]
named   = ["helper"]
returns = true
ensures = ["{}"]
"""
AFTER = (
    "ltgr %r2,%r2\n ber %r14\n stmg %r6,%r15,48(%r15)\n aghi %r15,-160\n brasl %r14,helper\n"
    "{} lmg %r6,%r15,208(%r15)\n br %r14"
)
REGIONS = """[regions]
one = {{ at = "mem[old.r2]", struct = "stack_frame" }}
two = {{ at = "mem[old.r2] + {}", struct = "stack_frame" }}
"""
READS = "ltgr %r3,%r3\n ber %r14\n lg %r1,0(%r2)\n lghi %r{},3\n br %r14"

# Each: the contract beside that of the ABI, the routine, the property (None: the routine as a whole) that must not
# pass, a sound twin of both.
CLAIMS = {
    "a word that the routine read, and wrote over in part": (
        HELD, "lg %r3,0(%r2)\n sth %r0,2(%r2)\n br %r14", "return-value", HELD, "lg %r3,0(%r2)\n br %r14",
    ),
    "a word that the routine read, and perhaps wrote over through another pointer": (
        HELD, "lg %r3,0(%r2)\n stg %r0,0(%r4)\n br %r14", "return-value",
        HELD, "lg %r3,0(%r2)\n stg %r0,8(%r2)\n br %r14",
    ),
    "what comes after a callee of which nothing can be true": (
        EARLY.format("helper.result == 1 and helper.result == 2"), AFTER.format("lghi %r1,0\n stg %r1,208(%r15)\n"),
        None, EARLY.format("helper.result == 1"), AFTER.format(""),
    ),
    "a path on which regions that are apart overlap": (
        REGIONS.format(8), READS.format(9), None, REGIONS.format(160), READS.format(5),
    ),
}  # fmt: skip


def verdicts(directory: Path, contract: str, body: str, prop: str | None = "any") -> set[Verdict]:
    own = directory / "own.toml"
    own.write_text(f'extends = "{USER}"\n{contract}', encoding="utf-8")
    report = pipeline.prove_file(built(directory, "f", body), pipeline.Options(symbol="f", contract=str(own)))
    return {finding.verdict for finding in report.findings() if prop in ("any", finding.property)}


@pytest.mark.parametrize("name", CLAIMS)
def test_it_is_not_proved(name: str, tmp_path: Path) -> None:
    contract, body, prop, _, _ = CLAIMS[name]
    found = verdicts(tmp_path, contract, body, prop)
    assert found
    assert Verdict.PROVED not in found


@pytest.mark.parametrize("name", CLAIMS)
def test_its_sound_twin_is(name: str, tmp_path: Path) -> None:
    *_, contract, body = CLAIMS[name]
    assert verdicts(tmp_path, contract, body) <= {Verdict.PROVED, Verdict.VACUOUS}
    assert Verdict.PROVED in verdicts(tmp_path, contract, body)


# Pairs ----------------------------------------------------------------------------------------------------------------

_WIDE = "stg %r4,0(%r3)\n lg %r2,168(%r15)\n br %r14"
_HALVES = "srlg %r0,%r4,32\n st %r0,0(%r3)\n {} st %r4,4(%r3)\n {} br %r14"

# Each: the contract, the old routine, a new one that behaves otherwise, one that behaves alike.
PAIRS = {
    "the caller's frame, read between two halves of a store": (
        USER, _WIDE, _HALVES.format("lg %r2,168(%r15)\n", ""), _HALVES.format("", "lg %r2,168(%r15)\n"),
    ),
    "the second word of what 31-bit code returns": (
        USER_31, "lhi %r2,0\n lhi %r3,1\n br %r14", "lhi %r2,0\n lhi %r3,2\n br %r14",
        "lhi %r3,1\n lhi %r2,0\n br %r14",
    ),
    "words in the code that somebody fills in": (
        USER, "lgrl %r2,one\n br %r14\n.globl one\n.balign 8\none: .quad 0\n.globl two\ntwo: .quad 0",
        "lgrl %r2,two\n br %r14\n.globl one\n.balign 8\none: .quad 0\n.globl two\ntwo: .quad 0",
        "lgrl %r1,one\n lgr %r2,%r1\n br %r14\n.globl one\n.balign 8\none: .quad 0\n.globl two\ntwo: .quad 0",
    ),
}  # fmt: skip


def compared(directory: Path, contract: str, old: str, new: str) -> set[Verdict]:
    width = "-31-" if contract == USER_31 else "-"
    files = [built(directory, f"{age}{width}f", body) for age, body in (("old", old), ("new", new))]
    report = equivalence.compare(files[0], files[1], pipeline.Options(symbol="f", contract=contract))
    return {finding.verdict for file in report.files for finding in file.findings()}


@pytest.mark.parametrize("name", PAIRS)
def test_they_are_not_equivalent(name: str, tmp_path: Path) -> None:
    contract, old, new, _ = PAIRS[name]
    found = compared(tmp_path, contract, old, new)
    assert found
    assert Verdict.PROVED not in found


@pytest.mark.parametrize("name", PAIRS)
def test_their_twins_are(name: str, tmp_path: Path) -> None:
    contract, old, _, twin = PAIRS[name]
    assert compared(tmp_path, contract, old, twin) == {Verdict.PROVED}
