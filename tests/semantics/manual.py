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


_MIE2 = "unicorn has no miscellaneous-instruction-extensions facility 2 (z14)"
_HIGH_WORD = "unicorn selects other bits than the five low bits of I3 and I4 name"
_ICM = "unicorn looks at the wrong bit for the condition code where the mask has gaps"
_RXSBG = "unicorn sets the condition code from the wrong bits when T is one"
_HALFWORD = "unicorn compares with another value than the sign-extended halfword"

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
}


# Additions and subtractions whose overflow unicorn misses -------------------------------------------------------------

# Two overflows cannot be seen by the signs of operands and result alone: the smallest number plus itself is zero, and
# zero minus the smallest is the smallest. Only operands of full width get there. Width, and whether it subtracts:
SUMS: dict[str, tuple[int, bool]] = {
    **dict.fromkeys(("AR", "A", "AY", "AFI", "AIH", "AHHHR", "AHHLR", "ARK"), (32, False)),
    **dict.fromkeys(("AGR", "AG", "AGRK"), (64, False)),
    **dict.fromkeys(("SR", "S", "SY", "SRK"), (32, True)),
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
    if insn.mnemonic in {"AIH", "AHHHR", "AHHLR"}:
        first, result = first >> 32, result >> 32
    mask, smallest = (1 << width) - 1, 1 << (width - 1)
    corner = (0, smallest) if subtracts else (smallest, 0)
    return replace(after, cc=3) if (first & mask, result & mask) == corner else after
