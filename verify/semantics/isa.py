"""The instruction set as data: formats, fields, and the rows of `instructions.tsv`.

Bits are numbered as IBM numbers them: bit 0 is the most significant bit of the first byte, so that a six-byte
instruction ends with bit 47. The formats and the names of their fields are those of the Principles of
Operation (POP), chapter 5, "Instruction Formats"; operation codes and mnemonics are those of POP appendix B.

An operation code is written with the digits that POP prints, without separators. Where they stand in the
instruction is a matter of the format:

* two digits (`58`, `D2`): bits 0-7;
* three digits (`A7B`, `C08`, `C84`): bits 0-7, then bits 12-15;
* four digits (`B904`, `E548`, `0101`): bits 0-15 in the formats E, IE, RRD, RRE, RRF, S, SIL and SSE;
* four digits (`E304`, `EC55`, `E706`): bits 0-7, then bits 40-47, in the other formats of six bytes.

`Spec.operands` is the assembler's view of the same row: the operands in the order in which they are written,
each field by its POP name. A small letter before a field says what the field designates (nothing: a general
register, a vector register, a mask, or an unsigned number):

* `e` the even register of an even-odd pair of general registers;
* `f` a floating-point register, `x` the lower-numbered one of a pair that holds an extended operand;
* `a` an access register, `c` a control register;
* `s` a signed immediate.

Brackets enclose operands that are left out when they are zero. A field of the format that `operands` does not
mention has no meaning for that instruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEVELS = ("esa", "z900", "z990", "z9", "z10", "z196", "zEC12", "z13", "z14", "z15", "z16")
SOURCES = ("vex", "zarch", "-")


@dataclass(frozen=True, slots=True)
class Field:
    """One operand field: where its bits stand, most significant part first, and whether it has a sign.

    A part is `(first bit, width)` in IBM numbering. Two kinds of field have two parts: a 20-bit displacement
    (DH before DL) and a vector register (its bit of RXB before the four bits in the instruction).
    """

    name: str
    parts: tuple[tuple[int, int], ...]
    signed: bool = False

    @property
    def width(self) -> int:
        """The number of bits of the field's value."""
        return sum(width for _, width in self.parts)

    @property
    def range(self) -> range:
        """The values that the field can hold."""
        if self.signed:
            return range(-1 << (self.width - 1), 1 << (self.width - 1))
        return range(1 << self.width)


@dataclass(frozen=True, slots=True)
class Format:
    """One instruction format: its length in bytes, the parts of its operation code, and its fields.

    In a `strict` format POP requires zeros in the bits and fields that an instruction does not use (see
    `reserved_bits`); in the other formats such bits are ignored.
    """

    name: str
    length: int
    opcode: tuple[tuple[int, int], ...]
    fields: tuple[Field, ...]
    strict: bool

    @property
    def bits(self) -> int:
        """The number of bits of an instruction of this format."""
        return 8 * self.length

    @property
    def relative(self) -> str | None:
        """The name of the field that counts halfwords from the instruction, if there is one."""
        return next((field.name for field in self.fields if field.name.startswith("RI")), None)

    def mask(self, parts: tuple[tuple[int, int], ...]) -> int:
        """The bits of `parts`, over the whole instruction read as one integer."""
        return sum(((1 << width) - 1) << (self.bits - first - width) for first, width in parts)


@dataclass(frozen=True, slots=True)
class Spec:
    """One row of `instructions.tsv`: a basic mnemonic.

    `level` is the oldest machine that has the instruction. `source` says who knows its meaning: `vex` (the
    lifter, on a form that co-simulation has covered), `zarch` (interpreted by hand) or `-` (nobody: it has a
    name here and no semantics, and `reason` is the key in `reasons.tsv` that says why). `manual` is the chapter of
    POP and the name under which it describes the instruction.
    """

    opcode: str
    mnemonic: str
    format: str
    level: str
    source: str
    manual: str
    meaning: str
    operands: str = ""
    reason: str = ""


# Format, length in bytes, operation code, fields. `first:width`, parts joined by `+`, `s` for a signed field.
# `!` after the length marks the formats whose reserved bits must be zero. Immediate fields (I2 ...) are raw
# and unsigned, because their sign is the instruction's business; relative fields (RI2 ...) are signed
# halfwords. Two formats have a second drawing without a name of its own: RR with a mask (BCR), here RR-b, and
# S with an operation code of one byte (LPSW, SSM, TS), here S-b.
_FORMATS = """
E      2   0:16
I      2   0:8       I=8:8
IE     4!  0:16      I1=24:4 I2=28:4
MII    6   0:8       M1=8:4 RI2=12:12s RI3=24:24s
RI-a   4   0:8,12:4  R1=8:4 I2=16:16
RI-b   4   0:8,12:4  R1=8:4 RI2=16:16s
RI-c   4   0:8,12:4  M1=8:4 RI2=16:16s
RIE-a  6!  0:8,40:8  R1=8:4 I2=16:16 M3=32:4
RIE-b  6!  0:8,40:8  R1=8:4 R2=12:4 RI4=16:16s M3=32:4
RIE-c  6   0:8,40:8  R1=8:4 M3=12:4 RI4=16:16s I2=32:8
RIE-d  6!  0:8,40:8  R1=8:4 R3=12:4 I2=16:16
RIE-e  6!  0:8,40:8  R1=8:4 R3=12:4 RI2=16:16s
RIE-f  6   0:8,40:8  R1=8:4 R2=12:4 I3=16:8 I4=24:8 I5=32:8
RIE-g  6!  0:8,40:8  R1=8:4 M3=12:4 I2=16:16
RIL-a  6   0:8,12:4  R1=8:4 I2=16:32
RIL-b  6   0:8,12:4  R1=8:4 RI2=16:32s
RIL-c  6   0:8,12:4  M1=8:4 RI2=16:32s
RIS    6   0:8,40:8  R1=8:4 M3=12:4 B4=16:4 D4=20:12 I2=32:8
RR     2   0:8       R1=8:4 R2=12:4
RR-b   2   0:8       M1=8:4 R2=12:4
RRD    4   0:16      R1=16:4 R3=24:4 R2=28:4
RRE    4   0:16      R1=24:4 R2=28:4
RRF-a  4   0:16      R3=16:4 M4=20:4 R1=24:4 R2=28:4
RRF-b  4   0:16      R3=16:4 M4=20:4 R1=24:4 R2=28:4
RRF-c  4   0:16      M3=16:4 R1=24:4 R2=28:4
RRF-d  4   0:16      M4=20:4 R1=24:4 R2=28:4
RRF-e  4   0:16      M3=16:4 M4=20:4 R1=24:4 R2=28:4
RRS    6!  0:8,40:8  R1=8:4 R2=12:4 B4=16:4 D4=20:12 M3=32:4
RS-a   4   0:8       R1=8:4 R3=12:4 B2=16:4 D2=20:12
RS-b   4   0:8       R1=8:4 M3=12:4 B2=16:4 D2=20:12
RSI    4   0:8       R1=8:4 R3=12:4 RI2=16:16s
RSL-a  6!  0:8,40:8  L1=8:4 B1=16:4 D1=20:12
RSL-b  6   0:8,40:8  L2=8:8 B2=16:4 D2=20:12 R1=32:4 M3=36:4
RSY-a  6   0:8,40:8  R1=8:4 R3=12:4 B2=16:4 D2=32:8+20:12s
RSY-b  6   0:8,40:8  R1=8:4 M3=12:4 B2=16:4 D2=32:8+20:12s
RX-a   4   0:8       R1=8:4 X2=12:4 B2=16:4 D2=20:12
RX-b   4   0:8       M1=8:4 X2=12:4 B2=16:4 D2=20:12
RXE    6!  0:8,40:8  R1=8:4 X2=12:4 B2=16:4 D2=20:12 M3=32:4
RXF    6!  0:8,40:8  R3=8:4 X2=12:4 B2=16:4 D2=20:12 R1=32:4
RXY-a  6   0:8,40:8  R1=8:4 X2=12:4 B2=16:4 D2=32:8+20:12s
RXY-b  6   0:8,40:8  M1=8:4 X2=12:4 B2=16:4 D2=32:8+20:12s
S      4   0:16      B2=16:4 D2=20:12
S-b    4   0:8       B2=16:4 D2=20:12
SI     4   0:8       I2=8:8 B1=16:4 D1=20:12
SIL    6   0:16      B1=16:4 D1=20:12 I2=32:16
SIY    6   0:8,40:8  I2=8:8 B1=16:4 D1=32:8+20:12s
SMI    6!  0:8       M1=8:4 B3=16:4 D3=20:12 RI2=32:16s
SS-a   6   0:8       L=8:8 B1=16:4 D1=20:12 B2=32:4 D2=36:12
SS-b   6   0:8       L1=8:4 L2=12:4 B1=16:4 D1=20:12 B2=32:4 D2=36:12
SS-c   6   0:8       L1=8:4 I3=12:4 B1=16:4 D1=20:12 B2=32:4 D2=36:12
SS-d   6   0:8       R1=8:4 R3=12:4 B1=16:4 D1=20:12 B2=32:4 D2=36:12
SS-e   6   0:8       R1=8:4 R3=12:4 B2=16:4 D2=20:12 B4=32:4 D4=36:12
SS-f   6   0:8       L2=8:8 B1=16:4 D1=20:12 B2=32:4 D2=36:12
SSE    6   0:16      B1=16:4 D1=20:12 B2=32:4 D2=36:12
SSF    6   0:8,12:4  R3=8:4 B1=16:4 D1=20:12 B2=32:4 D2=36:12
VRI-a  6!  0:8,40:8  V1=36:1+8:4 I2=16:16 M3=32:4
VRI-b  6!  0:8,40:8  V1=36:1+8:4 I2=16:8 I3=24:8 M4=32:4
VRI-c  6!  0:8,40:8  V1=36:1+8:4 V3=37:1+12:4 I2=16:16 M4=32:4
VRI-d  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 I4=24:8 M5=32:4
VRI-e  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 I3=16:12 M5=28:4 M4=32:4
VRI-f  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 M5=24:4 I4=28:8
VRI-g  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 I4=16:8 M5=24:4 I3=28:8
VRI-h  6!  0:8,40:8  V1=36:1+8:4 I2=16:16 I3=32:4
VRI-i  6!  0:8,40:8  V1=36:1+8:4 R2=12:4 M4=24:4 I3=28:8
VRR-a  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 M5=24:4 M4=28:4 M3=32:4
VRR-b  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 M5=24:4 M4=32:4
VRR-c  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 M6=24:4 M5=28:4 M4=32:4
VRR-d  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 M5=20:4 M6=24:4 V4=39:1+32:4
VRR-e  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 M6=20:4 M5=28:4 V4=39:1+32:4
VRR-f  6!  0:8,40:8  V1=36:1+8:4 R2=12:4 R3=16:4
VRR-g  6!  0:8,40:8  V1=37:1+12:4
VRR-h  6!  0:8,40:8  V1=37:1+12:4 V2=38:1+16:4 M3=24:4
VRR-i  6!  0:8,40:8  R1=8:4 V2=37:1+12:4 M3=24:4 M4=28:4
VRR-j  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 V3=38:1+16:4 M4=24:4
VRR-k  6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 M3=24:4
VRS-a  6!  0:8,40:8  V1=36:1+8:4 V3=37:1+12:4 B2=16:4 D2=20:12 M4=32:4
VRS-b  6!  0:8,40:8  V1=36:1+8:4 R3=12:4 B2=16:4 D2=20:12 M4=32:4
VRS-c  6!  0:8,40:8  R1=8:4 V3=37:1+12:4 B2=16:4 D2=20:12 M4=32:4
VRS-d  6!  0:8,40:8  R3=12:4 B2=16:4 D2=20:12 V1=39:1+32:4
VRV    6!  0:8,40:8  V1=36:1+8:4 V2=37:1+12:4 B2=16:4 D2=20:12 M3=32:4
VRX    6!  0:8,40:8  V1=36:1+8:4 X2=12:4 B2=16:4 D2=20:12 M3=32:4
VSI    6!  0:8,40:8  I3=8:8 B2=16:4 D2=20:12 V1=39:1+32:4
"""


def _parts(text: str, separator: str) -> tuple[tuple[int, int], ...]:
    pairs = (part.split(":") for part in text.split(separator))
    return tuple((int(first), int(width)) for first, width in pairs)


def _field(text: str) -> Field:
    name, _, where = text.partition("=")
    return Field(name, _parts(where.rstrip("s"), "+"), where.endswith("s"))


@cache
def formats() -> Mapping[str, Format]:
    """All instruction formats by name (POP chapter 5)."""
    table: dict[str, Format] = {}
    for line in _FORMATS.strip().splitlines():
        name, length, opcode, *fields = line.split()
        table[name] = Format(
            name,
            int(length.rstrip("!")),
            _parts(opcode, ","),
            tuple(map(_field, fields)),
            length.endswith("!"),
        )
    return table


@cache
def specs() -> tuple[Spec, ...]:
    """All rows of `instructions.tsv`, in the order of the file."""
    text = Path(__file__).with_name("instructions.tsv").read_text(encoding="utf-8")
    return tuple(Spec(*line.split("\t")) for line in text.splitlines() if line and line[0] != "#")


@cache
def reasons() -> Mapping[str, str]:
    """What the instructions without semantics do that the model does not hold, by the key in `Spec.reason`."""
    text = Path(__file__).with_name("reasons.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.splitlines() if line and line[0] != "#")


@cache
def by_mnemonic() -> Mapping[str, Spec]:
    """The rows by their basic mnemonic, in upper case as POP writes it."""
    return {spec.mnemonic: spec for spec in specs()}


def opcode_bits(spec: Spec) -> tuple[int, int]:
    """The row's operation code as `(mask, value)` over the whole instruction read as one integer."""
    layout = formats()[spec.format]
    remaining = 4 * len(spec.opcode)
    digits = int(spec.opcode, 16)
    mask = value = 0
    for first, width in layout.opcode:
        remaining -= width
        shift = layout.bits - first - width
        ones = (1 << width) - 1
        mask |= ones << shift
        value |= (digits >> remaining & ones) << shift
    return mask, value


def used_fields(spec: Spec) -> frozenset[str]:
    """The names of the fields that `Spec.operands` mentions; the format's other fields mean nothing here."""
    names = spec.operands.replace("[", ",").replace("]", ",").replace("(", ",").replace(")", ",").split(",")
    return frozenset(name.lstrip("efxacs") for name in names if name)


def reserved_bits(spec: Spec) -> int:
    """A mask of the bits that POP requires to be zero here; 0 in formats that ignore such bits."""
    layout = formats()[spec.format]
    if not layout.strict:
        return 0
    used = used_fields(spec)
    assigned = layout.mask(layout.opcode)
    for item in layout.fields:
        if item.name in used:
            assigned |= layout.mask(item.parts)
    return (1 << layout.bits) - 1 & ~assigned
