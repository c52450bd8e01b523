"""Unusable inputs: one sentence that names the file, exit code 2, no traceback, and never a proof."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import elf
from tests.command import ROOT, verify
from tests.elf import Reloc, Sec, Sym
from verify import pipeline
from verify.errors import InputError
from verify.objfile.elf import load
from verify.report import json as json_report
from verify.report import listing, text
from verify.verdict import Exit, Verdict

GOOD = ROOT / "trampolines/ftrace-6.12.o"
SMALL = elf.build(
    [
        Sec(".text", bytes.fromhex("c01000000000" + "c41800000000" + "c0f400000000"), relocs=[
            Reloc(2, 19, "data", 2), Reloc(8, 26, "away", 2), Reloc(14, 20, "away", 2)]),
        Sec(".data", bytes(16), elf.DATA, relocs=[Reloc(8, 22, "f")]),
        Sec(".text", bytes.fromhex("07fe")),
    ],
    [Sym("f", 1, 0, elf.FUNC, elf.GLOBAL, 18), Sym("data", 2, 0, elf.OBJECT, elf.LOCAL, 16), Sym("away"),
     Sym("g", 3, 0, elf.FUNC, elf.GLOBAL, 2), Sym(".data", 2, 0, elf.SECTION, elf.LOCAL)],
)  # fmt: skip

SMALL_31 = (ROOT / "trampolines/mcount-31-ftrace_caller.o").read_bytes()


def changed(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def header(kind: int = 1, machine: int = 22, wide: int = 2, order: int = 2) -> bytes:
    """An ELF header by hand, with nothing behind it but zeros."""
    ident = b"\x7fELF" + bytes([wide, order, 1]) + bytes(9)
    return ident + struct.pack((">" if order == 2 else "<") + "HHI", kind, machine, 1) + bytes(40) + bytes(256)


def sections_of(data: bytes) -> int:
    """Where the section headers start."""
    return int(struct.unpack_from(">Q", data, 40)[0])


def sections_of_31(data: bytes) -> int:
    """The same in an object for 31-bit code."""
    return int(struct.unpack_from(">I", data, 32)[0])


def section(data: bytes, number: int, offset: int, value: bytes) -> bytes:
    """A field of a section header changed."""
    return changed(data, sections_of(data) + 64 * number + offset, value)


def without_addends(data: bytes, number: int) -> bytes:
    """A table of relocations turned into one SHT_REL entry."""
    for offset, value in ((4, struct.pack(">I", elf.REL)), (32, struct.pack(">Q", 16)), (56, struct.pack(">Q", 16))):
        data = section(data, number, offset, value)
    return data


# Name, contents (None: no file), and words of the sentence.
INPUTS: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "no such file"),
    "empty": (b"", "is empty"),
    "one byte": (b"\x7f", "is not an ELF file"),
    "text": (b"hello, world\n", "is not an ELF file"),
    "zeros": (bytes(4096), "is not an ELF file"),
    "magic only": (b"\x7fELF", "cut short"),
    "ident only": (SMALL[:16], "cut short"),
    "half a header": (SMALL[:60], "cut short"),
    "archive": (b"!<arch>\n" + bytes(60) + SMALL, "archive"),
    "x86-64": (header(machine=62, order=1), "x86-64"),
    "i386": (header(machine=3, wide=1, order=1), "x86"),
    "AArch64": (header(machine=183, order=1), "AArch64"),
    "PowerPC": (header(machine=21), "PowerPC"),
    "unknown machine": (header(machine=0x1234), "machine 4660"),
    "31-bit without sections": (header(wide=1), "no section headers"),
    "31-bit x86": (header(machine=3, wide=1, order=1), "is for 32-bit x86, not for s390x"),
    "31-bit, little-endian": (header(wide=1, order=1), "little-endian"),
    "31-bit, cut short": (SMALL_31[: len(SMALL_31) - 100], "cut short"),
    "31-bit, half a header": (SMALL_31[:51], "cut short inside the ELF header"),
    "31-bit, section beyond the end": (
        changed(SMALL_31, sections_of_31(SMALL_31) + 40 + 20, b"\0\xff\0\0"), "section 1 reaches beyond the end"),
    "little-endian": (header(order=1), "little-endian"),
    "core dump": (changed(SMALL, 16, b"\0\4"), "core"),
    "no type": (changed(SMALL, 16, b"\0\0"), "neither"),
    "no class": (changed(SMALL, 4, b"\0"), ""),
    "no byte order": (changed(SMALL, 5, b"\0"), ""),
    "no section headers": (changed(SMALL, 40, bytes(8)), "section headers"),
    "no sections": (changed(SMALL, 60, bytes(2)), "section headers"),
    "headers far away": (changed(SMALL, 40, b"\x7f" + bytes(7)), "cut short"),
    "small headers": (changed(SMALL, 58, b"\0\1"), ""),
    "section beyond the end": (section(SMALL, 1, 32, b"\0\0\0\0\xff\0\0\0"), "cut short"),
    "section far away": (section(SMALL, 1, 24, b"\xff" * 8), "cut short"),
    "relocations without symbols": (section(SMALL, 6, 40, struct.pack(">I", 99)), ""),
    "symbols without names": (section(SMALL, 4, 40, struct.pack(">I", 99)), ""),
    "relocations of nothing": (section(SMALL, 6, 44, struct.pack(">I", 99)), "99"),
    "relocations without addends": (without_addends(SMALL, 6), "addends"),
    "relocations of size zero": (section(SMALL, 6, 56, bytes(8)), ""),
    "no names of sections": (changed(SMALL, 62, b"\0\x63"), ""),
    "no symbols": (elf.build([Sec(".text", elf.RETURN)], []), "no routine"),
    "no code": (elf.build([Sec(".data", bytes(8), elf.DATA)], [Sym("f", 1, 0, elf.FUNC)]), "no routine"),
    "code of no bytes": (elf.build([Sec(".text", b"")], [Sym("f", 1, 0, elf.FUNC)]), "no routine"),
    "a routine outside": (elf.build([Sec(".text", elf.RETURN)], [Sym("f", 1, 2, elf.FUNC)]), "no routine"),
    "a routine nowhere": (elf.build([Sec(".text", elf.RETURN)], [Sym("f", 77, 0, elf.FUNC)]), ""),
}  # fmt: skip


def sentence_of(out: str, path: Path) -> str:
    """The one line that names the file."""
    (line,) = (line for line in out.splitlines() if str(path) in line)
    assert line.startswith(f"error: {path}: ")
    assert line.count(str(path)) == 1
    assert out.count("error: ") == 1
    return line


@pytest.mark.parametrize("name", INPUTS)
def test_an_unusable_input_is_one_sentence_and_exit_code_2(name: str, tmp_path: Path) -> None:
    data, words = INPUTS[name]
    path = tmp_path / "input.o"
    if data is not None:
        path.write_bytes(data)
    done = verify("prove", path)
    assert (done.code, done.err) == (2, "")
    assert words in sentence_of(done.out, path)
    assert "proved" not in done.out
    document = json.loads(verify("prove", "--format", "json", path).out)
    (finding,) = document["findings"]
    assert (finding["file"], finding["routine"], finding["property"]) == (str(path), None, None)
    assert finding["verdict"] == "error"
    shown = verify("show", path)
    if words != "no routine":
        assert (shown.code, shown.out) == (2, "")
        assert shown.err.startswith(f"verify: {path}: ")
        assert shown.err.count("\n") == 1


@pytest.mark.parametrize("name", ["missing", "empty", "text", "x86-64", "31-bit x86", "magic only", "no symbols"])
def test_the_real_command_prints_no_traceback(name: str, tmp_path: Path) -> None:
    data, words = INPUTS[name]
    path = tmp_path / "input.o"
    if data is not None:
        path.write_bytes(data)
    command = [sys.executable, "-m", "verify", "prove", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert words in sentence_of(done.stdout, path)


def test_a_directory_is_no_object_file(tmp_path: Path) -> None:
    done = verify("prove", tmp_path)
    assert done.code == 2
    assert "directory" in sentence_of(done.out, tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.o"
    path.write_bytes(SMALL)

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    done = verify("prove", path)
    assert done.code == 2
    assert "cannot be read: Permission denied" in sentence_of(done.out, path)


def test_a_link_to_itself_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "loop.o"
    path.symlink_to(path)
    done = verify("prove", path)
    assert done.code == 2
    assert "cannot be read" in sentence_of(done.out, path)


def test_a_path_below_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SMALL)
    done = verify("prove", tmp_path / "file/inner.o")
    assert done.code == 2
    sentence_of(done.out, tmp_path / "file/inner.o")


@pytest.mark.parametrize("name", ["with space.o", "ümläut.o", "-dash.o", "100%s{x}.o", "line\nbreak.o"])
def test_any_file_name_is_named_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing")
    done = verify("prove", tmp_path / name)
    assert done.code == 2
    assert str(tmp_path / name) in done.out


def test_a_file_name_that_is_no_text_is_named_too(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.o"
    with open(path, "wb") as file:
        file.write(b"nothing")
    command = [sys.executable, "-m", "verify", "prove", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr + done.stdout
    assert b"not an ELF file" in done.stdout + done.stderr


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(64, GOOD.stat().st_size, 64))
def test_an_object_cut_short_anywhere_is_unusable(length: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.o"
    path.write_bytes(GOOD.read_bytes()[:length])
    done = verify("prove", path)
    assert (done.code, done.err) == (2, "")
    sentence_of(done.out, path)


def verdicts(path: Path) -> set[tuple[str | None, str | None, Verdict]]:
    """Prove a damaged file, and read every report about it."""
    report = pipeline.prove([path], pipeline.Options())
    code = report.exit_code()
    assert code in set(Exit)
    rendered = text.render(report)
    assert json.loads(json_report.render(report))["schema"] == 2
    assert "internal error" not in rendered, rendered
    if code == Exit.BAD_INPUT:
        sentence_of(rendered, path)
        assert len(report.findings()) == 1
    try:
        image = load(path)
        listing.render(image, image.routines())
    except InputError as problem:
        sentence = str(problem)
        assert sentence.startswith(f"{path}: ")
    return {(finding.routine, finding.property, finding.verdict) for finding in report.findings()}


FUZZ = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@settings(FUZZ, max_examples=120)
@given(offset=st.integers(0, len(SMALL) - 1), value=st.integers(0, 255))
def test_a_damaged_byte_is_a_verdict_or_a_sentence(offset: int, value: int, tmp_path: Path) -> None:
    path = tmp_path / "damaged.o"
    path.write_bytes(changed(SMALL, offset, bytes([value])))
    verdicts(path)


@settings(FUZZ, max_examples=80)
@given(
    number=st.integers(0, 8),
    offset=st.integers(0, 63),
    value=st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7]),
)
def test_a_damaged_section_header_is_a_verdict_or_a_sentence(
    number: int, offset: int, value: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.o"
    path.write_bytes(section(SMALL, number, offset, value[: 64 - offset]))
    verdicts(path)


@settings(FUZZ, max_examples=60)
@given(offset=st.integers(0, 63), value=st.binary(min_size=1, max_size=8))
def test_a_damaged_elf_header_is_a_verdict_or_a_sentence(offset: int, value: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.o"
    path.write_bytes(changed(SMALL, offset, value[: 64 - offset]))
    verdicts(path)


def test_damage_to_the_tables_of_a_wrong_routine_never_makes_it_proved(tmp_path: Path) -> None:
    """A routine that loses r15: whatever happens to headers, symbols and names, its code stays wrong."""
    data = elf.function("41f0f008" + "07fe", name="f")
    code = data.index(bytes.fromhex("41f0f00807fe"))
    path = tmp_path / "damaged.o"
    choices = random.Random(2)
    outcomes = set()
    for _ in range(100):
        offset = choices.choice([n for n in range(len(data)) if not code <= n < code + 6])
        path.write_bytes(changed(data, offset, bytes([choices.randrange(256)])))
        found = verdicts(path)
        if path.read_bytes()[code : code + 6] == data[code : code + 6]:
            assert all((r, "stack-balanced", Verdict.PROVED) not in found for r in {routine for routine, _, _ in found})
        outcomes |= {verdict for _, _, verdict in found}
    assert {Verdict.ERROR, Verdict.REFUTED} <= outcomes


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: sections_of(data)],
        lambda data: changed(data, 60, b"\xff\xff"),
        lambda data: changed(data, 18, b"\0\x3e"),
    ],
)
def test_real_objects_damaged_on_purpose_are_unusable(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "damaged.o"
    path.write_bytes(change(GOOD.read_bytes()))
    done = verify("prove", path)
    assert (done.code, done.err) == (2, "")
    sentence_of(done.out, path)
