"""A static s390x executable as bytes: segments, a section for each of them, and symbols, so that debuggers find names.

ELF64, big-endian, EM_S390, as the "zSeries ELF Application Binary Interface Supplement" has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PAGE = 0x1000
_EXECUTABLE, _S390, _LOAD = 2, 22, 1
_HEADER = struct.Struct(">16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct(">IIQQQQQQ")
_SECTION = struct.Struct(">IIQQQQIIQQ")
_SYMBOL = struct.Struct(">IBBHQQ")
_ABSOLUTE = 0xFFF1


@dataclass(frozen=True)
class Segment:
    """Storage at an address, which is a multiple of PAGE."""

    address: int
    data: bytes
    executable: bool

    def covers(self, address: int) -> bool:
        """Whether the byte at this address belongs to it."""
        return self.address <= address < self.address + len(self.data)


@dataclass(frozen=True)
class Symbol:
    """A name for an address."""

    name: str
    address: int
    function: bool = True


class _Strings:
    def __init__(self) -> None:
        self.data = bytearray(1)

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode("utf-8", "surrogateescape") + b"\0"
        return at


def executable(entry: int, segments: Sequence[Segment], symbols: Iterable[Symbol]) -> bytes:
    """The file. Each segment is loaded from it, readable and writable, and executable where it says so."""
    start = -(-(_HEADER.size + _SEGMENT.size * len(segments)) // PAGE) * PAGE
    offsets, body = [], bytearray()
    for segment in segments:
        offsets.append(start + len(body))
        body += segment.data + bytes(-len(segment.data) % PAGE)
    names, strings = _Strings(), _Strings()
    table = bytearray(_SYMBOL.size)
    for symbol in symbols:
        table += _symbol(symbol, segments, strings)
    sections = bytearray(_SECTION.size)
    for number, (segment, offset) in enumerate(zip(segments, offsets, strict=True)):
        named = names.add(f".{'text' if segment.executable else 'data'}.{number}")
        flags = 0x7 if segment.executable else 0x3
        sections += _SECTION.pack(named, 1, flags, segment.address, offset, len(segment.data), 0, 0, 4, 0)
    for name, kind, data, link, local, size in (
        (".symtab", 2, table, len(segments) + 2, 1, _SYMBOL.size), (".strtab", 3, strings.data, 0, 0, 0),
    ):  # fmt: skip
        sections += _SECTION.pack(names.add(name), kind, 0, 0, start + len(body), len(data), link, local, 8, size)
        body += data + bytes(-len(data) % 8)
    own = names.add(".shstrtab")
    sections += _SECTION.pack(own, 3, 0, 0, start + len(body), len(names.data), 0, 0, 1, 0)
    body += names.data + bytes(-len(names.data) % 8)
    header = _HEADER.pack(
        b"\x7fELF\x02\x02\x01", _EXECUTABLE, _S390, 1, entry, _HEADER.size, start + len(body), 0,
        _HEADER.size, _SEGMENT.size, len(segments), _SECTION.size, len(segments) + 4, len(segments) + 3,
    )  # fmt: skip
    heads = header + b"".join(
        _SEGMENT.pack(_LOAD, 7 if one.executable else 6, offset, one.address, one.address, *[len(one.data)] * 2, PAGE)
        for one, offset in zip(segments, offsets, strict=True)
    )
    return bytes(heads.ljust(start, b"\0") + body + sections)


def _symbol(symbol: Symbol, segments: Sequence[Segment], strings: _Strings) -> bytes:
    section = next((n for n, one in enumerate(segments, 1) if one.covers(symbol.address)), _ABSOLUTE)
    info = 1 << 4 | (2 if symbol.function else 1)
    return _SYMBOL.pack(strings.add(symbol.name), info, 0, section, symbol.address, 0)
