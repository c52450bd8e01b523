"""The decoder against GNU as and objdump (recorded in forms.tsv), and against itself by properties."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.semantics import isa
from verify.semantics.decode import Instruction, decode, encode, instruction_length
from verify.semantics.disassemble import text


def recorded() -> list[tuple[str, bytes, str]]:
    lines = Path(__file__).with_name("forms.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(form, bytes.fromhex(raw), printed) for form, raw, printed in rows]


FORMS = recorded()


def decoded(raw: bytes) -> Instruction:
    insn = decode(raw)
    assert insn is not None, raw.hex()
    return insn


def spec(mnemonic: str) -> isa.Spec:
    return isa.by_mnemonic()[mnemonic]


# Against the assembler and objdump


@pytest.mark.parametrize(("form", "raw", "printed"), FORMS, ids=[form for form, _, _ in FORMS])
def test_recorded_form(form: str, raw: bytes, printed: str) -> None:
    insn = decode(raw)
    if printed == "-":
        assert insn is None
        return
    assert insn is not None
    assert (insn.raw, insn.length) == (raw, len(raw))
    assert text(insn) == printed
    assert encode(insn.spec, insn.fields) == raw


def test_every_row_is_covered_by_a_recorded_form() -> None:
    seen = {decoded(raw).mnemonic for _, raw, printed in FORMS if printed != "-"}
    assert seen == isa.by_mnemonic().keys()


# The table


def test_rows_are_complete_and_well_formed() -> None:
    for row in isa.specs():
        assert all(dataclasses.astuple(row)[:-2]), row
        assert row.format in isa.formats(), row
        assert row.level in isa.LEVELS, row
        assert row.source in isa.SOURCES, row
        assert 2 <= len(row.meaning.split()) <= 6, row
        assert isa.used_fields(row) <= {field.name for field in isa.formats()[row.format].fields}, row


def test_no_two_rows_match_the_same_bytes() -> None:
    """Two rows overlap if their opcodes agree in all bits that both of them look at."""
    assert max(Counter(row.mnemonic for row in isa.specs()).values()) == 1
    codes = [(row, *isa.opcode_bits(row)) for row in isa.specs()]
    wide = [(row, mask << shift, value << shift) for row, mask, value in codes for shift in [shift_of(row)]]
    by_first_byte: dict[int, list[tuple[isa.Spec, int, int]]] = {}
    for row, mask, value in wide:
        by_first_byte.setdefault(value >> 40, []).append((row, mask, value))
    for rows in by_first_byte.values():
        for number, (row, mask, value) in enumerate(rows):
            for other, other_mask, other_value in rows[:number]:
                common = mask & other_mask
                assert value & common != other_value & common, (row, other)


def shift_of(row: isa.Spec) -> int:
    return 48 - isa.formats()[row.format].bits


def test_the_length_of_a_format_is_the_one_coded_in_the_first_byte() -> None:
    for row in isa.specs():
        assert instruction_length(int(row.opcode[:2], 16)) == isa.formats()[row.format].length, row


def test_fields_neither_overlap_each_other_nor_the_opcode() -> None:
    for layout in isa.formats().values():
        taken: set[int] = set()
        for parts in (layout.opcode, *(field.parts for field in layout.fields)):
            for first, width in parts:
                bits = set(range(first, first + width))
                assert not bits & taken, layout
                assert max(bits) < layout.bits, layout
                taken |= bits


def test_relative_and_branching_instructions_never_come_from_vex() -> None:
    for row in isa.specs():
        if row.source == "vex":
            assert isa.formats()[row.format].relative is None, row
    for mnemonic in "EX EXRL BCR BASR SVC MVC XC CLC LNGFR SHHHR STOCFH POPCNT LAE VSTL IPM DSGR LPSWE".split():
        assert spec(mnemonic).source != "vex", mnemonic


# Properties


@st.composite
def instructions(draw: st.DrawFn) -> tuple[isa.Spec, dict[str, int]]:
    row = draw(st.sampled_from(isa.specs()))
    layout = isa.formats()[row.format]
    used = isa.used_fields(row)
    fields = {}
    for field in layout.fields:
        zero = layout.strict and field.name not in used
        fields[field.name] = 0 if zero else draw(st.integers(field.range[0], field.range[-1]))
    return row, fields


@given(instructions(), st.binary(max_size=6))
def test_decode_inverts_encode(case: tuple[isa.Spec, dict[str, int]], behind: bytes) -> None:
    row, fields = case
    raw = encode(row, fields)
    insn = decoded(raw + behind)
    assert (insn.spec, insn.raw, dict(insn.fields)) == (row, raw, fields)
    assert text(insn, "somewhere")


@given(st.binary(max_size=8))
def test_any_bytes(raw: bytes) -> None:
    insn = decode(raw)
    if insn is None:
        return
    assert insn.length == instruction_length(raw[0])
    assert insn.raw == raw[: insn.length]
    assert text(insn)
    assert insn.operand_error is None or insn.mnemonic in insn.operand_error
    again = encode(insn.spec, insn.fields)
    assert decoded(again).fields == insn.fields


@given(instructions())
def test_a_cut_instruction_is_none(case: tuple[isa.Spec, dict[str, int]]) -> None:
    raw = encode(*case)
    assert all(decode(raw[:length]) is None for length in range(len(raw)))


# Particular cases


def test_signed_and_raw_fields() -> None:
    assert decoded(bytes.fromhex("e31fffffff04")).fields == {"R1": 1, "X2": 15, "B2": 15, "D2": -1}
    assert decoded(bytes.fromhex("e31000008004")).fields["D2"] == -(1 << 19)
    assert decoded(bytes.fromhex("a7fbff60")).fields == {"R1": 15, "I2": 0xFF60}
    assert decoded(bytes.fromhex("d207c008d040")).fields == {"L": 7, "B1": 12, "D1": 8, "B2": 13, "D2": 64}
    assert decoded(bytes.fromhex("e71000000806")).fields["V1"] == 17
    assert decoded(bytes.fromhex("07fe")).fields == {"M1": 15, "R2": 14}


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ("a7f40000", 0),
        ("a7f4ffff", -2),
        ("c0e580000000", -(1 << 32)),
        ("c0e57fffffff", (1 << 32) - 2),
        ("ec23fffe8064", -4),
        ("c51fff000000", -2),
        ("c7100000fffe", -4),
        ("07fe", None),
    ],
)
def test_relative_offset(raw: str, offset: int | None) -> None:
    insn = decoded(bytes.fromhex(raw))
    assert insn.relative_offset == offset
    if offset is None:
        assert insn.relative_target(0x1000) is None
    else:
        assert insn.relative_target(0x1000) == (0x1000 + offset) % (1 << 64)


def test_target_replaces_the_first_relative_operand_only() -> None:
    assert text(decoded(bytes.fromhex("c0e500000010")), "do_work") == "brasl %r14,do_work"
    assert text(decoded(bytes.fromhex("a7740008")), "1f") == "jne 1f"
    assert text(decoded(bytes.fromhex("c51004000008")), "here") == "bprp 1,here,.+16"
    assert text(decoded(bytes.fromhex("07fe")), "nowhere") == "br %r14"


@pytest.mark.parametrize(
    ("raw", "ignored"),
    [
        ("b9040112", True),
        ("b90cff12", None),
        ("b222ff1f", True),
        ("e71200000156", False),
        ("ec2300008164", False),
    ],
)
def test_unassigned_bits_are_ignored_and_reserved_bits_refused(raw: str, ignored: bool | None) -> None:
    insn = decode(bytes.fromhex(raw))
    assert (insn is not None) == (ignored is not False)
    if ignored and insn is not None:
        assert encode(insn.spec, insn.fields) != insn.raw


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ("b9860020", None),  # mlgr %r2,%r0
        ("b9860030", "R1"),  # mlgr with an odd pair
        ("b3650040", None),  # lxr %f4,%f0
        ("b3650060", "R1"),
        ("e70fc0000036", None),  # vlm %v0,%v15
        ("e7f0c0000036", "transfer"),  # vlm %v15,%v0
    ],
)
def test_operand_error(raw: str, names: str | None) -> None:
    problem = decoded(bytes.fromhex(raw)).operand_error
    assert (problem is None) if names is None else (problem is not None and names in problem)


def test_encode_refuses_what_does_not_fit() -> None:
    assert encode(spec("LGR"), {"R1": 1}) == bytes.fromhex("b9040010")
    with pytest.raises(ValueError, match="has no field R3"):
        encode(spec("LGR"), {"R3": 1})
    with pytest.raises(ValueError, match="does not fit D2"):
        encode(spec("LG"), {"D2": 1 << 19})
    with pytest.raises(ValueError, match="does not fit I2"):
        encode(spec("AGHI"), {"I2": -1})


def test_an_instruction_is_a_value() -> None:
    first, second = (decoded(bytes.fromhex("b9040012")) for _ in range(2))
    assert first == second
    assert len({first, second}) == 1
    assert first.format.name == "RRE"
