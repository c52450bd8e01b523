"""Bytes to `Instruction` and back, driven by the tables of `isa`.

The length is coded in bits 0-1 of the first byte (POP chapter 5, "Instruction Formats"). What the fields mean
is in the formats of `isa`: displacements of 20 bits and relative operands are signed, immediates and lengths
are raw, a vector register already includes its bit of RXB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from verify.semantics.isa import Format, Spec, formats, opcode_bits, reserved_bits, specs

_LENGTHS = (2, 4, 4, 6)
_ADDRESS_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Instruction:
    """A decoded instruction: its row of the table, its bytes, and its fields by their POP names."""

    spec: Spec
    raw: bytes
    fields: Mapping[str, int] = field(hash=False)

    @property
    def mnemonic(self) -> str:
        """The basic mnemonic, in upper case."""
        return self.spec.mnemonic

    @property
    def length(self) -> int:
        """The number of bytes: 2, 4 or 6."""
        return len(self.raw)

    @property
    def format(self) -> Format:
        """The layout of the fields."""
        return formats()[self.spec.format]

    @property
    def relative_offset(self) -> int | None:
        """The distance in bytes from this instruction to its relative operand; None if it has none."""
        name = self.format.relative
        return None if name is None else 2 * self.fields[name]

    def relative_target(self, address: int) -> int | None:
        """The 64-bit address of the relative operand when this instruction stands at `address`."""
        offset = self.relative_offset
        return None if offset is None else (address + offset) & _ADDRESS_MASK

    @property
    def operand_error(self) -> str | None:
        """Why POP recognises a specification exception for these register fields; None if it does not.

        Covers the pairs: an even-odd pair must name its even register, an extended floating-point operand one
        of the registers 0, 1, 4, 5, 8, 9, 12, 13; and for VLM and VSTM the order and number of the registers.
        """
        for prefix, name in _pair_fields(self.spec.operands):
            number = self.fields[name]
            if prefix == "e" and number & 1:
                return f"{self.mnemonic} needs an even register in {name}, not {number}"
            if prefix == "x" and number & 2:
                return f"{self.mnemonic} needs the lower register of a pair in {name}, not {number}"
        if self.mnemonic in {"VLM", "VSTM"}:
            first, last = self.fields["V1"], self.fields["V3"]
            if not first <= last <= first + 15:
                return f"{self.mnemonic} cannot transfer the registers {first} to {last}"
        return None


class _Extractor(NamedTuple):
    """How to read one field: the low part, the high part (mask 0 if there is none), and the sign bit."""

    name: str
    shift: int
    mask: int
    high_shift: int
    high_mask: int
    low_width: int
    sign: int


class _Row(NamedTuple):
    spec: Spec
    reserved: int
    fields: tuple[_Extractor, ...]


class _Group(NamedTuple):
    """The rows of one first byte: `raw[byte] & mask` is the rest of the operation code.

    A row is a bare `Spec` until an instruction needs its extractors.
    """

    byte: int
    mask: int
    rows: dict[int, Spec | _Row]


@cache
def _pair_fields(operands: str) -> tuple[tuple[str, str], ...]:
    tokens = operands.replace("[", "").replace("]", "").split(",")
    return tuple((token[0], token[1:]) for token in tokens if token[:1] in {"e", "x"})


@cache
def _extractors(name: str) -> tuple[_Extractor, ...]:
    layout = formats()[name]
    found = []
    for item in layout.fields:
        *high, (first, width) = item.parts
        high_first, high_width = high[0] if high else (0, 0)
        found.append(
            _Extractor(
                item.name,
                layout.bits - first - width,
                (1 << width) - 1,
                layout.bits - high_first - high_width,
                (1 << high_width) - 1,
                width,
                1 << (item.width - 1) if item.signed else 0,
            )
        )
    return tuple(found)


@cache
def _rest_of_opcode(name: str) -> tuple[int, int]:
    """Which byte, under which mask, continues the operation code of a format after the first byte."""
    *_, (first, width) = formats()[name].opcode
    if first == 0 and width == 8:
        return 0, 0
    return (first + width - 1) // 8, 0xF if width == 4 else 0xFF


@cache
def _groups() -> dict[int, _Group]:
    groups: dict[int, _Group] = {}
    for spec in specs():
        first = int(spec.opcode[:2], 16)
        if first not in groups:
            groups[first] = _Group(*_rest_of_opcode(spec.format), {})
        groups[first].rows[int(spec.opcode[2:] or "0", 16)] = spec
    return groups


def instruction_length(first_byte: int) -> int:
    """The number of bytes of the instruction that starts with `first_byte` (POP: bits 0-1)."""
    return _LENGTHS[first_byte >> 6]


def decode(raw: bytes) -> Instruction | None:
    """Read the instruction at the start of `raw`, which may be longer.

    None when `raw` is too short, when no row has the operation code, or when reserved bits that POP requires
    to be zero are not. Unassigned bits that POP ignores stay in `Instruction.raw` only.
    """
    if not raw:
        return None
    length = _LENGTHS[raw[0] >> 6]
    group = _groups().get(raw[0])
    if group is None or len(raw) < length:
        return None
    code = raw[group.byte] & group.mask
    row = group.rows.get(code)
    if row is None:
        return None
    if isinstance(row, Spec):
        row = group.rows[code] = _Row(row, reserved_bits(row), _extractors(row.format))
    raw = bytes(raw[:length])
    value = int.from_bytes(raw, "big")
    if value & row.reserved:
        return None
    fields = {}
    for name, shift, mask, high_shift, high_mask, low_width, sign in row.fields:
        number = value >> shift & mask
        if high_mask:
            number |= (value >> high_shift & high_mask) << low_width
        if number & sign:
            number -= sign << 1
        fields[name] = number
    return Instruction(row.spec, raw, fields)


def encode(spec: Spec, fields: Mapping[str, int]) -> bytes:
    """The bytes of an instruction; the inverse of `decode`.

    Fields that are not given are zero. A field that the format does not have, or a value that does not fit,
    is a `ValueError`.
    """
    layout = formats()[spec.format]
    _, value = opcode_bits(spec)
    unknown = fields.keys() - {item.name for item in layout.fields}
    if unknown:
        raise ValueError(f"{spec.mnemonic} ({spec.format}) has no field {', '.join(sorted(unknown))}")
    for item in layout.fields:
        number = fields.get(item.name, 0)
        if number not in item.range:
            raise ValueError(f"{spec.mnemonic}: {number} does not fit {item.name} ({item.width} bits)")
        for first, width in reversed(item.parts):
            value |= (number & (1 << width) - 1) << (layout.bits - first - width)
            number >>= width
    return value.to_bytes(layout.length, "big")
