"""What the semantics must refuse (charter, section 6): by name, and before anything is concluded from it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.semantics.concrete import Trace, code_of, performed, symbolic
from tests.semantics.unicorn_machine import CODE
from verify.errors import Unsupported
from verify.machine.state import CC_GIVEN
from verify.machine.term import Origin, const, leaf
from verify.objfile.image import LINKED_SPACE, Place
from verify.semantics import cc, isa, zarch
from verify.semantics.decode import decode, encode
from verify.semantics.step import HANDLERS
from verify.semantics.vex import encode as vex
from verify.semantics.vex.lift import ADDRESS, lift

assert zarch  # imported for its registrations

TARGET = CODE + 0x100
UNKNOWN = leaf("unknown", 64, Origin.LOAD)


def make(mnemonic: str, **values: int) -> bytes:
    return encode(isa.by_mnemonic()[mnemonic], values)


def prepared(raw: bytes, target: bytes = b"") -> tuple:
    image = code_of({CODE: raw, TARGET: target} if target else {CODE: raw})
    state = symbolic(image)
    state.gpr[12] = image.address(Place(LINKED_SPACE, TARGET))
    return image, state


def refusal(raw: bytes, target: bytes = b"") -> str:
    image, state = prepared(raw, target)
    with pytest.raises(Unsupported) as caught:
        performed(image, state)
    return str(caught.value)


# Rows without semantics


def plain(spec: isa.Spec) -> bytes:
    """Some instruction of a row whose operands POP allows."""
    insn = decode(encode(spec, {}))
    assert insn is not None
    assert insn.operand_error is None
    return insn.raw


def test_every_row_without_semantics_says_why() -> None:
    used = {spec.reason for spec in isa.specs() if spec.source == "-"}
    assert used == isa.reasons().keys()
    assert not {spec.mnemonic for spec in isa.specs() if spec.source != "-" and spec.reason}


def test_every_row_refers_to_the_manual() -> None:
    for spec in isa.specs():
        where, _, name = spec.manual.partition(" ")
        assert where in {str(chapter) for chapter in range(7, 27)} | {"SA22-7095", "SA23-2260", "-"}, spec
        assert name, spec
        assert name == name.upper(), spec


UNKNOWN_ROWS = [spec for spec in isa.specs() if spec.source == "-"]


@pytest.mark.parametrize("spec", UNKNOWN_ROWS, ids=lambda spec: spec.mnemonic)
def test_row_without_semantics(spec: isa.Spec) -> None:
    assert refusal(plain(spec)) == f"{spec.mnemonic.lower()}: {isa.reasons()[spec.reason]}"


def test_nothing_relative_is_on_the_lifters_list() -> None:
    """Rule 1: relative operands, branches, executes, PSW and control instructions never reach VEX."""
    by_hand = {spec.mnemonic for spec in isa.specs() if spec.source == "vex"} & HANDLERS.keys()
    assert not by_hand
    for spec in isa.specs():
        if spec.source == "vex":
            assert isa.formats()[spec.format].relative is None, spec
            assert "branch" not in spec.meaning, spec
            assert "PSW" not in spec.meaning, spec
            assert "control register" not in spec.meaning, spec


# Measured defects and gaps of the lifter (see the table in the facts): none of these may come from it.
NEVER_VEX = {
    "wrong": "LNGFR SHHHR SHHLR SLHHHR SLHHLR STOCFH POPCNT LAE LAEY VSTL VPDI IPM DR D DL DLG DLR DLGR DSG DSGF DSGFR",
    "dirty": "STCK STCKE",
    "emulation": "STCKF STFLE ECAG PRNO ADTR",
    "loop": "MVC CLC NC OC XC TR MVCIN SRST CLST MVST MVCL MVCLE CLCL CLCLE",
    "swap": "CS CSY CSG CDS CDSY CDSG LAA LAAG LAN LAO LAX",
    "execute": "EX EXRL",
    "trap": "CRT CGRT CLRT CIT CGIT",
    "no decoding": "BAL BALR BASSM BSM SAM24 SAM31 TAM SPM EPSW LFAS SFASR SELR SELGR TS PACK UNPK LPSW LCTL LCTLG "
    "STCTL STCTG SAC SIGP MVCOS LPD LPDG",
}


@pytest.mark.parametrize("mnemonic", " ".join(NEVER_VEX.values()).split())
def test_never_from_the_lifter(mnemonic: str) -> None:
    assert isa.by_mnemonic()[mnemonic].source != "vex"


# What the lifter answers, asked directly


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (make("STCK", B2=15, D2=160), "Ist_Dirty"),  # a Dirty helper
        (make("STCKF", B2=15, D2=160), "EmFail"),
        (make("STFLE", B2=15, D2=160), "EmFail"),
        (make("SPM", R1=1), "NoDecode"),
        (make("EPSW", R1=1, R2=2), "NoDecode"),
        (make("LCTLG", R1=0, R3=0, B2=15, D2=160), "NoDecode"),
        (make("BASR", R1=14, R2=1), "Ijk_Call"),
        (make("BCR", M1=15, R2=14), "Ijk_Ret"),
        (make("SVC", I=0), "Ijk_Sys"),
        (make("CSG", R1=1, R3=2, B2=15, D2=160), "Ist_CAS"),  # compare and swap
        (make("CRT", R1=1, R2=2, M3=8), "Ist_Exit"),  # a trap
        (make("BRC", M1=4, RI2=8), "Ist_Exit"),  # an exit that is not to the next instruction
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else value,
)
def test_statement_is_not_interpreted(raw: bytes, why: str) -> None:
    """Rule 3, were the instruction table ever to let one of these through."""
    _, state = prepared(raw)
    with pytest.raises(Unsupported, match=why):
        vex.execute(state, raw)


def test_a_loop_is_not_interpreted() -> None:
    """MVC: one conditional iteration per lift, its counter in hidden state."""
    raw = make("MVC", L=3, B1=15, D1=160, B2=15, D2=168)
    _, state = prepared(raw)
    with pytest.raises(Unsupported):
        vex.execute(state, raw)


def test_the_instruction_address_is_not_read() -> None:
    """The lifter was given a made-up address; what it computes from it is made up as well."""
    raw = make("LR", R1=1, R2=2)
    encoder = vex._Encoder(symbolic(code_of({CODE: raw})), lift(raw).tyenv, ADDRESS + 2)
    with pytest.raises(Unsupported, match="instruction address"):
        encoder.get(720, 64)
    with pytest.raises(Unsupported, match="instruction address"):
        encoder.put(720, UNKNOWN)
    with pytest.raises(Unsupported, match="instruction address"):
        encoder.put(720, const(ADDRESS + 4, 64))


def test_a_block_that_goes_elsewhere_is_refused() -> None:
    raw = make("LR", R1=1, R2=2)
    block = lift(raw)
    encoder = vex._Encoder(symbolic(code_of({CODE: raw})), block.tyenv, ADDRESS + 2)
    with pytest.raises(Unsupported, match="next instruction"):
        encoder.end(block.statements[-1], block.next)  # the statement that sets the address was not seen


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("Ity_D128", 0, "Ity_D128"),
        ("Ity_V256", 0, "Ity_V256"),
        ("Ity_F64", 1.0, "Ity_F64"),
        ("Ity_F64", -0.0, "Ity_F64"),
    ],
)
def test_constant_of_another_type(kind: str, value: float, why: str) -> None:
    raw = make("LR", R1=1, R2=2)
    encoder = vex._Encoder(symbolic(code_of({CODE: raw})), lift(raw).tyenv, ADDRESS + 2)
    with pytest.raises(Unsupported, match=why):
        encoder.const(SimpleNamespace(con=SimpleNamespace(type=kind, value=value)))


def test_unknown_part_of_the_guest_state() -> None:
    raw = make("LR", R1=1, R2=2)
    encoder = vex._Encoder(symbolic(code_of({CODE: raw})), lift(raw).tyenv, ADDRESS + 2)
    for offset in (704, 728, 768):
        with pytest.raises(Unsupported, match=str(offset)):
            encoder.get(offset, 64)


# EXECUTE


@pytest.mark.parametrize("outer", [make("EX", R1=0, B2=12), make("EXRL", R1=0, RI2=0x80)], ids=bytes.hex)
@pytest.mark.parametrize("inner", [make("EX", R1=0, B2=12), make("EXRL", R1=0, RI2=0x80)], ids=bytes.hex)
def test_execute_of_an_execute(outer: bytes, inner: bytes) -> None:
    assert "execute of an execute" in refusal(outer, inner)


def test_execute_with_an_unknown_register() -> None:
    target = make("TM", B1=15, D1=160, I2=1)
    assert "not a constant" in refusal(make("EXRL", R1=3, RI2=0x80), target)
    assert "not a constant" in refusal(make("EX", R1=3, B2=12), target)


def test_execute_outside_the_object() -> None:
    assert "outside the object" in refusal(make("EX", R1=0, B2=3))


def test_execute_of_what_has_no_semantics() -> None:
    assert refusal(make("EXRL", R1=0, RI2=0x80), make("SIGP", B2=15, D2=160)).startswith("sigp: ")


def test_executed_bytes_that_are_no_instruction() -> None:
    """The register's byte is ORed into the second byte, here a part of the operation code: C03 does not exist."""
    image, state = prepared(make("EXRL", R1=1, RI2=0x80), make("LARL", R1=4, RI2=0x40))
    state.gpr[1] = const(0x03, 64)
    with pytest.raises(Unsupported, match="no instruction"):
        performed(image, state)


# Conditions, storage, registers


@pytest.mark.parametrize("mnemonic", ["STOC", "STOCG"])
def test_store_under_no_condition(mnemonic: str) -> None:
    for mask, stores in ((0, 0), (15, 1)):
        image, state = prepared(make(mnemonic, R1=1, B2=15, D2=160, M3=mask))
        performed(image, state)
        assert len(state.stores) == stores


def thunk_state(operation: int) -> tuple:
    image, state = prepared(make("BRC", M1=4, RI2=8))
    state.cc = (const(operation, 64), UNKNOWN, UNKNOWN, UNKNOWN)
    return image, state


@pytest.mark.parametrize("operation", sorted({*range(70), 254} - cc.OPERATIONS.keys()))
def test_unknown_condition_code_operation(operation: int) -> None:
    image, state = thunk_state(operation)
    with pytest.raises(Unsupported, match=f"{operation:#x}|operation {operation} "):
        performed(image, state)
    with pytest.raises(Unsupported):
        cc.value(state)


def test_condition_code_operation_must_be_known() -> None:
    image, state = thunk_state(CC_GIVEN)
    state.cc = (UNKNOWN, *state.cc[1:])
    with pytest.raises(Unsupported, match="condition code"):
        performed(image, state)


ODD = [
    make("MR", R1=3, R2=4), make("MLGR", R1=5, R2=4), make("SRDL", R1=1, D2=3), make("SLDA", R1=15, D2=3),
    make("M", R1=1, B2=15, D2=160), make("LPQ", R1=3, B2=15, D2=160), make("STPQ", R1=3, B2=15, D2=160),
    make("MLG", R1=7, B2=15, D2=160), make("MGRK", R1=7, R2=2, R3=3),
]  # fmt: skip


@pytest.mark.parametrize("raw", ODD, ids=bytes.hex)
def test_odd_register_of_a_pair(raw: bytes) -> None:
    insn = decode(raw)
    assert insn is not None
    assert refusal(raw) == f"{insn.mnemonic} needs an even register in R1, not {insn.fields['R1']}"


def test_wrong_register_of_a_floating_point_pair() -> None:
    assert "lower register of a pair" in refusal(make("LXR", R1=2, R2=0))
    assert "cannot transfer the registers 5 to 2" in refusal(make("VLM", V1=5, V3=2, B2=15, D2=160))


# Address translation


def masked(raw: bytes, before: bytes = b"") -> Trace:
    image = code_of({CODE: before + raw})
    state = symbolic(image)
    if before:
        performed(image, state, CODE)
    performed(image, state, CODE + len(before))
    return state


@pytest.mark.parametrize(
    "raw",
    [
        make("STOSM", B1=15, D1=160, I2=0x04), make("STOSM", B1=15, D1=160, I2=0x07),
        make("STNSM", B1=15, D1=160, I2=0xFB), make("STNSM", B1=15, D1=160, I2=0x00),
        make("SSM", B2=15, D2=160), make("SSM", B2=3),
    ],
    ids=bytes.hex,
)  # fmt: skip
def test_translation_may_not_change(raw: bytes) -> None:
    insn = decode(raw)
    assert insn is not None
    assert refusal(raw) == f"{insn.mnemonic.lower()} may turn address translation on or off"


@pytest.mark.parametrize("byte", [0x00, 0x04, 0x07])
def test_a_byte_that_decides_translation_is_refused(byte: int) -> None:
    with pytest.raises(Unsupported, match="address translation"):
        masked(make("SSM", B2=15, D2=160), make("MVI", B1=15, D1=160, I2=byte))


def test_the_same_translation_is_put_back() -> None:
    """The byte that STNSM stored has the old bit 5, and STNSM kept it."""
    before = symbolic(code_of({CODE: b"\x07\x07"})).system_mask
    after = masked(make("SSM", B2=15, D2=160), make("STNSM", B1=15, D1=160, I2=0xFC)).system_mask
    assert after is before
