"""What the Principles of Operation say, by hand, where unicorn 2.1.4 says something else or nothing.

Every function takes the machine before the instruction and returns the machine after it, in plain Python on plain
numbers: nothing of the verifier is used but the decoded fields. `MANUAL` gives the reason for each mnemonic; `SUMS`
are forms in which unicorn errs in one corner only, so that its answer is corrected there and used elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.semantics.unicorn_machine import SIZES, Cpu, Memory
from verify.semantics.decode import Instruction

Reference = Callable[[Instruction, Cpu, Memory], tuple[Cpu, Memory]]
WORD, ALL = 0xFFFFFFFF, (1 << 64) - 1


def signed(value: int, width: int) -> int:
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def address(insn: Instruction, cpu: Cpu, number: str = "2") -> int:
    """Base, index and displacement; register 0 stands for zero."""
    total = insn.fields[f"D{number}"]
    for name in (f"B{number}", f"X{number}"):
        register = insn.fields.get(name, 0)
        total += cpu.gpr[register] if register else 0
    return total & ALL


def fetch(memory: Memory, at: int, size: int) -> int:
    base = next(base for base, length in SIZES.items() if base <= at < base + length)
    return int.from_bytes(memory[base][at - base : at - base + size], "big")


def _on(insn: Instruction, cpu: Cpu) -> Cpu:
    return replace(cpu, pc=cpu.pc + insn.length)


def _low(old: int, word: int) -> int:
    return old >> 32 << 32 | word & WORD


def _high(old: int, word: int) -> int:
    return (word & WORD) << 32 | old & WORD


def _sign_code(result: int, width: int) -> int:
    """CC 0 zero, 1 less than zero, 2 greater than zero, 3 overflow, for the exact result of an operation."""
    if not -(1 << (width - 1)) <= result < 1 << (width - 1):
        return 3
    return (result > 0) * 2 + (result < 0)


# MISCELLANEOUS-INSTRUCTION-EXTENSIONS FACILITY 2 ----------------------------------------------------------------------


def _halfword_64(operate: Callable[[int, int], int], sets_code: bool) -> Reference:
    """AGH, SGH, MGH: the first operand with the sign-extended halfword in storage."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number = insn.fields["R1"]
        exact = operate(signed(cpu.gpr[number], 64), signed(fetch(memory, address(insn, cpu), 2), 16))
        after = _on(insn, cpu.with_gpr(number, exact))
        return (replace(after, cc=_sign_code(exact, 64)) if sets_code else after), memory

    return reference


def _single(width: int, in_storage: bool) -> Reference:
    """MSC, MSRKC, MSGC, MSGRKC: the low half of the signed product, and CC 3 where that is not all of it."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number = insn.fields["R1"]
        if in_storage:
            a, b = cpu.gpr[number], fetch(memory, address(insn, cpu), width // 8)
        else:
            a, b = cpu.gpr[insn.fields["R2"]], cpu.gpr[insn.fields["R3"]]
        exact = signed(a, width) * signed(b, width)
        value = exact if width == 64 else _low(cpu.gpr[number], exact)
        return replace(_on(insn, cpu.with_gpr(number, value)), cc=_sign_code(exact, width)), memory

    return reference


def _into_pair(in_storage: bool) -> Reference:
    """MG, MGRK: the signed product of 128 bits into an even-odd pair; MG multiplies the odd register."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number = insn.fields["R1"]
        if in_storage:
            a, b = cpu.gpr[number + 1], fetch(memory, address(insn, cpu), 8)
        else:
            a, b = cpu.gpr[insn.fields["R2"]], cpu.gpr[insn.fields["R3"]]
        exact = signed(a, 64) * signed(b, 64)
        return _on(insn, cpu.with_gpr(number, exact >> 64).with_gpr(number + 1, exact)), memory

    return reference


# Others ---------------------------------------------------------------------------------------------------------------


def load_and_zero_rightmost_byte(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    number = insn.fields["R1"]
    word = fetch(memory, address(insn, cpu), 4) & ~0xFF
    return _on(insn, cpu.with_gpr(number, _low(cpu.gpr[number], word))), memory


def load_high_on_condition(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """LOCFHR: bits 0-31 of R2 replace those of R1 where M3 selects the condition code."""
    number = insn.fields["R1"]
    if insn.fields["M3"] & 8 >> cpu.cc:
        cpu = cpu.with_gpr(number, _high(cpu.gpr[number], cpu.gpr[insn.fields["R2"]] >> 32))
    return _on(insn, cpu), memory


def _insert(first_byte: int) -> Reference:
    """ICM, ICMY, ICMH: one storage byte for each one in M3; CC 0 all zero, 1 leftmost inserted bit one, else 2."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number, at, inserted = insn.fields["R1"], address(insn, cpu), b""
        data = bytearray(cpu.gpr[number].to_bytes(8, "big"))
        for n in range(4):
            if insn.fields["M3"] & 8 >> n:
                byte = fetch(memory, at + len(inserted), 1)
                data[first_byte + n] = byte
                inserted += bytes([byte])
        code = 0 if not any(inserted) else 1 if inserted[0] & 0x80 else 2
        return replace(_on(insn, cpu.with_gpr(number, int.from_bytes(data, "big"))), cc=code), memory

    return reference


def _compare_relative_halfword(width: int) -> Reference:
    """CHRL, CGHRL: with the sign-extended halfword; CC 0 equal, 1 first operand low, 2 high."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        a = signed(cpu.gpr[insn.fields["R1"]], width)
        b = signed(fetch(memory, cpu.pc + 2 * insn.fields["RI2"], 2), 16)
        return replace(_on(insn, cpu), cc=(a > b) * 2 + (a < b)), memory

    return reference


def _range(start: int, end: int, bits: int) -> list[int]:
    """Bits start..end in IBM numbering, wrapping around where start is greater."""
    chosen, bit = [start], start
    while bit != end:
        bit = (bit + 1) % bits
        chosen.append(bit)
    return chosen


def _rotated(insn: Instruction, cpu: Cpu) -> int:
    count, value = insn.fields["I5"] & 63, cpu.gpr[insn.fields["R2"]]
    return (value << count | value >> (64 - count)) & ALL


def _insert_rotated(high: bool) -> Reference:
    """RISBHG, RISBLG: bits 3-7 of I3 and I4 number bits of one word; bit 0 of I4 zeros the word's other bits."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number, source = insn.fields["R1"], _rotated(insn, cpu)
        old, shift = cpu.gpr[number], 32 if high else 0
        word, new = old >> shift & WORD, source >> shift & WORD
        mask = sum(1 << (31 - bit) for bit in _range(insn.fields["I3"] & 31, insn.fields["I4"] & 31, 32))
        kept = 0 if insn.fields["I4"] & 0x80 else word & ~mask
        result = kept | new & mask
        return _on(insn, cpu.with_gpr(number, (_high if high else _low)(old, result))), memory

    return reference


def _combine_rotated(operate: Callable[[int, int], int]) -> Reference:
    """RNSBG, ROSBG, RXSBG: CC 0 for zero in the selected bits, else 1; bit 0 of I3 (T): R1 is not changed."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number, source = insn.fields["R1"], _rotated(insn, cpu)
        mask = sum(1 << (63 - bit) for bit in _range(insn.fields["I3"] & 63, insn.fields["I4"] & 63, 64))
        selected = operate(cpu.gpr[number], source) & mask
        after = cpu if insn.fields["I3"] & 0x80 else cpu.with_gpr(number, cpu.gpr[number] & ~mask | selected)
        return replace(_on(insn, after), cc=int(selected != 0)), memory

    return reference


# MISCELLANEOUS-INSTRUCTION-EXTENSIONS FACILITY 3 (z15) ----------------------------------------------------------------


def _select(first: int, width: int) -> Reference:
    """SELR, SELGR, SELFHR: R2 where M4 selects the condition code, else R3, at bits first..first+width-1."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        source = cpu.gpr[insn.fields["R2" if insn.fields["M4"] & 8 >> cpu.cc else "R3"]]
        mask = (1 << width) - 1 << 64 - first - width
        number = insn.fields["R1"]
        return _on(insn, cpu.with_gpr(number, cpu.gpr[number] & ~mask | source & mask)), memory

    return reference


def _logic(operate: Callable[[int, int], int], width: int) -> Reference:
    """NNRK and its like: CC 0 for a zero result, else 1."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        number, mask = insn.fields["R1"], (1 << width) - 1
        result = operate(cpu.gpr[insn.fields["R2"]], cpu.gpr[insn.fields["R3"]]) & mask
        after = cpu.with_gpr(number, cpu.gpr[number] & ~mask | result)
        return replace(_on(insn, after), cc=int(result != 0)), memory

    return reference


def population_count(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """Bit 0 of M3 one: the ones of the whole register; zero: of each byte, in that byte."""
    value = cpu.gpr[insn.fields["R2"]]
    size = 8 if insn.fields["M3"] & 8 else 1
    parts = [value.to_bytes(8, "big")[at : at + size] for at in range(0, 8, size)]
    counts = [int.from_bytes(part, "big").bit_count().to_bytes(size, "big") for part in parts]
    result = int.from_bytes(b"".join(counts), "big")
    return replace(_on(insn, cpu.with_gpr(insn.fields["R1"], result)), cc=int(result != 0)), memory


# Storage --------------------------------------------------------------------------------------------------------------


def stored(memory: Memory, at: int, data: bytes) -> Memory:
    base = next(base for base, length in SIZES.items() if base <= at < base + length)
    content = memory[base]
    return {**memory, base: content[: at - base] + data + content[at - base + len(data) :]}


def store_multiple_high(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """Bits 0-31 of R1, R1+1, .. R3 in a row, register 0 following register 15."""
    first, last = insn.fields["R1"], insn.fields["R3"]
    numbers = [n % 16 for n in range(first, last + 1 if last >= first else last + 17)]
    data = b"".join((cpu.gpr[n] >> 32).to_bytes(4, "big") for n in numbers)
    return _on(insn, cpu), stored(memory, address(insn, cpu), data)


def store_with_length(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """Bytes 0 to R3 of V1, never more than sixteen."""
    number = insn.fields["V1"]
    data = b"".join(half.to_bytes(8, "big") for half in cpu.vector[2 * number : 2 * number + 2])
    count = min(cpu.gpr[insn.fields["R3"]] & WORD, 15) + 1
    return _on(insn, cpu), stored(memory, address(insn, cpu), data[:count])


def load_address_extended(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """Access register R1: zero in the primary-space mode (PSW bits 16-17 zero)."""
    assert cpu.system_mask >> 46 & 3 == 0
    access = list(cpu.access)
    access[insn.fields["R1"]] = 0
    after = replace(cpu.with_gpr(insn.fields["R1"], address(insn, cpu)), access=tuple(access))
    return _on(insn, after), memory


def copy_access(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    access = list(cpu.access)
    access[insn.fields["R1"]] = cpu.access[insn.fields["R2"]]
    return _on(insn, replace(cpu, access=tuple(access))), memory


# Hexadecimal floating point (POP chapter 18), which no emulator at hand has ------------------------------------------


def _float(cpu: Cpu, number: int, width: int) -> int:
    return cpu.vector[2 * number] >> 64 - width


def _with_float(insn: Instruction, cpu: Cpu, value: int, width: int) -> Cpu:
    halves, number = list(cpu.vector), insn.fields["R1"]
    kept = halves[2 * number] & (1 << 64 - width) - 1
    halves[2 * number] = value << 64 - width | kept
    return replace(cpu, vector=tuple(halves))


def _hfp_code(value: int, width: int) -> int:
    """0 for a zero fraction, 1 less than zero, 2 greater than zero."""
    fraction = value & (1 << width - 8) - 1
    return 0 if fraction == 0 else 1 if value >> width - 1 else 2


def _hfp_sign(width: int, change: Callable[[int], int]) -> Reference:
    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        value = _float(cpu, insn.fields["R2"], width)
        sign = change(value >> width - 1)
        value = sign << width - 1 | value & (1 << width - 1) - 1
        return replace(_on(insn, _with_float(insn, cpu, value, width)), cc=_hfp_code(value, width)), memory

    return reference


def _hfp_halve(width: int) -> Reference:
    """The fraction with one guard digit, halved and normalised; a true zero when that is zero or underflows."""

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        value = _float(cpu, insn.fields["R2"], width)
        digits = (width - 8) // 4
        sign, characteristic = value >> width - 1, value >> width - 8 & 127
        fraction = (value & (1 << width - 8) - 1) * 16 >> 1
        while fraction and fraction < 16**digits:
            fraction, characteristic = fraction * 16, characteristic - 1
        result = 0
        if fraction and characteristic >= 0:
            result = sign << width - 1 | characteristic << width - 8 | fraction >> 4
        return _on(insn, _with_float(insn, cpu, result, width)), memory

    return reference


def _hfp_add(width: int, factor: int, in_storage: bool) -> Reference:
    """Unnormalised addition (factor 1) or subtraction (-1), on exact integers with one guard digit."""

    def parts(value: int) -> tuple[int, int]:
        magnitude = value & (1 << width - 8) - 1
        return (-magnitude if value >> width - 1 else magnitude), value >> width - 8 & 127

    def shifted(value: int, digits: int) -> int:
        magnitude = abs(value) * 16 // 16**digits
        return -magnitude if value < 0 else magnitude

    def reference(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
        other = fetch(memory, address(insn, cpu), width // 8) if in_storage else _float(cpu, insn.fields["R2"], width)
        (a, exponent_a), (b, exponent_b) = parts(_float(cpu, insn.fields["R1"], width)), parts(other)
        larger = max(exponent_a, exponent_b)
        total = shifted(a, larger - exponent_a) + factor * shifted(b, larger - exponent_b)
        sign, magnitude = int(total < 0), abs(total) // 16
        if magnitude >> width - 8:  # a carry
            magnitude, larger = magnitude // 16, (larger + 1) & 127
        result = sign << width - 1 | larger << width - 8 | magnitude if magnitude else 0
        return replace(_on(insn, _with_float(insn, cpu, result, width)), cc=_hfp_code(result, width)), memory

    return reference


def lengthen(insn: Instruction, cpu: Cpu, memory: Memory) -> tuple[Cpu, Memory]:
    """LDER: the short operand with 32 zeros on its right."""
    return _on(insn, _with_float(insn, cpu, _float(cpu, insn.fields["R2"], 32) << 32, 64)), memory


_MIE2 = "unicorn has no miscellaneous-instruction-extensions facility 2 (z14)"
_HIGH_WORD = "unicorn selects other bits than the five low bits of I3 and I4 name"
_ICM = "unicorn looks at the wrong bit for the condition code where the mask has gaps"
_RXSBG = "unicorn sets the condition code from the wrong bits when T is one"
_HALFWORD = "unicorn compares with another value than the sign-extended halfword"

_MIE3 = "unicorn has no miscellaneous-instruction-extensions facility 3 (z15)"
_HFP = "unicorn has no hexadecimal floating point"
_LAE = "unicorn takes the access register's contents from somewhere else"

# For each mnemonic why unicorn is not asked, and what POP says instead.
MANUAL: dict[str, tuple[str, Reference]] = {
    "AGH": (_MIE2, _halfword_64(lambda a, b: a + b, True)),
    "SGH": (_MIE2, _halfword_64(lambda a, b: a - b, True)),
    "MGH": (_MIE2, _halfword_64(lambda a, b: a * b, False)),
    "MSC": (_MIE2, _single(32, True)),
    "MSRKC": (_MIE2, _single(32, False)),
    "MSGC": (_MIE2, _single(64, True)),
    "MSGRKC": (_MIE2, _single(64, False)),
    "MG": (_MIE2, _into_pair(True)),
    "MGRK": (_MIE2, _into_pair(False)),
    "LZRF": ("unicorn has no load-and-zero-rightmost-byte of 32 bits", load_and_zero_rightmost_byte),
    "LOCFHR": ("unicorn moves the low word of R2", load_high_on_condition),
    "ICM": (_ICM, _insert(4)),
    "ICMY": (_ICM, _insert(4)),
    "ICMH": (_ICM, _insert(0)),
    "CHRL": (_HALFWORD, _compare_relative_halfword(32)),
    "CGHRL": (_HALFWORD, _compare_relative_halfword(64)),
    "RISBHG": (_HIGH_WORD, _insert_rotated(True)),
    "RISBLG": (_HIGH_WORD, _insert_rotated(False)),
    "RNSBG": (_RXSBG, _combine_rotated(lambda a, b: a & b)),
    "ROSBG": (_RXSBG, _combine_rotated(lambda a, b: a | b)),
    "RXSBG": (_RXSBG, _combine_rotated(lambda a, b: a ^ b)),
    "SELR": (_MIE3, _select(32, 32)),
    "SELGR": (_MIE3, _select(0, 64)),
    "SELFHR": (_MIE3, _select(0, 32)),
    **{
        f"{name}{suffix}": (_MIE3, _logic(operate, width))
        for name, operate in {
            "NN": lambda a, b: ~(a & b),
            "NO": lambda a, b: ~(a | b),
            "NX": lambda a, b: ~(a ^ b),
            "NC": lambda a, b: a & ~b,
            "OC": lambda a, b: a | ~b,
        }.items()
        for suffix, width in (("RK", 32), ("GRK", 64))
    },
    "POPCNT": ("unicorn ignores M3, which came with z15", population_count),
    "STMH": ("unicorn stores zeros", store_multiple_high),
    "VSTL": ("unicorn stores a byte too many or too few", store_with_length),
    "LAE": (_LAE, load_address_extended),
    "LAEY": (_LAE, load_address_extended),
    "CPYA": ("unicorn does not have it", copy_access),
    "LDER": ("unicorn converts another format", lengthen),
    **{
        f"L{letter}{size}R": (_HFP, _hfp_sign(width, change))
        for letter, change in {"T": lambda s: s, "P": lambda s: 0, "N": lambda s: 1, "C": lambda s: 1 - s}.items()
        for size, width in (("D", 64), ("E", 32))
    },
    "HER": (_HFP, _hfp_halve(32)),
    "HDR": (_HFP, _hfp_halve(64)),
    **{
        f"{letter}{size}{suffix}": (_HFP, _hfp_add(width, factor, not suffix))
        for letter, factor in (("A", 1), ("S", -1))
        for size, width in (("U", 32), ("W", 64))
        for suffix in ("R", "")
    },
}


# Additions and subtractions whose overflow unicorn misses -------------------------------------------------------------

# Two overflows cannot be seen by the signs of operands and result alone: the smallest number plus itself is zero, and
# zero minus the smallest is the smallest. Only operands of full width get there. Width, and whether it subtracts:
SUMS: dict[str, tuple[int, bool]] = {
    **dict.fromkeys(("AR", "A", "AY", "AFI", "AIH", "AHHHR", "AHHLR", "ARK"), (32, False)),
    **dict.fromkeys(("AGR", "AG", "AGRK"), (64, False)),
    **dict.fromkeys(("SR", "S", "SY", "SRK", "SHHHR", "SHHLR"), (32, True)),
    **dict.fromkeys(("SGR", "SG", "SGRK"), (64, True)),
}


def corrected(insn: Instruction, before: Cpu, after: Cpu) -> Cpu:
    """Unicorn's answer, with POP's condition code 3 in the two corners."""
    if insn.mnemonic not in SUMS:
        return after
    width, subtracts = SUMS[insn.mnemonic]
    fields = insn.fields
    first = before.gpr[fields["R2" if "R3" in fields else "R1"]]
    result = after.gpr[fields["R1"]]
    if insn.mnemonic in {"AIH", "AHHHR", "AHHLR", "SHHHR", "SHHLR"}:
        first, result = first >> 32, result >> 32
    mask, smallest = (1 << width) - 1, 1 << (width - 1)
    corner = (0, smallest) if subtracts else (smallest, 0)
    return replace(after, cc=3) if (first & mask, result & mask) == corner else after
