"""Bare code to Image: what a JIT compiler left in storage, as bytes or as the hexadecimal text that people have of it.

Such code has no symbols and no relocations, but a known address: it goes to, and loads, absolute addresses. So its
places are addresses, and the names of what lies outside come from the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from verify.errors import InputError, UsageError
from verify.objfile.image import LINKED_SPACE, Image, Place, Section, Symbol

_ELF = b"\x7fELF"
_END = 1 << 64
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f")
_BYTES = r"(?:[0-9a-fA-F]{2}[ \t]*)+"
# What the kernel prints with net.core.bpf_jit_enable=2 (include/linux/filter.h, bpf_jit_dump), what `bpftool prog dump
# jited .. opcodes` prints, and plain bytes.
_HEADER = re.compile(r"\bflen=\d+ .*\bimage=|^\S+:$")
_DUMPED = re.compile(rf"(?:.*JIT code:)?\s*([0-9a-fA-F]{{8}}): +({_BYTES})")
_PLAIN = re.compile(rf"\s*({_BYTES})")
_LISTED = re.compile(r"\s*([0-9a-f]+):\s+[a-z]")


def load(path: Path, base: int | None, entry: int, name: str | None, let: Iterable[tuple[str, int]]) -> Image:
    """Read bare code that lies at `base` and whose routine begins `entry` bytes on.

    The routine is called `name`, or as the file is. `let` names numbers: addresses of functions outside, and what else
    a contract needs. Raises UsageError for addresses that cannot be, InputError for a file that holds no code.
    """
    if base is None:
        raise UsageError("--raw needs --base ADDR, the address at which the code lies")
    if base % 2:
        raise UsageError(f"--base {base:#x} is odd, and no instruction is at an odd address")
    data = _bytes(path)
    if base + len(data) > _END:
        raise UsageError(f"--base {base:#x}: the {len(data)} bytes of {path} reach beyond the last address")
    if entry % 2 or entry >= len(data):
        raise UsageError(f"--entry {entry:#x} is not the offset of an instruction in the {len(data)} bytes of {path}")
    routine = Symbol(name or path.stem, Place(LINKED_SPACE, base + entry), len(data) - entry, "func", "global")
    named = [_named(one, number, range(base, base + len(data))) for one, number in let]
    section = Section("raw", 0, LINKED_SPACE, base, data, executable=True, allocated=True)
    return Image(path, False, (section,), (routine, *named), (), fixed=True)


def _named(name: str, number: int, inside: range) -> Symbol:
    """An address in the code is a label of it, such as that of a site that is patched; any other number is just one."""
    if number in inside:
        return Symbol(name, Place(LINKED_SPACE, number), 0, "notype", "local")
    return Symbol(name, None, 0, "notype", "global", absolute=number)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as problem:
        raise InputError(path, "no such file") from problem
    except IsADirectoryError as problem:
        raise InputError(path, "is a directory, not a dump of code") from problem
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem
    if data.startswith(_ELF):
        raise InputError(path, "is an ELF file; leave out --raw")
    if _TEXT.issuperset(data):
        data = _from_text(path, data.decode("ascii"))
    if not data:
        raise InputError(path, "holds no code")
    if len(data) % 2:
        raise InputError(path, f"holds {len(data)} bytes, an odd number: instructions have two, four or six")
    return data


def _from_text(path: Path, text: str) -> bytes:
    """The bytes of a dump in hexadecimal; a line whose offset is not where the bytes so far end does not follow."""
    found = bytearray()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or _HEADER.search(line):
            continue
        dumped, plain, listed = _DUMPED.fullmatch(line), _PLAIN.fullmatch(line), _LISTED.match(line)
        if not (dumped or plain or listed):
            raise InputError(path, f"line {number} is not code in hexadecimal: {line.strip()[:40]!r}")
        offset = dumped or (None if plain else listed)
        if offset and int(offset.group(1), 16) != len(found):
            raise InputError(path, f"line {number} is at offset 0x{offset.group(1)}, after {len(found):#x} bytes: "
                                   "lines are missing, or a second dump begins")  # fmt: skip
        if dumped or plain:
            found += bytes.fromhex(dumped.group(2) if dumped else line)
    return bytes(found)
