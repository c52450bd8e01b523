"""ELF files for s390x, byte by byte: what no assembler or linker writes, and what must not depend on having one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

RELOCATABLE, EXECUTABLE, SHARED = 1, 2, 3
CODE, DATA, NOT_LOADED = 0x6, 0x3, 0x0
PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, REL, DYNSYM = 1, 2, 3, 4, 8, 9, 11
UNDEFINED, ABSOLUTE, COMMON = 0, 0xFFF1, 0xFFF2
LOCAL, GLOBAL, WEAK = 0, 1, 2
NOTYPE, OBJECT, FUNC, SECTION, TLS, IFUNC = 0, 1, 2, 3, 6, 10
EM_S390 = 22

RETURN = bytes.fromhex("07fe")  # br %r14


@dataclass(frozen=True)
class Reloc:
    """A relocation: offset in its section, type, name of the symbol (None: symbol 0), addend."""

    offset: int
    type: int
    symbol: str | None
    addend: int = 0


@dataclass(frozen=True)
class Sec:
    """A section. In a linked file `address` is where it lies; `dynamic` relocations are loaded with it."""

    name: str
    data: bytes
    flags: int = CODE
    relocs: Sequence[Reloc] = ()
    address: int = 0
    dynamic: bool = False
    kind: int = PROGBITS


@dataclass(frozen=True)
class Sym:
    """A symbol; `section` is the section's number in the list, from 1, or one of the reserved numbers."""

    name: str
    section: int = UNDEFINED
    value: int = 0
    kind: int = NOTYPE
    binding: int = GLOBAL
    size: int = 0


@dataclass
class _Strings:
    data: bytearray = field(default_factory=lambda: bytearray(1))

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at if text else 0


def build(
    sections: Sequence[Sec],
    symbols: Sequence[Sym],
    kind: int = RELOCATABLE,
    machine: int = EM_S390,
    entry_size: int = 64,
) -> bytes:
    """An ELF64 big-endian file with these sections, in this order, and behind them the tables."""
    symbols = sorted(symbols, key=lambda symbol: symbol.binding != LOCAL)
    numbers = {symbol.name: number for number, symbol in enumerate(symbols, 1)}
    names, strings = _Strings(), _Strings()
    table = bytearray(24)
    for symbol in symbols:
        name = 0 if symbol.kind == SECTION else strings.add(symbol.name)
        info = symbol.binding << 4 | symbol.kind
        table += struct.pack(">IBBHQQ", name, info, 0, symbol.section, symbol.value, symbol.size)
    symtab = len(sections) + 1
    rows = [(s.name, s.kind, s.flags, s.address, s.data, 0, 0, 4, 0) for s in sections]
    locals_ = 1 + sum(symbol.binding == LOCAL for symbol in symbols)
    alloc = 2 if any(section.dynamic for section in sections) else 0
    rows.append((".symtab", DYNSYM if alloc else SYMTAB, alloc, 0, bytes(table), symtab + 1, locals_, 8, 24))
    rows.append((".strtab", STRTAB, alloc, 0, bytes(strings.data), 0, 0, 1, 0))
    for number, section in enumerate(sections, 1):
        if section.relocs:
            body = b"".join(
                struct.pack(">QQq", r.offset, (numbers[r.symbol] if r.symbol else 0) << 32 | r.type, r.addend)
                for r in section.relocs
            )
            flags = 0x42 if section.dynamic else 0x40
            rows.append((f".rela{section.name}", RELA, flags, 0, body, symtab, number, 8, 24))
    rows.append((".shstrtab", STRTAB, 0, 0, b"", 0, 0, 1, 0))
    return _write(rows, names, kind, machine, entry_size)


def _write(rows: list, names: _Strings, kind: int, machine: int, entry_size: int) -> bytes:
    named = [names.add(row[0]) for row in rows]
    rows[-1] = (*rows[-1][:4], bytes(names.data), *rows[-1][5:])
    linked = kind != RELOCATABLE
    loads = [row for row in rows if linked and row[3]]
    at = 64 + 56 * len(loads)
    body, headers, segments = bytearray(), bytearray(64), bytearray()
    for name, row in zip(named, rows, strict=True):
        _, type_, flags, address, data, link, info, align, size = row
        pad = -(at + len(body)) % 8 if not linked or not address else (address - at - len(body)) % 4096
        body += bytes(pad)
        offset = at + len(body)
        headers += struct.pack(">IIQQQQIIQQ", name, type_, flags, address, offset, len(data), link, info, align, size)
        if linked and address:
            rights = 5 if flags & 4 else 6
            segments += struct.pack(">IIQQQQQQ", 1, rights, offset, address, address, len(data), len(data), 4096)
        if type_ != NOBITS:
            body += data
    body += bytes(-(at + len(body)) % 8)
    entry = min((row[3] for row in loads), default=0)
    header = (
        b"\x7fELF\x02\x02\x01"
        + bytes(9)
        + struct.pack(
            ">HHIQQQIHHHHHH",
            kind,
            machine,
            1,
            entry,
            64 if loads else 0,
            at + len(body),
            0,
            64,
            56 if loads else 0,
            len(loads),
            entry_size,
            len(rows) + 1,
            len(rows),
        )
    )
    return header + bytes(segments) + bytes(body) + bytes(headers)


def function(
    code: str, relocs: Sequence[Reloc] = (), symbols: Sequence[Sym] = (), name: str = "f", sections: Sequence[Sec] = ()
) -> bytes:
    """A relocatable object with one function at the start of .text, its code in hexadecimal."""
    data = bytes.fromhex(code)
    return build(
        [Sec(".text", data, relocs=relocs), *sections],
        [Sym(name, 1, 0, FUNC, GLOBAL, len(data)), *symbols],
    )
