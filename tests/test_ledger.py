"""Receipts: they match what is there, and whatever changes is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command import ROOT, verify
from verify import ledger, pipeline
from verify.errors import InputError

CLAIMS = "trampolines.toml"
OBJECT = "trampolines/ftrace-6.12.o"


def test_the_receipts_of_this_repository_match() -> None:
    done = verify("check")
    assert done.out.endswith(" objects match their receipts\n"), done.out
    assert done.code == 0


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Claims, objects and their receipts, somewhere else."""
    place = tmp_path_factory.mktemp("proved")
    (place / "proofs").mkdir()
    shutil.copy(ROOT / "proofs" / CLAIMS, place / "proofs")
    (place / "trampolines").mkdir()
    for path in (ROOT / "trampolines").glob("*.o"):
        shutil.copy(path, place / "trampolines")
    proofs = place / "proofs"
    ledger.write(proofs, pipeline.prove(list(ledger.objects(proofs)), pipeline.Options()))
    return place


@pytest.fixture
def proofs(proved: Path, tmp_path: Path) -> Path:
    """A copy of them, to change."""
    shutil.copytree(proved, tmp_path, dirs_exist_ok=True)
    return tmp_path / "proofs"


def told(proofs: Path) -> list[str]:
    return list(ledger.check(proofs))


def test_nothing_changed(proofs: Path) -> None:
    assert told(proofs) == []
    kept = (proofs / "receipts/trampolines.tsv").read_text()
    assert f"{OBJECT}\tftrace_caller\tlinux-6.12/ftrace_caller\t" in kept
    assert "proved: " in kept
    assert "refuted" not in kept


def test_a_changed_object(proofs: Path) -> None:
    path = proofs.parent / OBJECT
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    sentences = told(proofs)
    assert f"{OBJECT}: ftrace_caller: the object has changed" in sentences
    assert all(sentence.startswith(OBJECT) for sentence in sentences)


def test_an_object_that_is_gone(proofs: Path) -> None:
    (proofs.parent / OBJECT).unlink()
    assert f"{OBJECT}: ftrace_caller has a receipt and is not claimed, or not there" in told(proofs)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (2, "was held to x, and is claimed to obey linux-6.12/ftrace_caller"),
        (3, "the object has changed"),
        (4, "the contract linux-6.12/ftrace_caller, or what it extends, or its layout, has changed"),
    ],
)
def test_a_receipt_of_something_else(column: int, words: str, proofs: Path) -> None:
    path = proofs / "receipts/trampolines.tsv"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    row = next(row for row in rows if row[:2] == [OBJECT, "ftrace_caller"])
    row[column] = "x"
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    (sentence,) = told(proofs)
    assert sentence.startswith(f"{OBJECT}: ftrace_caller")
    assert words in sentence


def test_a_claim_without_a_receipt(proofs: Path) -> None:
    path = proofs / "receipts/trampolines.tsv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "\tftrace_regs_caller\t" not in line))
    assert f"{OBJECT}: ftrace_regs_caller has no receipt" in told(proofs)


def test_a_program_that_is_another_one(proofs: Path) -> None:
    path = proofs / "receipts/program.tsv"
    lines = path.read_text().splitlines()
    changed = [line.replace("verify/prove/decide.py\t", "verify/prove/decide.py\t0") for line in lines]
    path.write_text("\n".join([*(line for line in changed if not line.startswith("z3-solver")), "verify/old.py\t1\n"]))
    assert told(proofs) == [
        "verify/old.py is gone, and may reach other verdicts",
        "verify/prove/decide.py has changed, and may reach other verdicts",
        "z3-solver is new, and may reach other verdicts",
    ]


def test_receipts_of_claims_that_are_gone(proofs: Path) -> None:
    (proofs / "receipts/other.tsv").write_text(
        "\t".join(["file", "routine", "contract", "object", "model", "verdicts"])
    )
    assert told(proofs) == ["receipts/other.tsv: there are no such claims"]


def test_a_table_that_is_none(proofs: Path) -> None:
    (proofs / "receipts/trampolines.tsv").write_text("head\nand nothing\n")
    with pytest.raises(InputError, match="is no table of receipts"):
        told(proofs)


def test_an_index_that_is_old(proofs: Path) -> None:
    (proofs / "INDEX.txt").write_text("All claims\n")
    assert told(proofs) == ["INDEX.txt does not list the claims as they are"]


def test_the_index_lists_every_claim() -> None:
    text = (ROOT / "proofs/INDEX.txt").read_text(encoding="utf-8")
    for claim in ledger.load_claims(ROOT / "proofs"):
        assert claim.file in text
        assert claim.why in text
