"""Operand choices and start states for one row of the instruction table, seeded by its mnemonic.

Fields are chosen by their role in `Spec.operands`; where a storage operand lies is chosen first, and the base
register is given whatever value leads there.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace

from tests.semantics.unicorn_machine import AROUND, CODE, DATA, HIGH, LOW, MODE_64, SIZES, STACK, Cpu, Memory
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.isa import Spec, formats, used_fields

ALL = (1 << 64) - 1

# The second-operand address of these is a number or a branch target, never storage.
NO_STORAGE = frozenset(
    "LA LAY SRL SLL SRA SLA SRDL SLDL SRDA SLDA SRAG SLAG SRLG SLLG RLLG RLL SRAK SLAK SRLK SLLK "
    "PFD VLGV VLVG BPP".split()
)
BRANCHES = frozenset("BC BCT BCTG BAS BAL BXH BXLE BXHG BXLEG CRB CGRB CLRB CLGRB CIB CGIB CLIB CLGIB".split())
BRANCHES_BY_REGISTER = frozenset("BCR BASR BALR BCTR BCTGR".split())
ALIGNED = {
    "LPQ": 16, "STPQ": 16, "LPSWE": 8, "LPSWEY": 8, "LAM": 4, "LAMY": 4, "STAM": 4, "STAMY": 4,
    "CS": 4, "CSY": 4, "CSG": 8, "CDS": 8, "CDSY": 8, "CDSG": 16, "LCTL": 4, "LCTLG": 8, "STCTL": 4, "STCTG": 8,
    "STPT": 8, "SPT": 8, "STCKC": 8, "SCKC": 8, "STIDP": 8, "STAP": 2, "STPX": 4, "LPP": 8, "LBEAR": 8, "STBEAR": 8,
    **dict.fromkeys("LAA LAAL LAN LAO LAX".split(), 4), **dict.fromkeys("LAAG LAALG LANG LAOG LAXG".split(), 8),
    **dict.fromkeys(BRANCHES, 2),
}  # fmt: skip
# Mask fields whose other values POP calls invalid or reserved.
_MASKS = {
    "VLEH": (0, 7), "VLEF": (0, 3), "VLEG": (0, 1), "VSTEH": (0, 7), "VSTEF": (0, 3), "VSTEG": (0, 1),
    "VLEIH": (0, 7), "VLEIF": (0, 3), "VLEIG": (0, 1), "VLREP": (0, 3), "VREPI": (0, 3), "VLGV": (0, 3),
    "VLVG": (0, 3),
}  # fmt: skip
_MASK_LISTS = {"VPDI": (0, 1, 4, 5), "VL": (0, 3, 4), "VST": (0, 3, 4), "VLM": (0, 3, 4), "VSTM": (0, 3, 4)}
_CORNERS = [0, 1, ALL, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) - 1, 0xFFFFFFFF00000000,
            0x7FFFFFFFFFFFFFFF, 0x8000000080000000, 0xFFFFFFFF80000000, 0x7FFFFFFF7FFFFFFF, 0x80, 0xFF, 0x8000,
            0x7FFF, 0xFFFF, 0x8000000000000001, ALL - 1, 2, 0x100000001, 0x7F]  # fmt: skip


def value(rng: random.Random) -> int:
    """A register's contents: a corner, two corner halves, or anything."""
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(_CORNERS)
    if kind < 0.55:
        return (rng.choice(_CORNERS) & 0xFFFFFFFF) << 32 | rng.choice(_CORNERS) & 0xFFFFFFFF
    return rng.getrandbits(64)


def registers(rng: random.Random, system_mask: int = MODE_64) -> Cpu:
    """Any state in which no overflow interrupts (bit 20 of the PSW zero) and the FPC is valid."""
    gpr = [value(rng) for _ in range(16)]
    if rng.random() < 0.5:  # few different values: equal operands, sums that overflow to zero
        few = [value(rng), rng.choice(_CORNERS), rng.choice([0, 1 << 63, 0x8000000080000000, 1 << 31])]
        gpr = [rng.choice(few) for _ in range(16)]
    gpr[15] = STACK + 8 * rng.randrange(64, 128)
    return Cpu(
        tuple(gpr),
        tuple(value(rng) for _ in range(64)),
        tuple(rng.getrandbits(32) for _ in range(16)),
        rng.getrandbits(32) & 0xF8F8FF70 | rng.randrange(4),
        rng.randrange(4),
        rng.randrange(8),
        system_mask,
        CODE,
    )


def storage(rng: random.Random) -> Memory:
    """Contents for all regions but the code: corner bytes and random ones."""
    found = {}
    for base in (LOW, DATA, STACK):
        size = SIZES[base]
        data = bytearray(rng.randbytes(size))
        for at in range(0, size, 32):
            data[at : at + 8] = rng.choice(_CORNERS).to_bytes(8, "big")
        found[base] = bytes(data)
    return found


def _roles(spec: Spec) -> dict[str, str]:
    """The letter before each field that `operands` mentions, "" where there is none."""
    tokens = re.findall(r"[a-z]?[A-Z]+\d?", spec.operands)
    return {token.lstrip("efxacs"): token[0] if token[0].islower() else "" for token in tokens}


def choices(spec: Spec, rng: random.Random, count: int) -> Iterator[Instruction]:
    """`count` instructions of this row, and one more for every mask value that they missed."""
    masks = _mask_values(spec)
    wanted = {(name, number) for name, numbers in masks.items() for number in numbers}
    while count > 0 or wanted:
        count -= 1
        fields = _fields(spec, rng, masks)
        for name in masks:
            open_values = [number for field, number in wanted if field == name]
            if open_values:
                fields[name] = min(open_values)
        wanted -= {(name, fields[name]) for name in masks}
        if spec.mnemonic in {"VLGV", "VLVG"}:  # the number of an element
            fields["B2"], fields["D2"] = 0, rng.randrange(16 >> fields["M4"])
        insn = decode(encode(spec, fields))
        assert insn is not None, (spec, fields)
        assert insn.spec is spec
        if insn.operand_error is None:
            yield insn


def _mask_values(spec: Spec) -> dict[str, list[int]]:
    names = [name for name in used_fields(spec) if re.fullmatch(r"M\d", name)]
    if spec.mnemonic in _MASKS:
        low, high = _MASKS[spec.mnemonic]
        return {name: list(range(low, high + 1)) for name in names}
    return {name: list(_MASK_LISTS.get(spec.mnemonic, range(16))) for name in names}


def _fields(spec: Spec, rng: random.Random, masks: dict[str, list[int]]) -> dict[str, int]:
    roles, fields = _roles(spec), {}
    same = rng.choice(range(16))
    for item in formats()[spec.format].fields:
        name = item.name
        if name not in roles:
            continue
        if name in masks:
            fields[name] = rng.choice(masks[name])
        elif name[0] == "R" and name[:2] != "RI":
            number = rng.choice([same, same, 0, 15, rng.randrange(16), rng.randrange(16), rng.randrange(16)])
            fields[name] = number & {"e": 14, "x": 13}.get(roles[name], 15)
        elif name[0] == "V":
            fields[name] = rng.choice([same, same + 16, rng.randrange(32), rng.randrange(32)])
        elif name[0] in "BX":
            fields[name] = rng.choice([0, 0, 15, same, rng.randrange(16), rng.randrange(16)])
        elif name[0] == "D":
            fields[name] = _displacement(rng, item.signed)
        elif item.signed:
            fields[name] = rng.choice([0, 1, -1, item.range[0], item.range[-1], rng.choice(item.range)])
        else:
            fields[name] = _number(rng, item.width)
    if spec.mnemonic in {"VLM", "VSTM"}:
        fields["V3"] = min(31, fields["V1"] + rng.choice([0, 1, 15, rng.randrange(16)]))
    _keep_in_storage(spec, rng, fields)
    return fields


def _displacement(rng: random.Random, signed: bool) -> int:
    if not signed:
        return rng.choice([0, 1, 4095, 2048, rng.randrange(4096)])
    return rng.choice([0, -1, -8, 8, 4096, -(1 << 19), (1 << 19) - 1, rng.randrange(-(1 << 19), 1 << 19)])


def _number(rng: random.Random, width: int) -> int:
    top = 1 << width
    return rng.choice([0, 1, top - 1, top >> 1, (top >> 1) - 1, rng.randrange(top), rng.randrange(top)])


def _keep_in_storage(spec: Spec, rng: random.Random, fields: dict[str, int]) -> None:
    """Without base and index the displacement alone must be the address of something."""
    if spec.mnemonic in NO_STORAGE:
        return
    for number in "124":
        if f"D{number}" not in fields:
            continue
        base, index = fields.get(f"B{number}", 0), fields.get(f"X{number}", 0)
        if base == index and spec.mnemonic in ALIGNED:
            fields[f"D{number}"] &= -2  # twice a register is even
        elif base == 15:
            fields[f"D{number}"] &= -ALIGNED.get(spec.mnemonic, 1)  # as r15 is
        if base == index == 0:
            fields[f"D{number}"] = 16 * rng.randrange(32, 256)
        elif base == 15 and rng.random() < 0.8:
            fields[f"D{number}"] = abs(fields[f"D{number}"]) % 4096
    if fields.get("B1") and fields.get("B1") == fields.get("B2"):
        near = fields["D1"] + rng.choice([0, 1, -1, 4, -8, 16, rng.randrange(-40, 40)])
        fields["D2"] = min(4095, max(0, near))


def aim(insn: Instruction, cpu: Cpu, rng: random.Random, stack: bool) -> Cpu:
    """Give base registers values that lead to storage, on the stack or off it; branch targets become even."""
    mnemonic, fields = insn.mnemonic, insn.fields
    used = used_fields(insn.spec)
    alignment = ALIGNED.get(mnemonic, 1)
    if mnemonic in BRANCHES_BY_REGISTER:
        return cpu.with_gpr(fields["R2"], _branch_target(rng))
    if mnemonic in NO_STORAGE:
        return cpu
    done: set[int] = set()
    for number in "124":
        if f"D{number}" not in used:
            continue
        base, index = fields.get(f"B{number}", 0), fields.get(f"X{number}", 0)
        if base in done or not (base or index):
            continue
        region = STACK if stack or 15 in (base, index) else DATA
        if mnemonic in BRANCHES:
            region = rng.choice([CODE, AROUND, HIGH - 0x800])
        elif number == "2" and "D1" in used and region == DATA:
            region += 0x1000  # apart from the first operand, unless both have one base register
        address = region + rng.randrange(0x800, 0xE00) // alignment * alignment
        distance = fields[f"D{number}"]
        if base and index and base == index:
            address -= (address - distance) % 2
            cpu = cpu.with_gpr(base, (address - distance) // 2)
        elif base:
            other = cpu.gpr[index] if index else 0
            cpu = cpu.with_gpr(base, address - distance - other)
        else:
            cpu = cpu.with_gpr(index, address - distance)
        done |= {base, index}
    return cpu


def _branch_target(rng: random.Random) -> int:
    base = rng.choice([AROUND, CODE, HIGH])
    return base + 2 * rng.randrange(0x7F0)


def relative_to_data(insn: Instruction, rng: random.Random) -> Instruction:
    """The same instruction with a relative operand of 32 bits in the data region."""
    if insn.format.name not in {"RIL-b", "RIL-c"}:
        return insn
    target = DATA + 0x400 + 2 * rng.randrange(0x400)
    changed = decode(encode(insn.spec, {**insn.fields, "RI2": (target - CODE) // 2}))
    assert changed is not None
    return changed


def valid_fpc(cpu: Cpu, number: int) -> Cpu:
    """Make a register's low word a valid floating-point control word."""
    word = cpu.gpr[number] & 0xF8F8FF70 | cpu.gpr[number] & 3
    return cpu.with_gpr(number, cpu.gpr[number] >> 32 << 32 | word)


def with_all_codes(cpu: Cpu, code: int) -> Cpu:
    return replace(cpu, cc=code)
