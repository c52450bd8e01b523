"""`verify semantics`: a line for every instruction, and what one of them does, told by its own encoding."""

from __future__ import annotations

import re

import pytest

from tests.command import verify
from verify.semantics import isa, meaning
from verify.semantics.disassemble import extended

SUPPORTED = [spec for spec in isa.specs() if spec.source != "-"]
# All others have an example that can be executed.
REFUSED = {"SSM": "address translation"}  # the byte comes from storage of which nothing is known


@pytest.mark.parametrize("spec", SUPPORTED, ids=lambda spec: spec.mnemonic)
def test_every_instruction_tells_what_it_does(spec: isa.Spec) -> None:
    told = meaning.of(spec)
    assert told.example.spec is spec
    if spec.mnemonic in REFUSED:
        assert REFUSED[spec.mnemonic] in (told.refused or "")
        return
    assert told.refused is None
    quiet = {"BPP", "BPRP", "PPA", "NIAI", "PFD", "PFDRL", "SPT", "SCKC", "LPP", "LBEAR", "SAM64"}
    assert bool(told.effects) is (spec.mnemonic not in quiet), told.effects


EFFECTS = {
    "LG": ["r2 = mem64[(r9 + r10) + 32]"],
    "STG": ["mem64[(r9 + r10) + 32] = r2"],
    "AGR": ["r2 = (r2 + r4)", "condition code: 0 zero, 1 less than zero, 2 greater than zero, 3 overflow"],
    "BRC": ["goes to here + 16, if (cc == 0)"],
    "LARL": ["r2 = here + 16"],
    "MVC": ["mem32[r8 + 16] = mem32[r9 + 32]"],
    "STOCG": ["mem64[r9 + 32] = r2, if (cc == 0)"],
    "LCTLG": [f"c{n + 2} = mem64[r9 + {32 + 8 * n}]" for n in range(5)],
    "SVC": ["supervisor call 1: what the contract says"],
    "VPDI": ["f1 = v2.left", "right half of v1 = v3.left"],
}


@pytest.mark.parametrize("mnemonic", EFFECTS)
def test_effects(mnemonic: str) -> None:
    assert list(meaning.of(isa.by_mnemonic()[mnemonic]).effects) == EFFECTS[mnemonic]


def test_the_list_has_a_line_for_every_row() -> None:
    done = verify("semantics")
    assert (done.code, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert head.split()[:5] == ["mnemonic", "machine", "source", "compared", "result"]
    assert [line.split()[0] for line in lines] == sorted(spec.mnemonic.lower() for spec in isa.specs())
    for line in lines:
        mnemonic, level, source, *_ = line.split()
        spec = isa.by_mnemonic()[mnemonic.upper()]
        assert (level, source) == (spec.level, spec.source)
        assert line.endswith(spec.manual)


@pytest.mark.parametrize("source", isa.SOURCES)
def test_one_source_only(source: str) -> None:
    lines = verify("semantics", "--source", source).out.splitlines()[1:]
    assert [line.split()[2] for line in lines] == [source] * len(lines)
    assert len(lines) == sum(spec.source == source for spec in isa.specs())


def test_what_a_machine_has() -> None:
    found = {line.split()[0] for line in verify("semantics", "--arch", "z10").out.splitlines()[1:]}
    assert {"exrl", "lg", "mvghi"} <= found
    assert not {"locgr", "agrk", "vl", "ppa"} & found
    assert "no machine 'z1'" in verify("semantics", "--arch", "z1").err


def test_one_instruction() -> None:
    done = verify("semantics", "lg")
    assert (done.code, done.err) == (0, "")
    for text in ("lg: load 64 bits", "Principles of Operation, chapter 7, LOAD", "RXY-a, 6 bytes: 0-7 E3 8-11 R1",
                 "z900 and later", "pyvex", "r2 = mem64[(r9 + r10) + 32]", "compared"):  # fmt: skip
        assert text in done.out


def test_the_reason_for_having_no_meaning() -> None:
    out = verify("semantics", "SIE").out
    assert re.search(r"semantics +none", out)
    assert isa.reasons()["other-cpus-or-guests"] in out


@pytest.mark.parametrize(("name", "basic"), [("br", "BCR"), ("je", "BRC"), ("jgnop", "BRCL"), ("locgre", "LOCGR")])
def test_extended_mnemonics(name: str, basic: str) -> None:
    assert verify("semantics", name).out == verify("semantics", basic).out


def test_a_basic_mnemonic_comes_first() -> None:
    """VMLH is a row of its own, and also what VML is written as with halfword elements."""
    assert extended()["vmlh"].mnemonic == "VML"
    assert "VECTOR MULTIPLY LOGICAL HIGH" in verify("semantics", "vmlh").out


def test_several_and_a_wrong_one() -> None:
    assert verify("semantics", "lg", "stg").out.count("\nstg: ") == 1
    done = verify("semantics", "lgx")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("verify: no basic mnemonic 'lgx'; did you mean ")
