"""Laws of the condition code and of the decoder, against references that are written from POP alone.

The condition codes are those of POP, appendix C, "Condition-Code Settings", computed here from exact Python integers;
the fields of an instruction are cut here out of strings of bits, as POP chapter 5, "Instruction Formats", draws them.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import z3
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assembler import GNU
from tests.semantics.concrete import _operate
from verify.errors import Unsupported
from verify.machine.state import CC_GIVEN, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import FALSE, TRUE, Origin, Term, and_, const, ite, leaf, not_, or_, ult
from verify.prove.smt import to_z3
from verify.semantics import cc, isa
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.disassemble import text

LAWS = settings(max_examples=100, deadline=None, print_blob=True)

# The condition code ---------------------------------------------------------------------------------------------------

# VEX's thunk: the first operand or the result, the second operand, and what only a few operations have.
Operands = tuple[int, int, int]
Reference = Callable[[int, int, int], int]


def signed(value: int, width: int) -> int:
    value %= 1 << width
    return value - (1 << width) if value >> (width - 1) else value


def by_sign(exact: int, width: int) -> int:
    """Signed results: 0 zero, 1 less than zero, 2 greater than zero, 3 overflow."""
    if not -(1 << (width - 1)) <= exact < 1 << (width - 1):
        return 3
    return (exact > 0) * 2 + (exact < 0)


def by_order(a: int, b: int) -> int:
    """Comparisons: 0 equal, 1 first operand low, 2 first operand high."""
    return (a > b) * 2 + (a < b)


def by_carry(total: int, width: int) -> int:
    """ADD LOGICAL: 0 zero, no carry; 1 not zero, no carry; 2 zero, carry; 3 not zero, carry."""
    return (total >> width > 0) * 2 + (total % (1 << width) != 0)


def by_borrow(difference: int, width: int) -> int:
    """SUBTRACT LOGICAL, WITH BORROW: 0 zero, borrow; 1 not zero, borrow; 2 zero, no borrow; 3 not zero, no borrow."""
    return (difference >= 0) * 2 + (difference % (1 << width) != 0)


def under_mask(value: int, mask: int, width: int) -> int:
    """TEST UNDER MASK: 0 all zeros or no bit selected, 3 all ones; mixed: 1 and, for TMxx with a leftmost one, 2."""
    chosen = [value >> bit & 1 for bit in reversed(range(width)) if mask >> bit & 1]
    if not any(chosen):
        return 0
    if all(chosen):
        return 3
    return 2 if width > 8 and chosen[0] else 1


def shifted_left(value: int, count: int, width: int) -> int:
    """SHIFT LEFT SINGLE, a bit at a time: the sign stays, and a bit unlike it that leaves position 1 is an overflow."""
    sign, overflow = value >> (width - 1) & 1, False
    numeric = value % (1 << (width - 1))
    for _ in range(count):
        overflow |= numeric >> (width - 2) & 1 != sign
        numeric = numeric << 1 & (1 << (width - 1)) - 1
    return 3 if overflow else by_sign(signed(sign << (width - 1) | numeric, width), width)


def _sized(width: int) -> dict[str, Reference]:
    """The operations that VEX has for 32 and for 64 bits; with a carry or borrow c, it keeps b ^ c and c."""
    cut = (1 << width) - 1
    return {
        "signed_add": lambda a, b, _: by_sign(signed(a, width) + signed(b, width), width),
        "unsigned_add": lambda a, b, _: by_carry((a & cut) + (b & cut), width),
        "unsigned_addc": lambda a, b, c: by_carry((a & cut) + ((b ^ c) & cut) + c, width),
        "signed_sub": lambda a, b, _: by_sign(signed(a, width) - signed(b, width), width),
        "unsigned_sub": lambda a, b, _: by_borrow((a & cut) - (b & cut), width),
        "unsigned_subb": lambda a, b, c: by_borrow((a & cut) - ((b ^ c) & cut) - c, width),
        "load_positive": lambda a, _b, _c: by_sign(abs(signed(a, width)), width),
        "shift_left": lambda a, n, _: shifted_left(a & cut, n, width),
        "product": lambda a, b, _: by_sign(signed(a, width) * signed(b, width), width),
    }


# The numbers of VEX's guest_s390_defs.h; the pairs are for 32 and 64 bits.
_PAIRS = {
    "signed_add": (3, 4), "unsigned_add": (5, 6), "unsigned_addc": (7, 8), "signed_sub": (9, 10),
    "unsigned_sub": (11, 12), "unsigned_subb": (13, 14), "load_positive": (16, 17), "shift_left": (20, 21),
    "product": (61, 62),
}  # fmt: skip
REFERENCES: dict[int, Reference] = {
    0: lambda a, _b, _c: int(a != 0),
    1: lambda a, b, _: by_order(signed(a, 64), signed(b, 64)),
    2: lambda a, b, _: by_order(a, b),
    15: lambda a, _b, _c: by_sign(signed(a, 64), 64),
    18: lambda a, b, _: under_mask(a, b, 8),
    19: lambda a, b, _: under_mask(a, b, 16),
    CC_GIVEN: lambda a, _b, _c: a & 3,
    **{_PAIRS[name][n]: ref for n, width in enumerate((32, 64)) for name, ref in _sized(width).items()},
}
_WITH_CARRY = {7, 8, 13, 14}
_SHIFTS = {20, 21}
_PRODUCTS = {61, 62}

_CORNERS = sorted({
    (sign * (1 << width) // scale + near) % (1 << 64)
    for width, scale, sign, near in product((8, 16, 32, 64), (1, 2), (1, -1), (-1, 0, 1))
} | {0, 1, 2, 3, 2**64 - 1, 2**64 - 2})  # fmt: skip
words = st.sampled_from(_CORNERS) | st.integers(0, 2**64 - 1)
# A shift overflows where a run of sign bits ends, and in another way where it goes beyond the width.
runs = st.builds(lambda bit, sign: sign * (1 << bit) % (1 << 64), st.integers(0, 63), st.sampled_from((-1, 1)))
_COUNTS = (0, 1, 30, 31, 32, 33, 62, 63)
# The second operand is often the first, its complement, its negative or its neighbour: that is where codes change.
_RELATED = (lambda a: a, lambda a: ~a, lambda a: -a, lambda a: a + 1, lambda a: a - 1, lambda a: a ^ 1 << 31)


@st.composite
def operands(draw: st.DrawFn, operation: int) -> Operands:
    """What VEX can put in a thunk: any words, but a carry of 0 or 1 and a shift count below 64."""
    if operation in _SHIFTS:
        return draw(words | runs), draw(st.sampled_from(_COUNTS) | st.integers(0, 63)), 0
    a = draw(words)
    related = draw(st.sampled_from(_RELATED))(a) % (1 << 64)
    b = draw(st.just(related) | words)
    return a, b, draw(st.integers(0, 1)) if operation in _WITH_CARRY else draw(words)


UNKNOWNS = tuple(leaf(name, 64, Origin.ENTRY) for name in ("dep1", "dep2", "ndep"))
CHOICE = leaf("choice", 0, Origin.ENTRY)
Thunk = tuple[Term, Term, Term, Term]


def evaluate(term: Term, known: dict[Term, int]) -> int:
    found = known.get(term)
    if found is None:
        found = known[term] = _operate(term, [evaluate(arg, known) for arg in term.args])
    return found


def literal(operation: int, values: Operands) -> Thunk:
    a, b, n = (const(value, 64) for value in values)
    return const(operation, 64), a, b, n


def symbolic(operation: int) -> Thunk:
    return (const(operation, 64), *UNKNOWNS)


STATE = entry_state(const(0, 64), Ranges(((None, None),)))


def assert_code(thunk: Thunk, known: dict[Term, int], expected: int) -> None:
    """All that `cc` says of a thunk, once its unknowns are known, is this code."""
    codes = cc.conditions(thunk)
    known = dict(known)
    assert [evaluate(code, known) for code in codes] == [int(n == expected) for n in range(4)]
    assert evaluate(cc.number(codes), known) == expected
    assert evaluate(cc.value(replace(STATE, cc=thunk)), known) == expected
    for mask in range(16):
        assert evaluate(cc.selected(thunk, mask), known) == mask >> (3 - expected) & 1, mask


def test_every_operation_has_a_reference() -> None:
    assert REFERENCES.keys() == cc.OPERATIONS.keys()


@pytest.mark.parametrize("operation", sorted(cc.OPERATIONS))
def test_condition_code_of_literals_and_of_unknowns(operation: int) -> None:
    @LAWS
    @given(operands(operation))
    def law(values: Operands) -> None:
        expected = REFERENCES[operation](*values)
        thunk = literal(operation, values)
        assert all(code in (TRUE, FALSE) for code in cc.conditions(thunk))
        assert_code(thunk, {}, expected)
        assert_code(symbolic(operation), dict(zip(UNKNOWNS, values, strict=True)), expected)

    law()


@pytest.mark.parametrize("operation", sorted(_SHIFTS))
def test_shift_left_of_runs_of_ones_by_every_count(operation: int) -> None:
    """The zeros that follow the numeric part out differ from a sign of one; only a count beyond the width shows it."""
    values = [sign * (1 << bit) % (1 << 64) for bit in (0, 1, 30, 31, 32, 62, 63) for sign in (-1, 1)]
    codes = cc.number(cc.conditions(symbolic(operation)))
    for value, count in product([0, *values], range(64)):
        expected = REFERENCES[operation](value, count, 0)
        assert cc.number(cc.conditions(literal(operation, (value, count, 0)))).value == expected, (value, count)
        assert evaluate(codes, dict(zip(UNKNOWNS, (value, count, 0), strict=True))) == expected, (value, count)


def _pick(kept: Term, set_: Term) -> Term:
    return ite(CHOICE, kept, set_)


@LAWS
@given(st.data())
def test_code_of_a_conditional_instruction_is_that_of_the_thunk_it_chose(data: st.DataObject) -> None:
    """VEX merges the thunks of the two ways through a conditional instruction, field by field."""
    operation = st.sampled_from(sorted(cc.OPERATIONS))
    first, second = data.draw(operation), data.draw(operation)
    kept, other = data.draw(operands(first)), data.draw(operands(second))
    thunk = tuple(map(_pick, literal(first, kept), literal(second, other)))
    assert_code(thunk, {CHOICE: 1}, REFERENCES[first](*kept))
    assert_code(thunk, {CHOICE: 0}, REFERENCES[second](*other))


def _possible(operation: int) -> Term:
    """The thunks that can occur, as a condition on the unknowns; see `operands`."""
    if operation in _WITH_CARRY:
        return ult(UNKNOWNS[2], const(2, 64))
    return ult(UNKNOWNS[1], const(64, 64)) if operation in _SHIFTS else TRUE


def _not_exactly_one(codes: cc.Codes) -> Term:
    return or_(not_(or_(*codes)), *[and_(codes[m], codes[n]) for m in range(4) for n in range(m)])


@pytest.mark.parametrize("operation", sorted(cc.OPERATIONS))
def test_exactly_one_condition_holds_whatever_the_operands(operation: int) -> None:
    """Proved and not sampled: `number` reads code 3 off the absence of the others."""
    solver = z3.SolverFor("QF_BV")
    solver.add(to_z3(_possible(operation)), to_z3(_not_exactly_one(cc.conditions(symbolic(operation)))))
    assert solver.check() == z3.unsat


@settings(LAWS, max_examples=40)
@given(st.data())
def test_z3_gives_the_same_code(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(sorted(cc.OPERATIONS)))
    values = data.draw(operands(operation))
    point = [(to_z3(unknown), z3.BitVecVal(number, 64)) for unknown, number in zip(UNKNOWNS, values, strict=True)]
    number = z3.simplify(z3.substitute(to_z3(cc.number(cc.conditions(symbolic(operation)))), *point))
    assert number.as_long() == REFERENCES[operation](*values)


@pytest.mark.parametrize("operation", [const(22, 64), const(63, 64), UNKNOWNS[0]])
def test_operation_without_a_row_is_unsupported(operation: Term) -> None:
    """Never a guess: floating-point operations (VEX's 22 and up), and an operation that is not known."""
    with pytest.raises(Unsupported):
        cc.conditions((operation, *UNKNOWNS))


# Decoding -------------------------------------------------------------------------------------------------------------

# Bits that POP assigns to nothing and tells the CPU to ignore; everywhere else they are reserved or there are none.
UNASSIGNED = {"RRD": (20, 24), "RRE": (16, 24), "RRF-c": (20, 24), "RRF-d": (16, 20), "S-b": (8, 16)}

# Fields by the bits that hold them, from left to right; `s` for a sign. A small selection by kind, as POP draws them.
_DRAWN = """
D2 RXY-a RXY-b RSY-a RSY-b  32-40 20-32 s
D1 SIY                      32-40 20-32 s
D2 RX-a RX-b RS-a RS-b RXE RXF S VRX VRV VRS-a VRS-b VRS-c VSI  20-32
D1 SI SIL SS-a SS-b SS-c SS-d SSE SSF RSL-a                     20-32
D2 SS-a SS-b SS-c SSE SSF                                       36-48
D4 SS-e                                                         36-48
RI2 RI-b RI-c RSI RIE-e     16-32 s
RI2 RIL-b RIL-c             16-48 s
RI4 RIE-b RIE-c             16-32 s
RI2 MII                     12-24 s
RI3 MII                     24-48 s
RI2 SMI                     32-48 s
I2 RI-a RIE-d RIE-g         16-32
I2 RIL-a                    16-48
I2 SI SIY                   8-16
I2 SIL                      32-48
L1 SS-b                     8-12
L2 SS-b                     12-16
X2 RX-a RXY-a RXE VRX       12-16
R1 RRE RRF-a RRF-c          24-28
R2 RRE RRF-a RRF-c          28-32
R3 RRF-a RRF-b              16-20
R1 RRD                      16-20
V1 VRX VRR-a VRR-c VRI-a VRS-a VRV  36-37 8-12
V2 VRR-a VRR-c VRV          37-38 12-16
V3 VRR-c VRR-d VRR-e        38-39 16-20
V4 VRR-d VRR-e              39-40 32-36
V3 VRS-a VRS-c              37-38 12-16
V1 VSI VRS-d                39-40 32-36
"""


def drawn() -> Iterator[tuple[str, str, tuple[slice, ...], bool]]:
    for line in _DRAWN.strip().splitlines():
        field, *words = line.split()
        parts = [slice(*map(int, word.split("-"))) for word in words if re.fullmatch(r"\d+-\d+", word)]
        for layout in words:
            if layout in isa.formats():
                yield layout, field, tuple(parts), words[-1] == "s"


DRAWN = list(drawn())


def bits_of(raw: bytes) -> str:
    return f"{int.from_bytes(raw, 'big'):0{8 * len(raw)}b}"


def cut_out(raw: bytes, parts: tuple[slice, ...], has_sign: bool) -> int:
    found = "".join(bits_of(raw)[part] for part in parts)
    return signed(int(found, 2), len(found)) if has_sign else int(found, 2)


def random_bits(row: isa.Spec, chance: random.Random) -> bytes:
    """The row's operation code with anything around it."""
    mask, value = isa.opcode_bits(row)
    width = isa.formats()[row.format].bits
    return (chance.getrandbits(width) & ~mask | value).to_bytes(width // 8, "big")


def valid_bits(row: isa.Spec, chance: random.Random) -> bytes:
    """As `random_bits`, with zeros in the reserved bits."""
    raw = random_bits(row, chance)
    return (int.from_bytes(raw, "big") & ~isa.reserved_bits(row)).to_bytes(len(raw), "big")


def unassigned(row: isa.Spec) -> int:
    first, last = UNASSIGNED.get(row.format, (0, 0))
    return ((1 << (last - first)) - 1) << (isa.formats()[row.format].bits - last)


def test_only_five_formats_have_unassigned_bits() -> None:
    for row in isa.specs():
        layout = isa.formats()[row.format]
        known = layout.mask(layout.opcode) | isa.reserved_bits(row)
        for field in layout.fields:
            known |= layout.mask(field.parts)
        assert (1 << layout.bits) - 1 & ~known == unassigned(row), row


dice = st.integers(0, 2**64 - 1).map(random.Random)


@settings(LAWS, max_examples=15)
@given(dice)
def test_every_row_decodes_anything_but_reserved_bits_and_loses_only_unassigned_ones(chance: random.Random) -> None:
    for row in isa.specs():
        raw = random_bits(row, chance)
        number, reserved = int.from_bytes(raw, "big"), isa.reserved_bits(row)
        if number & reserved:
            assert decode(raw) is None, (row, raw.hex())
            number &= ~reserved
            raw = number.to_bytes(len(raw), "big")
        insn = decode(raw)
        assert insn is not None, (row, raw.hex())
        assert (insn.spec, insn.raw) == (row, raw)
        assert int.from_bytes(encode(row, insn.fields), "big") == number & ~unassigned(row), (row, raw.hex())


@settings(LAWS, max_examples=10)
@given(dice)
def test_every_row_encodes_any_fields_and_decodes_them_again(chance: random.Random) -> None:
    for row in isa.specs():
        layout, used = isa.formats()[row.format], isa.used_fields(row)
        fields = {
            field.name: chance.choice([field.range[0], field.range[-1], chance.choice(field.range), 0])
            for field in layout.fields
            if not layout.strict or field.name in used
        }
        insn = decode(encode(row, fields))
        assert insn is not None, (row, fields)
        assert insn.spec is row
        assert {name: value for name, value in insn.fields.items() if value or name in fields} == fields, row


@settings(LAWS, max_examples=10)
@given(dice)
def test_fields_are_the_bits_that_the_manual_draws(chance: random.Random) -> None:
    rows: dict[str, list[isa.Spec]] = {}
    for row in isa.specs():
        rows.setdefault(row.format, []).append(row)
    for layout, field, parts, has_sign in DRAWN:
        for row in rows[layout]:
            raw = valid_bits(row, chance)
            insn = decode(raw)
            assert insn is not None, (row, raw.hex())
            assert insn.fields[field] == cut_out(raw, parts, has_sign), (row, field, raw.hex())


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [
        ("D2", -524288, 524287),
        ("RI2", -(2**31), 2**31 - 1),
        ("RI4", -32768, 32767),
        ("D4", 0, 4095),
        ("RI3", -(2**23), 2**23 - 1),
    ],
)
def test_range_of_displacements_and_relative_operands(field: str, lowest: int, highest: int) -> None:
    """The widest field of each name (POP chapter 5, "Address Generation"), in bytes or, if relative, in halfwords."""
    ranges = [item.range for layout in isa.formats().values() for item in layout.fields if item.name == field]
    assert (min(found[0] for found in ranges), max(found[-1] for found in ranges)) == (lowest, highest)


@LAWS
@given(st.binary(min_size=6, max_size=6))
def test_length_is_in_the_first_two_bits(raw: bytes) -> None:
    length = {"00": 2, "01": 4, "10": 4, "11": 6}[bits_of(raw)[:2]]
    insn = decode(raw)
    assert insn is None or len(insn.raw) == length
    assert decode(raw[: length - 1]) is None
    assert decode(raw[:length]) == insn


@LAWS
@given(st.sampled_from([row for row in isa.specs() if isa.formats()[row.format].relative]), dice, words)
def test_relative_target_counts_halfwords_from_the_instruction(row: isa.Spec, chance: random.Random, at: int) -> None:
    insn = decode(valid_bits(row, chance))
    assert insn is not None
    halfwords = insn.fields[next(name for name in insn.fields if name.startswith("RI"))]
    assert insn.relative_target(at) == (at + 2 * halfwords) % 2**64


# The disassembler against the assembler -------------------------------------------------------------------------------


def plain(row: isa.Spec, chance: random.Random) -> Instruction:
    """An instruction that the assembler can write: zero where the operands say nothing, and valid register pairs."""
    while True:
        fields = {
            field.name: chance.choice(field.range)
            for field in isa.formats()[row.format].fields
            if field.name in isa.used_fields(row)
        }
        insn = decode(encode(row, fields))
        assert insn is not None
        if insn.operand_error is None:
            return insn


@pytest.mark.skipif(shutil.which(GNU) is None, reason=f"{GNU} (GNU binutils for s390x) is missing")
def test_disassembly_assembles_to_the_same_bytes(tmp_path: Path) -> None:
    chance = random.Random(7832)
    instructions = [plain(row, chance) for row in isa.specs() for _ in range(4)]
    source, output = tmp_path / "all.s", tmp_path / "all.o"
    source.write_text("".join(text(insn) + "\n" for insn in instructions), encoding="utf-8")
    command = [GNU, "-m64", "-march=arch14", "-o", str(output), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    problems = [
        f"{instructions[int(line) - 1].raw.hex()} {text(instructions[int(line) - 1])}: {message}"
        for line, message in re.findall(r"\.s:(\d+): Error: (.*)", done.stderr)
    ]
    assert not problems, "\n".join(problems)
    with output.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".text")
        assert section is not None
        data = section.data()
    at = 0
    for insn in instructions:
        assert data[at : at + insn.length].hex() == insn.raw.hex(), text(insn)
        at += insn.length
