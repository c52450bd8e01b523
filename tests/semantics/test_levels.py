"""Which machine has which form of an instruction, and what --arch makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from tests.command import verify
from verify import pipeline
from verify.errors import UsageError
from verify.semantics import isa, levels
from verify.semantics.decode import Instruction, decode, encode
from verify.verdict import Verdict


def insn(mnemonic: str, **values: int) -> Instruction:
    found = decode(encode(isa.by_mnemonic()[mnemonic], values))
    assert found is not None
    return found


NEEDED = {
    "LG": (insn("LG", R1=1, B2=15, D2=160), "z900"),
    "LG with a long displacement": (insn("LG", R1=1, B2=15, D2=4096), "z990"),
    "LG with a negative displacement": (insn("LG", R1=1, B2=15, D2=-8), "z990"),
    "LAY": (insn("LAY", R1=1, B2=15, D2=8), "z990"),
    "EXRL": (insn("EXRL", R1=0, RI2=8), "z10"),
    "LOCGR": (insn("LOCGR", R1=1, R2=2, M3=8), "z196"),
    "POPCNT": (insn("POPCNT", R1=1, R2=2), "z196"),
    "POPCNT of all bits": (insn("POPCNT", R1=1, R2=2, M3=8), "z15"),
    "PPA": (insn("PPA", R1=1, R2=2, M3=12), "zEC12"),
    "VL": (insn("VL", V1=1, B2=15), "z13"),
    "SELGR": (insn("SELGR", R1=1, R2=2, R3=3, M4=8), "z15"),
    "LPSWEY": (insn("LPSWEY", B1=15), "z16"),
}


@pytest.mark.parametrize("name", NEEDED)
def test_level_of_a_form(name: str) -> None:
    instruction, wanted = NEEDED[name]
    assert levels.needed(instruction) == wanted
    assert [arch for arch in isa.LEVELS if not levels.above(instruction, arch)] == list(
        isa.LEVELS[isa.LEVELS.index(wanted) :]
    )


@pytest.mark.parametrize(
    ("name", "level"), [("z10", "z10"), ("Z196", "z196"), ("arch12", "z14"), ("z9-109", "z9"), ("zec12", "zEC12")]
)
def test_names_of_gcc(name: str, level: str) -> None:
    assert levels.level(name) == level


def test_unknown_machine() -> None:
    with pytest.raises(UsageError, match="no machine 'z17x'"):
        pipeline.Options(arch="z17x").level()


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A sum of three registers (z196) on one path only, and an instruction of z10 as the target of an execute."""
    source = tmp_path / "f.s"
    source.write_text(
        "\t.text\n\t.globl f\n\t.type f,@function\nf:\n\tltgr %r2,%r2\n\tje 1f\n\tagrk %r2,%r3,%r4\n"
        "1:\tlarl %r1,2f\n\tex %r0,0(%r1)\n\tbr %r14\n2:\tmvghi 16(%r15),0\n\t.size f,.-f\n",
        encoding="utf-8",
    )
    return assembler.available()[0].assemble(source, tmp_path / "f.o")


def flagged(path: Path, arch: str) -> set[str]:
    report = pipeline.prove_file(path, pipeline.Options(arch=arch))
    found = [one for one in report.findings() if one.property == "instruction-level"]
    assert {one.verdict for one in found} <= {Verdict.REFUTED, Verdict.PROVED}
    return {one.message.rpartition(": ")[2].split()[0] for one in found if one.verdict is Verdict.REFUTED}


def test_a_newer_instruction_is_flagged(built: Path) -> None:
    assert flagged(built, "z196") == set()
    assert flagged(built, "z10") == {"agrk"}
    assert flagged(built, "z9") == {"agrk", "mvghi"}


def test_the_command(built: Path) -> None:
    assert verify("prove", str(built)).code == 0
    assert verify("prove", str(built), "--arch", "z196").code == 0
    done = verify("prove", str(built), "--arch", "arch8")
    assert done.code == 1
    assert "agrk at f+0x8 is an instruction of z196, and the code is for z10" in done.out
    done = verify("prove", str(built), "--arch", "z1")
    assert (done.code, done.out) == (2, "")
    assert "there is no machine 'z1'; known: esa, z900" in done.err


def test_without_a_machine_nothing_is_claimed(built: Path) -> None:
    report = pipeline.prove_file(built, pipeline.Options())
    assert "instruction-level" not in {one.property for one in report.findings()}
