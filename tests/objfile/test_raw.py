"""Bare code at a known address: what is read from bytes and from hexadecimal text, and how it is proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import assembler
from tests.command import ROOT, Done, verify
from verify import pipeline
from verify.errors import InputError, UsageError
from verify.machine.term import const
from verify.objfile import raw
from verify.objfile.elf import load
from verify.objfile.image import LINKED_SPACE, Place
from verify.report.report import FileReport
from verify.semantics.code import Code
from verify.verdict import Exit, Verdict

BASE = 0x3FF80012340
ABI = "abi/s390x-linux-kernel"
# lgr %r1,%r2; br %r14; and a word that nothing reaches
CODE = bytes.fromhex("b9040012" "07fe" "0700")
KERNEL = """[   12.345678] flen=3 proglen=8 pass=4 image=00000000a1b2c3d4 from=insmod pid=99
[   12.345679] JIT code: 00000000: b9 04 00 12 07 fe 07 00
"""
BPFTOOL = """bpf_prog_0123456789abcdef_probe:
   0:\tlgr\t%r1,%r2
\tb9 04 00 12
   4:\tbr\t%r14
\t07 fe
   6:\tnopr
\t07 00
"""


def written(tmp_path: Path, data: bytes | str, name: str = "dump.bin") -> Path:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def assembled(tmp_path: Path, body: str) -> bytes:
    """The bytes of some instructions that refer to nothing outside."""
    source = tmp_path / "f.s"
    source.write_text(f"\t.text\n\t.globl f\n\t.type f,@function\nf:\n{body}\n\t.size f,.-f\n", encoding="utf-8")
    image = load(assembler.available()[0].assemble(source, tmp_path / "f.o"))
    symbol = image.symbol("f")
    assert symbol.place is not None
    assert not image.holes
    return image.code(symbol.place, symbol.size)


def proved(tmp_path: Path, body: str, contract: str | None = ABI, base: int = BASE) -> FileReport:
    path = written(tmp_path, assembled(tmp_path, body))
    return pipeline.prove_file(path, pipeline.Options(raw=True, base=base, contract=contract))


def verdicts(report: FileReport, prop: str | None) -> set[Verdict]:
    return {one.verdict for one in report.findings() if one.property == prop}


def complaint(done: Done) -> str:
    assert (done.code, done.out) == (Exit.BAD_INPUT, "")
    (line,) = done.err.splitlines()
    return line


# Reading --------------------------------------------------------------------------------------------------------------

TEXTS = {
    "the kernel's dump": KERNEL,
    "bpftool's listing with opcodes": BPFTOOL,
    "pairs": "b9 04 00 12\n07 fe 07 00\n",
    "one run of digits": "b904001207fe0700",
    "lines of another length": "b9040012 07FE\r\n0700\r\n",
    "a dump without time and name": "00000000: b9 04 00 12\n00000004: 07 fe 07 00\n",
    "empty lines": "\n\nb9 04 00 12\n\n07 fe 07 00\n\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_the_bytes_that_it_shows(name: str, tmp_path: Path) -> None:
    image = raw.load(written(tmp_path, TEXTS[name]), BASE, 0, None, ())
    assert image.code(Place(LINKED_SPACE, BASE), 100) == CODE


def test_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    image = raw.load(written(tmp_path, CODE), BASE, 0, None, [("func", 0x1000)])
    assert image.code(Place(LINKED_SPACE, BASE), 100) == CODE
    assert not image.code(Place(LINKED_SPACE, BASE - 2), 2)
    assert not image.code(Place(LINKED_SPACE, BASE + len(CODE)), 2)
    assert image.label(Place(LINKED_SPACE, BASE + 4)) == "dump+0x4"
    (routine,) = image.routines()
    assert (routine.name, routine.place, routine.size) == ("dump", Place(LINKED_SPACE, BASE), len(CODE))
    assert [(one.name, one.absolute) for one in image.symbols if one.absolute is not None] == [("func", 0x1000)]


def test_name_and_entry_are_the_users(tmp_path: Path) -> None:
    image = raw.load(written(tmp_path, CODE), BASE, 4, "mine", ())
    (routine,) = image.routines()
    assert (routine.name, routine.place, routine.size) == ("mine", Place(LINKED_SPACE, BASE + 4), len(CODE) - 4)


def test_places_are_addresses(tmp_path: Path) -> None:
    code = Code(raw.load(written(tmp_path, CODE), BASE, 0, None, [("func", 0x1000), ("also", 0x1000)]))
    assert code.address(Place(LINKED_SPACE, BASE + 4)) is const(BASE + 4, 64)
    assert code.place(const(BASE + 4, 64)) == Place(LINKED_SPACE, BASE + 4)
    assert code.place(const(BASE + len(CODE), 64)) is None
    assert code.place(const(BASE - 2, 64)) is None
    assert code.symbol("func") is const(0x1000, 64)
    assert code.names(const(0x1000, 64)) == ("func", "also")
    assert code.names(const(0x1002, 64)) == ()


def test_a_name_for_an_address_in_the_code_is_a_label_of_it(tmp_path: Path) -> None:
    let = [("first", BASE), ("last", BASE + 7), ("before", BASE - 1), ("behind", BASE + 8)]
    image = raw.load(written(tmp_path, CODE), BASE, 0, None, let)
    found = {one.name: (one.place, one.absolute) for one in image.symbols[1:]}
    assert found == {
        "first": (Place(LINKED_SPACE, BASE), None),
        "last": (Place(LINKED_SPACE, BASE + 7), None),
        "before": (None, BASE - 1),
        "behind": (None, BASE + 8),
    }
    assert [one.name for one in image.routines()] == ["dump"]


BAD = {
    "an empty file": (b"", "holds no code"),
    "white space": (" \n\t\n", "holds no code"),
    "a header alone": ("flen=3 proglen=8 pass=4 image=00000000a1b2c3d4\n", "holds no code"),
    "an odd number of bytes": (CODE + b"\x07", "odd number"),
    "an odd number of bytes as text": ("b9 04 00 12 07\n", "odd number"),
    "an odd number of digits": ("b904001207f\n", "line 1 is not code in hexadecimal"),
    "words": ("b9 04 00 12\nhello\n", "line 2 is not code in hexadecimal: 'hello'"),
    "a source": ("\tlgr %r1,%r2\n", "line 1 is not code in hexadecimal"),
    "a line that is missing": ("00000000: b9 04\n00000004: 07 fe\n", "line 2 is at offset 0x00000004, after 0x2 bytes"),
    "a second dump": (KERNEL + KERNEL, "line 4 is at offset 0x00000000, after 0x8 bytes"),
    "a listing without opcodes": ("   0:\tlgr\t%r1,%r2\n   4:\tbr\t%r14\n", "line 2 is at offset 0x4, after 0x0 bytes"),
    "an ELF file": ((ROOT / "trampolines/expoline.o").read_bytes(), "is an ELF file; leave out --raw"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_code_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    data, words = BAD[name]
    path = written(tmp_path, data)
    with pytest.raises(InputError) as caught:
        raw.load(path, BASE, 0, None, ())
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    done = verify("prove", "--raw", "--base", hex(BASE), path)
    assert done.code == Exit.BAD_INPUT
    assert words in done.out
    assert "Traceback" not in done.out + done.err


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(InputError, match=words):
            raw.load(path, BASE, 0, None, ())


USAGE = {
    "no base": (["--raw"], "--raw needs --base ADDR"),
    "an odd base": (["--raw", "--base", "0x1001"], "--base 0x1001 is odd"),
    "a base at the end": (["--raw", "--base", "0xfffffffffffffffe"], "reach beyond the last address"),
    "an odd entry": (["--raw", "--base", "0x1000", "--entry", "1"], "--entry 0x1 is not the offset"),
    "an entry behind the code": (["--raw", "--base", "0x1000", "--entry", "8"], "--entry 0x8 is not the offset"),
    "a base without --raw": (["--base", "0x1000"], "--base is for bare code; say --raw"),
    "an entry without --raw": (["--entry", "0"], "--entry is for bare code; say --raw"),
    "a name without --raw": (["--let", "func=0x1000"], "--let is for bare code; say --raw"),
    "two files": (["--raw", "--base", "0x1000", str(ROOT / "trampolines/expoline.o")], "--raw takes one file"),
}


@pytest.mark.parametrize("name", USAGE)
def test_options_that_cannot_be_honoured(name: str, tmp_path: Path) -> None:
    options, words = USAGE[name]
    assert words in complaint(verify("prove", *options, written(tmp_path, CODE)))


@pytest.mark.parametrize(
    ("option", "value"),
    [("--base", "here"), ("--base", "-2"), ("--base", hex(1 << 64)), ("--entry", "0x"), ("--let", "func"),
     ("--let", "=1"), ("--let", "func=there"), ("--let", "a b=1")],
)  # fmt: skip
def test_values_that_are_none(option: str, value: str, tmp_path: Path) -> None:
    done = verify("prove", "--raw", option, value, written(tmp_path, CODE))
    assert done.code == Exit.BAD_INPUT
    assert value.rpartition("func=")[2] in done.err


def test_a_name_for_two_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, CODE)
    done = verify("prove", "--raw", "--base", "0x1000", "--let", "f=2", "--let", "f=4", path)
    assert "f is given twice" in done.err
    assert verify("prove", "--raw", "--base", "0x1000", "--let", "f=2", "--let", "f=0x2", path).code == 0


def test_a_base_that_makes_the_last_byte_the_last_address(tmp_path: Path) -> None:
    path = written(tmp_path, CODE)
    assert verify("prove", "--raw", "--base", hex((1 << 64) - len(CODE)), path).code == 0
    with pytest.raises(UsageError):
        raw.load(path, (1 << 64) - len(CODE) + 2, 0, None, ())


# Proving --------------------------------------------------------------------------------------------------------------


def test_a_dump_is_proved_under_the_kernels_abi_and_says_where(tmp_path: Path) -> None:
    done = verify("prove", "--raw", "--base", hex(BASE), written(tmp_path, KERNEL, "jit.txt"))
    assert done.code == 0
    assert f"jit under {ABI} (no claim; bare code, taken for what the kernel's JIT compiler made)" in done.out
    assert f"not executed on any path: {BASE + 6:#x}..{BASE + 8:#x}" in done.out


FRAMED = "\tstmg %r14,%r15,136(%r15)\n\taghi %r15,-160\n{}\n\tlg %r14,296(%r15)\n\taghi %r15,160\n\tbr %r14"
CALL = "\tllihf %r1,0x3ff\n\toilf %r1,{:#x}\n\tbasr %r14,%r1"


def test_calls_of_addresses_are_calls_by_the_abi(tmp_path: Path) -> None:
    report = proved(tmp_path, FRAMED.format(CALL.format(0xE0201000)))
    assert {one.verdict for one in report.findings()} == {Verdict.PROVED}
    assumed = "at each absolute address that is called there is a function of the ABI"
    assert all(assumed in one.assumptions for one in report.findings())
    lost = proved(tmp_path, FRAMED.format(CALL.format(0xE0201000) + "\n\tlgr %r6,%r2"))
    assert verdicts(lost, "callee-saved") == {Verdict.REFUTED}


@pytest.mark.parametrize("load_it", ["lghi %r1,0", "lghi %r1,512", CALL.format(0xE0201001).rpartition("\n")[0].strip()])
def test_what_can_be_no_function_is_not_called(load_it: str, tmp_path: Path) -> None:
    report = proved(tmp_path, FRAMED.format(f"\t{load_it}\n\tbasr %r14,%r1"))
    assert verdicts(report, None) == {Verdict.UNSUPPORTED}


def test_an_object_file_still_calls_no_address(tmp_path: Path) -> None:
    assembled(tmp_path, FRAMED.format(CALL.format(0xE0201000)))
    report = pipeline.prove_file(tmp_path / "f.o", pipeline.Options(contract=ABI))
    assert verdicts(report, None) == {Verdict.UNSUPPORTED}


def test_a_constant_that_points_into_the_code_is_a_place(tmp_path: Path) -> None:
    """larl, and the same address made of immediates: both are called, and neither leaves the code."""
    target = BASE + 0x20
    for address in (f"llihf %r1,{target >> 32:#x}\n\toilf %r1,{target & 0xFFFFFFFF:#x}", "larl %r1,2f"):
        body = f"\t{address}\n\tbr %r1\n\t.org f+0x20\n2:\tlghi %r2,1\n\tbr %r14"
        report = proved(tmp_path, body)
        assert {one.verdict for one in report.findings()} == {Verdict.PROVED}
        (routine,) = report.routines
        assert f"{target:#x}..{target + 6:#x}" in routine.executed


def test_elsewhere_the_same_constant_leaves_the_code(tmp_path: Path) -> None:
    target = BASE + 0x20
    body = f"\tllihf %r1,{target >> 32:#x}\n\toilf %r1,{target & 0xFFFFFFFF:#x}\n\tbr %r1\n\t.org f+0x20\n\tbr %r14"
    assert verdicts(proved(tmp_path, body), "psw-redirect") == {Verdict.PROVED}
    assert verdicts(proved(tmp_path, body, base=BASE + 0x1000), "psw-redirect") == {Verdict.REFUTED}


def test_a_branch_out_of_the_dump_is_found(tmp_path: Path) -> None:
    """A tail call by a number: not the return that the ABI asks for, and no symbol either."""
    report = proved(tmp_path, "2:\tjg 2b-0x1000")
    assert verdicts(report, "psw-redirect") == {Verdict.REFUTED}
    (finding,) = (one for one in report.findings() if one.property == "psw-redirect")
    assert finding.counterexample is not None
    assert finding.counterexample.replayed


def test_code_that_runs_off_its_end_is_not_proved(tmp_path: Path) -> None:
    assert Verdict.PROVED not in verdicts(proved(tmp_path, "\tlgr %r1,%r2"), "psw-redirect")


def test_data_behind_the_code_can_be_read_and_code_not_written(tmp_path: Path) -> None:
    good = proved(tmp_path, "\tlgrl %r2,1f\n\tbr %r14\n\t.balign 8\n1:\t.quad 5")
    assert {one.verdict for one in good.findings()} == {Verdict.PROVED}
    bad = proved(tmp_path, "\tstgrl %r2,1f\n\tbr %r14\n\t.balign 8\n1:\t.quad 5")
    assert verdicts(bad, None) == {Verdict.UNSUPPORTED}


def test_storage_at_another_address_may_be_the_stack(tmp_path: Path) -> None:
    body = "\tllihf %r1,0x3ff\n\toilf %r1,0x90000000\n\tstg %r2,0(%r1)\n\tbr %r14"
    assert verdicts(proved(tmp_path, body), None) == {Verdict.UNKNOWN}


def test_replay_reads_it_too(tmp_path: Path) -> None:
    path = written(tmp_path, assembled(tmp_path, "\tlghi %r6,0\n\tbr %r14"))
    done = verify("replay", "--raw", "--base", hex(BASE), "--property", "callee-saved", path)
    assert done.code == 0, done.out + done.err
    assert "callee-saved" in done.out
