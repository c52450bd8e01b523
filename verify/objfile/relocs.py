"""Relocations of the s390x psABI (chapter 4, "Relocation"): one row a type.

In `calculation` S is the symbol's value, A the addend, P the place, G the offset of a GOT entry, O the offset to the
GOT, L a PLT entry, B the base address. `DBL` types count halfwords. A row is `supported` when the verifier gives it a
meaning inside an instruction; any other row in an instruction ends the path as `unsupported`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A relocation type: number and name, width of the field in bits, unit in bytes, and what it computes.

    kind: "address" S+A; "plt" the function, perhaps by way of a PLT entry; "got-entry" the address of the GOT slot
    that holds S; "got", "tls" and "dynamic" have no meaning inside an instruction here; "none" is no relocation.
    """

    number: int
    name: str
    bits: int
    scale: int
    calculation: str
    kind: str

    @property
    def pc_relative(self) -> bool:
        """Whether the field is relative to its own place."""
        return self.calculation.endswith("- P")

    @property
    def supported(self) -> bool:
        """Whether an instruction's relative operand may carry it."""
        return self.pc_relative and self.scale == 2 and self.kind in ("address", "plt", "got-entry")

    @property
    def size(self) -> int:
        """How many bytes the field touches."""
        return {12: 2, 20: 4, 24: 3}.get(self.bits, max(1, self.bits // 8))


_TABLE = """
 0 NONE          0 1 none              none
 1 8             8 1 S + A             address
 2 12           12 1 S + A             address
 3 16           16 1 S + A             address
 4 32           32 1 S + A             address
 5 PC32         32 1 S + A - P         address
 6 GOT12        12 1 O + A             got
 7 GOT32        32 1 O + A             got
 8 PLT32        32 1 L + A - P         plt
 9 COPY          0 1 none              dynamic
10 GLOB_DAT     64 1 S + A             dynamic
11 JMP_SLOT     64 1 S + A             dynamic
12 RELATIVE     64 1 B + A             dynamic
13 GOTOFF32     32 1 S + A - G         got
14 GOTPC        64 1 G + A - P         got
15 GOT16        16 1 O + A             got
16 PC16         16 1 S + A - P         address
17 PC16DBL      16 2 S + A - P         address
18 PLT16DBL     16 2 L + A - P         plt
19 PC32DBL      32 2 S + A - P         address
20 PLT32DBL     32 2 L + A - P         plt
21 GOTPCDBL     32 2 G + A - P         got
22 64           64 1 S + A             address
23 PC64         64 1 S + A - P         address
24 GOT64        64 1 O + A             got
25 PLT64        64 1 L + A - P         plt
26 GOTENT       32 2 G + O + A - P     got-entry
27 GOTOFF16     16 1 S + A - G         got
28 GOTOFF64     64 1 S + A - G         got
29 GOTPLT12     12 1 O + A             got
30 GOTPLT16     16 1 O + A             got
31 GOTPLT32     32 1 O + A             got
32 GOTPLT64     64 1 O + A             got
33 GOTPLTENT    32 2 G + O + A - P     got
34 PLTOFF16     16 1 L + A - G         got
35 PLTOFF32     32 1 L + A - G         got
36 PLTOFF64     64 1 L + A - G         got
37 TLS_LOAD      0 1 none              tls
38 TLS_GDCALL    0 1 none              tls
39 TLS_LDCALL    0 1 none              tls
40 TLS_GD32     32 1 TLS               tls
41 TLS_GD64     64 1 TLS               tls
42 TLS_GOTIE12  12 1 TLS               tls
43 TLS_GOTIE32  32 1 TLS               tls
44 TLS_GOTIE64  64 1 TLS               tls
45 TLS_LDM32    32 1 TLS               tls
46 TLS_LDM64    64 1 TLS               tls
47 TLS_IE32     32 1 TLS               tls
48 TLS_IE64     64 1 TLS               tls
49 TLS_IEENT    32 2 TLS               tls
50 TLS_LE32     32 1 TLS               tls
51 TLS_LE64     64 1 TLS               tls
52 TLS_LDO32    32 1 TLS               tls
53 TLS_LDO64    64 1 TLS               tls
54 TLS_DTPMOD   64 1 TLS               tls
55 TLS_DTPOFF   64 1 TLS               tls
56 TLS_TPOFF    64 1 TLS               tls
57 20           20 1 S + A             address
58 GOT20        20 1 O + A             got
59 GOTPLT20     20 1 O + A             got
60 TLS_GOTIE20  20 1 TLS               tls
61 IRELATIVE    64 1 (B + A)()         dynamic
62 PC12DBL      12 2 S + A - P         address
63 PLT12DBL     12 2 L + A - P         plt
64 PC24DBL      24 2 S + A - P         address
65 PLT24DBL     24 2 L + A - P         plt
"""


def _parse(line: str) -> Row:
    number, name, bits, scale, *rest = line.split()
    return Row(int(number), f"R_390_{name}", int(bits), int(scale), " ".join(rest[:-1]), rest[-1])


ROWS: dict[int, Row] = {row.number: row for row in map(_parse, _TABLE.strip().splitlines())}


def row(number: int) -> Row:
    """The row of a type; a number that the psABI does not define gets one that nothing supports."""
    return ROWS.get(number) or Row(number, f"relocation type {number}", 64, 1, "unknown", "unknown")
