"""What real kernel images have and objects do not: replacements at odd addresses."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests import elf
from tests.elf import Sec, Sym
from verify.objfile.elf import load
from verify.objfile.image import LINKED_SPACE, Place

TEXT, ENTRIES, REPLACEMENTS = 0x10000, 0x20000, 0x30001
NOP = bytes.fromhex("47000000")
LPP = bytes.fromhex("b2800398")


def image(size: int, tail: bytes) -> bytes:
    """A linked image with one entry of that size; sections of replacements are packed, so they start anywhere."""
    entry = struct.pack(">ii", TEXT - ENTRIES, REPLACEMENTS - (ENTRIES + 4)) + tail
    assert len(entry) == size
    return elf.build(
        [
            Sec(".text", NOP + elf.RETURN, address=TEXT),
            Sec(".altinstructions", entry, 0x2, address=ENTRIES),
            Sec(".altinstr_replacement", LPP, address=REPLACEMENTS),
        ],
        [Sym("f", 1, TEXT, elf.FUNC)],
        elf.EXECUTABLE,
    )


@pytest.mark.parametrize(
    ("size", "tail"),
    [(11, bytes.fromhex("002804")), (12, bytes.fromhex("00280404")), (13, bytes.fromhex("0000002804"))],
)
def test_a_replacement_at_an_odd_address_is_only_data(size: int, tail: bytes, tmp_path: Path) -> None:
    """Of 5,727 entries in Debian's 6.1.176, half have one."""
    path = tmp_path / "vmlinux"
    path.write_bytes(image(size, tail))
    found = load(path).alternatives
    assert found.problem is None
    (entry,) = found.entries
    assert (entry.place, entry.raw) == (Place(LINKED_SPACE, TEXT), LPP)
    assert "40" in entry.feature
