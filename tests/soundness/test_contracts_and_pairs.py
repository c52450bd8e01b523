"""Ways to a wrong `proved` that lead through a contract of one's own, or through the comparison of two routines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from verify import equivalence, pipeline
from verify.errors import ContractError
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


def framed(body: str) -> str:
    return (
        f"stmg %r6,%r15,48(%r15)\n lgr %r1,%r15\n aghi %r15,-160\n stg %r1,0(%r15)\n {body} brasl %r14,g\n"
        "lmg %r6,%r15,208(%r15)\n br %r14"
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
    "a word that the routine read, and wrote over on one condition": (
        HELD, "lg %r3,0(%r2)\n ltgr %r4,%r4\n stoce %r0,4(%r2)\n br %r14", "return-value",
        HELD, "lg %r3,0(%r2)\n ltgr %r4,%r4\n stoce %r0,8(%r2)\n br %r14",
    ),
    "what comes after a callee of which nothing can be true": (
        EARLY.format("helper.result == 1 and helper.result == 2"), AFTER.format("lghi %r1,0\n stg %r1,208(%r15)\n"),
        None, EARLY.format("helper.result == 1"), AFTER.format(""),
    ),
    "a path on which regions that are apart overlap": (
        REGIONS.format(8), READS.format(9), None, REGIONS.format(160), READS.format(5),
    ),
    "a promise about storage that was read before it was given": (
        EARLY.format("mem[old.r2] == 1"),
        AFTER.format("cghi %r6,1\n je 1f\n lghi %r1,0\n stg %r1,208(%r15)\n1:").replace(
            "aghi %r15,-160", "aghi %r15,-160\n lg %r6,0(%r2)"
        ), None,
        EARLY.format("helper.result == 1"),
        AFTER.format("cghi %r2,1\n je 1f\n lghi %r1,0\n stg %r1,208(%r15)\n1:"),
    ),
    "a field whose address is read, and its neighbour": (
        'writes = []\n[stores]\n"stack_frame.back_chain" = "mem[old.r2]"\n',
        "lg %r1,0(%r2)\n stg %r3,8(%r1)\n br %r14", "memory-frame",
        'writes = []\n[stores]\n"stack_frame.back_chain" = "mem[old.r2]"\n',
        "lg %r1,0(%r2)\n stg %r3,0(%r1)\n br %r14",
    ),
    "the wrong one of two words behind a pointer that is read twice": (
        '[claims]\nreturn-value = ["r3 == mem[mem[old.r2]]"]\n',
        "lg %r1,0(%r2)\n lg %r1,0(%r2)\n lg %r3,8(%r1)\n br %r14", "return-value",
        '[claims]\nreturn-value = ["r3 == mem[mem[old.r2]]"]\n',
        "lg %r1,0(%r2)\n lg %r1,0(%r2)\n lg %r3,0(%r1)\n br %r14",
    ),
    "a return address that the unwinder does not find, said to be one of two reads": (
        'unwind = ["mem[old.r2]"]\n', framed("lg %r7,0(%r2)\n lg %r8,0(%r2)\n"), "backchain",
        'unwind = ["old.r14"]\n', framed("lg %r7,0(%r2)\n"),
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


@pytest.mark.parametrize("wrong", ["symbols = true", 'symbols = "f"', "[variables]\nv = [1]"])
def test_a_value_of_another_kind_is_a_mistake_with_its_line(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="own.toml:"):
        verdicts(tmp_path, f"{wrong}\n", "br %r14")


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


# 31-bit code ----------------------------------------------------------------------------------------------------------

_LITERAL = "basr %r1,0\n0: l %r2,1f-0b(%r1)\n ltr %r2,%r2\n jnl 2f\n lhi %r6,0\n2: br %r14\n.balign 4\n1: .long {}"
LITERALS = {
    "an address with the bit that says 31-bit mode": ("other+0x80000000", "other"),
    "a place of the code with that bit": ("f+0x80000000", "f"),
    "an address as far away as that bit": ("other+0x7fffffff", "other+4"),
}


def literal(directory: Path, word: str) -> set[Verdict]:
    file = built(directory, "one-31-f", _LITERAL.format(word))
    return {one.verdict for one in pipeline.prove_file(file, pipeline.Options(symbol="f", contract=USER_31)).findings()}


@pytest.mark.parametrize("name", LITERALS)
def test_a_word_with_bit_32_is_not_taken_for_an_address(name: str, tmp_path: Path) -> None:
    bad, good = LITERALS[name]
    assert literal(tmp_path, good) == {Verdict.PROVED}
    assert literal(tmp_path, bad) != {Verdict.PROVED}


# Bare code ------------------------------------------------------------------------------------------------------------

_PROMISES = 'extends = "{}"\ndrop = ["call.callee"]\n[call.one]\nnamed = ["one"]\nreturns = true\n' \
            'ensures = ["one.result == 1"]\n[call.two]\nnamed = ["two"]\nreturns = true\n' \
            '[claims]\nreturn-value = ["r2 == 1"]\n'  # fmt: skip
# stmg %r14,%r15,112(%r15); aghi %r15,-160; llilf %r1,0x200000; basr %r14,%r1; lmg %r14,%r15,272(%r15); br %r14
_CALLS = "ebeff0700024 a7fbff60 c01f00200000 0de1 ebeff1100004 07fe"


@pytest.mark.parametrize("names", [("one",), ("one", "two")])
def test_an_address_with_two_names_is_not_the_function_that_promises_more(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    own, dump = tmp_path / "own.toml", tmp_path / "dump.txt"
    own.write_text(_PROMISES.format(USER), encoding="utf-8")
    dump.write_text(_CALLS, encoding="utf-8")
    let = tuple((name, 0x200000) for name in names)
    options = pipeline.Options(raw=True, base=0x10000, let=let, contract=str(own))
    found = {finding.verdict for finding in pipeline.prove_file(dump, options).findings()}
    assert (Verdict.UNSUPPORTED in found) == (len(names) == 2)
    assert (Verdict.PROVED in found) == (len(names) == 1)
