"""Relocations stay holes: each type has a row, each target is symbol plus addend, and what has no meaning is refused.

The traps are those of cle: what it leaves unapplied in silence, places in the wrong section, or applies twice.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests import assembler, elf
from tests.elf import Reloc, Sec, Sym
from verify import pipeline
from verify.machine.state import got_slot, symbol_address
from verify.machine.term import Term, const, plus
from verify.objfile.elf import load
from verify.objfile.image import Hole, Image, Place, Target
from verify.objfile.relocs import ROWS, row
from verify.report.report import Finding
from verify.semantics.code import Code
from verify.verdict import Verdict

# The psABI's table by number: name, and the width of the field in bits (chapter 4, "Relocation").
PSABI = """
NONE 0, 8 8, 12 12, 16 16, 32 32, PC32 32, GOT12 12, GOT32 32, PLT32 32, COPY 0, GLOB_DAT 64, JMP_SLOT 64,
RELATIVE 64, GOTOFF32 32, GOTPC 64, GOT16 16, PC16 16, PC16DBL 16, PLT16DBL 16, PC32DBL 32, PLT32DBL 32,
GOTPCDBL 32, 64 64, PC64 64, GOT64 64, PLT64 64, GOTENT 32, GOTOFF16 16, GOTOFF64 64, GOTPLT12 12, GOTPLT16 16,
GOTPLT32 32, GOTPLT64 64, GOTPLTENT 32, PLTOFF16 16, PLTOFF32 32, PLTOFF64 64, TLS_LOAD 0, TLS_GDCALL 0,
TLS_LDCALL 0, TLS_GD32 32, TLS_GD64 64, TLS_GOTIE12 12, TLS_GOTIE32 32, TLS_GOTIE64 64, TLS_LDM32 32,
TLS_LDM64 64, TLS_IE32 32, TLS_IE64 64, TLS_IEENT 32, TLS_LE32 32, TLS_LE64 64, TLS_LDO32 32, TLS_LDO64 64,
TLS_DTPMOD 64, TLS_DTPOFF 64, TLS_TPOFF 64, 20 20, GOT20 20, GOTPLT20 20, TLS_GOTIE20 20, IRELATIVE 64,
PC12DBL 12, PLT12DBL 12, PC24DBL 24, PLT24DBL 24
"""
TYPES = {number: item.split() for number, item in enumerate(PSABI.replace("\n", " ").split(","))}
NAMES = {number: f"R_390_{name}" for number, (name, _) in TYPES.items()}
NUMBERS = {name: number for number, name in NAMES.items()}

RETURN = "07fe"
WITH_DATA = [Sec(".data", bytes(64), elf.DATA)]
LG = "e31000000004"
LARL, LGRL, STGRL, BRASL, BRCL, EXRL = (
    "c01000000000",
    "c41800000000",
    "c41b00000000",
    "c0e500000000",
    "c0f400000000",
    "c60000000000",
)
BRC, BRAS, BRCTG, CRJ, CGIJ, LGHI = "a7f40000", "a7e50000", "a7170000", "ec1200008076", "ec180000007c", "a7190000"
RELATIVE_OPERANDS = {
    "larl": (LARL, 19),
    "lgrl": (LGRL, 19),
    "stgrl": (STGRL, 19),
    "brasl": (BRASL, 19),
    "brasl plt": (BRASL, 20),
    "brcl": (BRCL, 19),
    "brcl plt": (BRCL, 20),
    "exrl": (EXRL, 19),
    "brc": (BRC, 17),
    "brc plt": (BRC, 18),
    "bras": (BRAS, 17),
    "bras plt": (BRAS, 18),
    "brctg": (BRCTG, 17),
    "crj": (CRJ, 17),
    "cgij": (CGIJ, 17),
}


def image_of(tmp_path: Path, data: bytes) -> Image:
    path = tmp_path / "made.o"
    path.write_bytes(data)
    return load(path)


def operand(image: Image, name: str = "f", distance: int = 0) -> Term:
    """What the relative operand of the instruction at that routine designates."""
    place = image.symbol(name).place
    assert place is not None
    code = Code(image)
    return code.relative(place.plus(distance), code.fetch(place.plus(distance)))


def address_of(image: Image, name: str) -> Term:
    """The term of a place of this image, by symbol."""
    (found,) = {symbol.place for symbol in image.symbols if symbol.name == name}
    assert found is not None
    return Code(image).address(found)


def findings(tmp_path: Path, data: bytes) -> tuple[Finding, ...]:
    path = tmp_path / "made.o"
    path.write_bytes(data)
    found = pipeline.prove_file(path, pipeline.Options(symbol="f")).findings()
    assert found
    return found


def refusal(found: tuple[Finding, ...]) -> Finding:
    """The only finding: the routine is `unsupported`, and nothing about it is proved."""
    assert {finding.verdict for finding in found} == {Verdict.UNSUPPORTED}, found
    (one,) = found
    assert one.property is None
    return one


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", TYPES, ids=NAMES.get)
def test_each_type_of_the_psabi_has_its_row(number: int) -> None:
    found = ROWS[number]
    assert (found.number, found.name, found.bits) == (number, NAMES[number], int(TYPES[number][1]))


def test_there_are_no_other_rows() -> None:
    assert len(TYPES) == 66
    assert set(ROWS) == set(TYPES)


def test_a_type_that_the_psabi_does_not_define_has_a_row_that_nothing_supports() -> None:
    found = row(200)
    assert "200" in found.name
    assert not found.supported


def test_only_halfword_counts_relative_to_the_place_are_supported_in_instructions() -> None:
    supported = {found.name for found in ROWS.values() if found.supported}
    assert supported <= {
        f"R_390_{name}"
        for name in (
            "PC12DBL",
            "PLT12DBL",
            "PC16DBL",
            "PLT16DBL",
            "PC24DBL",
            "PLT24DBL",
            "PC32DBL",
            "PLT32DBL",
            "GOTENT",
        )
    }
    assert supported >= {f"R_390_{name}" for name in ("PC16DBL", "PLT16DBL", "PC32DBL", "PLT32DBL", "GOTENT")}


# Every type, as a hole ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", TYPES, ids=NAMES.get)
@pytest.mark.parametrize("addend", [0, 2, -8, 0x123456])
def test_a_relocation_of_code_is_a_hole_with_symbol_and_addend(number: int, addend: int, tmp_path: Path) -> None:
    data = elf.function(RETURN + LG, [Reloc(4, number, "sym", addend)], [Sym("sym")])
    assert image_of(tmp_path, data).holes == (
        Hole(Place(1, 4), row(number), Target(external="sym", addend=addend), "sym", addend),
    )


@pytest.mark.parametrize("number", [number for number in TYPES if number], ids=NAMES.get)
def test_a_relocation_without_a_meaning_in_its_instruction_is_unsupported(number: int, tmp_path: Path) -> None:
    """At the displacement of `lg`, which is no relative operand."""
    one = refusal(findings(tmp_path, elf.function(LG + RETURN, [Reloc(2, number, "sym")], [Sym("sym")])))
    assert f"{NAMES[number]} " in one.message
    assert "lg at f" in one.message
    assert one.address == ".text+0x0"


@pytest.mark.parametrize("number", [n for n in TYPES if n and NAMES[n] not in ("R_390_PC32DBL", "R_390_PLT32DBL")])
def test_a_relative_operand_takes_only_what_fits_it(number: int, tmp_path: Path) -> None:
    """A branch into the GOT, which is data, included."""
    one = refusal(findings(tmp_path, elf.function(BRCL, [Reloc(2, number, "sym", 2)], [Sym("sym")])))
    assert NAMES[number] == "R_390_GOTENT" or f"{NAMES[number]} " in one.message
    assert one.address == ".text+0x0"


@pytest.mark.parametrize(
    ("code", "offset", "number", "mnemonic"),
    [
        (LG, 2, 2, "lg"),
        (LG, 2, 57, "lg"),
        (LGHI, 2, 3, "lghi"),
        (LGHI, 2, 17, "lghi"),
        ("c01f00000000", 2, 4, "llilf"),
        ("c01f00000000", 2, 19, "llilf"),
        (BRC, 2, 19, "brc"),
        (BRC, 0, 17, "brc"),
        (LARL, 0, 19, "larl"),
        (LARL, 1, 19, "larl"),
        (LARL, 4, 17, "larl"),
        (CRJ, 4, 17, "crj"),
        (BRASL, 0, 38, "brasl"),
    ],
)
def test_the_refusal_names_relocation_instruction_and_address(
    code: str, offset: int, number: int, mnemonic: str, tmp_path: Path
) -> None:
    data = elf.function("1700" + code + RETURN, [Reloc(2 + offset, number, "sym", 2)], [Sym("sym")])
    one = refusal(findings(tmp_path, data))
    for word in (f"{NAMES[number]} ", "sym", f"{mnemonic} at f+0x2"):
        assert word in one.message
    assert one.address == ".text+0x2"


def test_an_undefined_type_in_an_instruction_is_unsupported(tmp_path: Path) -> None:
    one = refusal(findings(tmp_path, elf.function(LARL + RETURN, [Reloc(2, 99, "sym", 2)], [Sym("sym")])))
    assert "99" in one.message


def test_a_relocation_that_reaches_into_an_instruction_from_the_data_before_it_is_unsupported(tmp_path: Path) -> None:
    """A branch around four bytes; the eight bytes relocated there overlap the return."""
    data = elf.function("a7f40004" + "00000000" + RETURN + RETURN, [Reloc(4, NUMBERS["R_390_64"], "sym")], [Sym("sym")])
    one = refusal(findings(tmp_path, data))
    assert "R_390_64 " in one.message
    assert one.address == ".text+0x8"


@pytest.mark.parametrize("name", ["R_390_64", "R_390_32", "R_390_PC32", "R_390_TLS_LE64", "R_390_GOT64"])
def test_a_relocation_of_data_among_the_code_does_no_harm(name: str, tmp_path: Path) -> None:
    data = elf.function(RETURN + "0700" + "00" * 8, [Reloc(4, NUMBERS[name], "sym")], [Sym("sym")])
    assert {finding.verdict for finding in findings(tmp_path, data)} == {Verdict.PROVED}


@pytest.mark.parametrize("second", [NUMBERS["R_390_PC32DBL"], NUMBERS["R_390_TLS_GDCALL"], NUMBERS["R_390_PC64"]])
def test_two_relocations_in_one_instruction_are_unsupported(second: int, tmp_path: Path) -> None:
    relocs = [Reloc(2, NUMBERS["R_390_PC32DBL"], "sym", 2), Reloc(2, second, "other", 2)]
    refusal(findings(tmp_path, elf.function(LARL + RETURN, relocs, [Sym("sym"), Sym("other")])))


# Targets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [0, 6, 4096, -8, -2])
@pytest.mark.parametrize("name", RELATIVE_OPERANDS)
def test_a_relative_operand_designates_symbol_plus_addend(name: str, distance: int, tmp_path: Path) -> None:
    code, number = RELATIVE_OPERANDS[name]
    data = elf.function("1700" + code + RETURN, [Reloc(4, number, "sym", 2 + distance)], [Sym("sym")])
    assert operand(image_of(tmp_path, data), distance=2) == plus(symbol_address("sym"), distance)


@pytest.mark.parametrize("name", RELATIVE_OPERANDS)
def test_the_bytes_of_a_relocated_field_do_not_matter(name: str, tmp_path: Path) -> None:
    """RELA: the addend is the table's; what stands in the field is overwritten."""
    code, number = RELATIVE_OPERANDS[name]
    bits = 8 if number in (17, 18) else 12
    filled = code[:4] + "7fff" * (bits // 8) + code[4 + 4 * (bits // 8) :] if bits == 8 else code[:4] + "7ffffff0"
    plain = image_of(tmp_path, elf.function(code + RETURN, [Reloc(2, number, "sym", 2)], [Sym("sym")]))
    other = image_of(tmp_path, elf.function(filled + RETURN, [Reloc(2, number, "sym", 2)], [Sym("sym")]))
    assert operand(plain) == operand(other) == symbol_address("sym")


def test_a_field_without_a_relocation_counts_halfwords_from_the_instruction(tmp_path: Path) -> None:
    image = image_of(tmp_path, elf.function("1700" + "c010fffffffd" + RETURN))
    assert operand(image, distance=2) == plus(address_of(image, "f"), 2 - 6)


@pytest.mark.parametrize("code", [LARL, LGRL])
def test_got_entry_is_the_slot_and_not_the_symbol(code: str, tmp_path: Path) -> None:
    image = image_of(tmp_path, elf.function(code + RETURN, [Reloc(2, NUMBERS["R_390_GOTENT"], "sym", 2)], [Sym("sym")]))
    assert operand(image) == got_slot("sym")
    assert got_slot("sym") != symbol_address("sym")


@pytest.mark.parametrize("addend", [4, -2, 10])
def test_a_got_entry_with_a_distance_is_unsupported(addend: int, tmp_path: Path) -> None:
    relocs = [Reloc(2, NUMBERS["R_390_GOTENT"], "sym", addend)]
    refusal(findings(tmp_path, elf.function(LGRL + RETURN, relocs, [Sym("sym")])))


def test_an_odd_target_is_unsupported(tmp_path: Path) -> None:
    """Halfwords cannot reach it unless the symbol itself is odd; a linker would complain or lose the bit."""
    relocs = [Reloc(2, NUMBERS["R_390_PC32DBL"], "local", 3)]
    local = Sym("local", 1, 6, elf.NOTYPE, elf.LOCAL)
    refusal(findings(tmp_path, elf.function(LARL + RETURN, relocs, [local])))


@pytest.mark.parametrize("addend", [8, -4])
def test_a_tail_call_into_the_middle_of_a_symbol_is_not_proved(addend: int, tmp_path: Path) -> None:
    found = findings(tmp_path, elf.function(BRCL, [Reloc(2, 19, "sym", addend)], [Sym("sym")]))
    assert {finding.verdict for finding in found} != {Verdict.PROVED}


def test_a_tail_call_by_name_is_proved(tmp_path: Path) -> None:
    found = findings(tmp_path, elf.function(BRCL, [Reloc(2, 20, "sym", 2)], [Sym("sym")]))
    assert {finding.verdict for finding in found} == {Verdict.PROVED}


DATA_SYMBOLS = {
    "undefined": Sym("sym", kind=elf.OBJECT),
    "thread-local": Sym("sym", kind=elf.TLS),
    "common": Sym("sym", elf.COMMON, 8, elf.OBJECT, elf.GLOBAL, 8),
    "weak": Sym("sym", 2, 0, elf.OBJECT, elf.WEAK, 8),
    "absolute": Sym("sym", elf.ABSOLUTE, 0x200, elf.OBJECT),
    "local": Sym("sym", 2, 0, elf.OBJECT, elf.LOCAL, 8),
}
CALL = "e3e0f0700024" + "e3f0ff60ff71" + BRASL + "e3e0f1100004" + "41f0f0a0" + RETURN


@pytest.mark.parametrize("name", DATA_SYMBOLS)
@pytest.mark.parametrize(("code", "offset"), [(BRCL, 2), (CALL, 14)], ids=["jump", "call"])
def test_data_is_not_executed(name: str, code: str, offset: int, tmp_path: Path) -> None:
    """A symbol that is known to be data is no function to call, wherever it is defined."""
    data = elf.function(code, [Reloc(offset, 19, "sym", 2)], [DATA_SYMBOLS[name]], sections=WITH_DATA)
    assert {finding.verdict for finding in findings(tmp_path, data)} != {Verdict.PROVED}


def test_a_call_by_name_is_proved(tmp_path: Path) -> None:
    data = elf.function(CALL, [Reloc(14, 20, "sym", 2)], [Sym("sym")])
    assert {finding.verdict for finding in findings(tmp_path, data)} == {Verdict.PROVED}


@pytest.mark.parametrize(("number", "addend"), [(NUMBERS["R_390_GOTENT"], 2), (NUMBERS["R_390_PC32DBL"], 8)])
def test_a_call_of_a_got_slot_or_into_a_symbol_is_not_proved(number: int, addend: int, tmp_path: Path) -> None:
    found = findings(tmp_path, elf.function(CALL, [Reloc(14, number, "sym", addend)], [Sym("sym")]))
    assert {finding.verdict for finding in found} != {Verdict.PROVED}


@pytest.mark.parametrize(
    ("symbol", "target"),
    [
        (Sym("label", 1, 6, elf.NOTYPE, elf.LOCAL), Target(place=Place(1, 6))),
        (Sym("label", 1, 6, elf.NOTYPE, elf.GLOBAL), Target(place=Place(1, 6))),
        (Sym("datum", 2, 16, elf.OBJECT, elf.GLOBAL), Target(place=Place(2, 16))),
        (Sym("hidden", 2, 16, elf.OBJECT, elf.LOCAL), Target(place=Place(2, 16))),
        (Sym(".data", 2, 0, elf.SECTION, elf.LOCAL), Target(place=Place(2, 0))),
        (Sym(".text", 1, 0, elf.SECTION, elf.LOCAL), Target(place=Place(1, 0))),
        (Sym("undefined"), Target(external="undefined")),
        (Sym("typed", kind=elf.FUNC), Target(external="typed")),
        (Sym("maybe", binding=elf.WEAK), Target(external="maybe")),
        (Sym("overridable", 1, 6, elf.FUNC, elf.WEAK), Target(external="overridable")),
        (Sym("resolved", 1, 6, elf.IFUNC, elf.GLOBAL), Target(external="resolved")),
        (Sym("common", elf.COMMON, 8, elf.OBJECT, elf.GLOBAL, 64), Target(external="common")),
        (Sym("absolute", elf.ABSOLUTE, 0x1234, elf.NOTYPE, elf.GLOBAL), Target(absolute=0x1234)),
        (Sym("zero", elf.ABSOLUTE, 0, elf.NOTYPE, elf.LOCAL), Target(absolute=0)),
    ],
    ids=lambda value: value.name if isinstance(value, Sym) else "",
)
@pytest.mark.parametrize("addend", [2, 10, -6])
def test_each_kind_of_symbol_has_its_target(symbol: Sym, target: Target, addend: int, tmp_path: Path) -> None:
    relocs = [Reloc(2, NUMBERS["R_390_PC32DBL"], symbol.name, addend)]
    image = image_of(tmp_path, elf.function(LARL + RETURN, relocs, [symbol], sections=WITH_DATA))
    (hole,) = image.holes
    assert hole.target == target.plus(addend)
    if target.place is not None:
        expected = Code(image).address(target.place)
    elif target.external is not None:
        expected = symbol_address(target.external)
    else:
        expected = const(target.absolute or 0, 64)
    assert operand(image) == plus(expected, addend - 2)


def test_no_symbol_means_the_absolute_number_of_the_addend(tmp_path: Path) -> None:
    """Symbol 0 has the value 0: S + A is the addend itself, and no symbol without a name."""
    image = image_of(tmp_path, elf.function(LARL + RETURN, [Reloc(2, NUMBERS["R_390_PC32DBL"], None, 0x1002)]))
    (hole,) = image.holes
    assert hole.target == Target(absolute=0x1002)
    assert operand(image) == const(0x1000, 64)


# From assemblers ------------------------------------------------------------------------------------------------------

# What every assembler for s390x accepts, and the relocations it makes of it, as (offset, type, symbol, addend).
LINES = {
    "larl %r1, sym+6": [(2, "PC32DBL", "sym", 8)],
    "larl %r1, sym": [(2, "PC32DBL", "sym", 2)],
    "lgrl %r1, sym-8": [(2, "PC32DBL", "sym", -6)],
    "larl %r1, sym@GOT": [(2, "GOTENT", "sym", 2)],
    "lgrl %r1, sym@GOT": [(2, "GOTENT", "sym", 2)],
    "brasl %r14, sym": [(2, "PC32DBL", "sym", 2)],
    "brasl %r14, sym@PLT": [(2, "PLT32DBL", "sym", 2)],
    "bras %r14, sym": [(2, "PC16DBL", "sym", 2)],
    "bras %r14, sym@PLT": [(2, "PLT16DBL", "sym", 2)],
    "jg sym": [(2, "PC32DBL", "sym", 2)],
    "jg sym@PLT": [(2, "PLT32DBL", "sym", 2)],
    "j sym": [(2, "PC16DBL", "sym", 2)],
    "crj %r1, %r2, 8, sym": [(2, "PC16DBL", "sym", 2)],
    "exrl %r0, sym": [(2, "PC32DBL", "sym", 2)],
    "bprp 15, sym, sym+4": [(1, "PC12DBL", "sym", 1), (3, "PC24DBL", "sym", 7)],
    "bprp 15, sym@PLT, sym@PLT": [(1, "PLT12DBL", "sym", 1), (3, "PLT24DBL", "sym", 3)],
    "bpp 15, sym, 0(%r1)": [(4, "PC16DBL", "sym", 4)],
    "l %r1, sym(%r0)": [(2, "12", "sym", 0)],
    "lg %r1, sym(%r0)": [(2, "20", "sym", 0)],
    "lghi %r1, sym": [(2, "16", "sym", 0)],
    "mvi 0(%r1), sym": [(1, "8", "sym", 0)],
    ".byte sym+1": [(0, "8", "sym", 1)],
    ".short sym": [(0, "16", "sym", 0)],
    ".long sym": [(0, "32", "sym", 0)],
    ".quad sym-16": [(0, "64", "sym", -16)],
    ".long sym-.": [(0, "PC32", "sym", 0)],
    ".quad sym-.": [(0, "PC64", "sym", 0)],
    "larl %r1, sym@INDNTPOFF": [(2, "TLS_IEENT", "sym", 2)],
    ".quad sym@TLSGD": [(0, "TLS_GD64", "sym", 0)],
    ".quad sym@TLSLDM": [(0, "TLS_LDM64", "sym", 0)],
    ".quad sym@NTPOFF": [(0, "TLS_LE64", "sym", 0)],
    ".quad sym@DTPOFF": [(0, "TLS_LDO64", "sym", 0)],
    "brasl %r14, sym@PLT:tls_gdcall:sym": [(2, "PLT32DBL", "sym", 2), (0, "TLS_GDCALL", "sym", 0)],
    "brasl %r14, sym@PLT:tls_ldcall:sym": [(2, "PLT32DBL", "sym", 2), (0, "TLS_LDCALL", "sym", 0)],
}
MEANINGFUL = {"PC32DBL", "PLT32DBL", "PC16DBL", "PLT16DBL", "GOTENT"}
SOURCE = """\t.text
\t.machine zEC12
\t.globl f
\t.type f, @function
f:\t{}
\tbr %r14
\t.size f, . - f
"""


def assembled(tmp_path: Path, source: str) -> list[Path]:
    """The source by every assembler there is."""
    (tmp_path / "source.s").write_text(source, encoding="utf-8")
    return [
        tool.assemble(tmp_path / "source.s", tmp_path / f"built-{number}.o")
        for number, tool in enumerate(assembler.available())
    ]


@pytest.mark.parametrize("line", LINES)
def test_what_an_assembler_leaves_to_the_linker_is_a_hole(line: str, tmp_path: Path) -> None:
    for path in assembled(tmp_path, SOURCE.format(line)):
        with path.open("rb") as file:
            assert ELFFile(file).get_section_by_name(".rela.text").num_relocations() == len(LINES[line])
        image = load(path)
        text = image.symbol("f").place
        assert text is not None
        found = {(h.place.offset, h.row.name, h.symbol, h.addend) for h in image.holes if h.place.space == text.space}
        assert found == {(offset, f"R_390_{name}", symbol, addend) for offset, name, symbol, addend in LINES[line]}
        assert {hole.target for hole in image.holes} == {
            Target(external=symbol, addend=addend) for _, _, symbol, addend in LINES[line]
        }


@pytest.mark.parametrize(
    "line", [line for line, holes in LINES.items() if line[0] != "." and {hole[1] for hole in holes} - MEANINGFUL]
)
def test_an_assembled_instruction_with_another_relocation_is_unsupported(line: str, tmp_path: Path) -> None:
    for path in assembled(tmp_path, SOURCE.format(line)):
        one = refusal(pipeline.prove_file(path, pipeline.Options(symbol="f")).findings())
        assert any(f"R_390_{name} " in one.message for _, name, _, _ in LINES[line])
        assert one.address == ".text+0x0"


@pytest.mark.parametrize(
    ("line", "symbol", "distance"),
    [
        ("larl %r1, g", "g", 0),
        ("larl %r1, g+6", "g", 6),
        ("larl %r1, local", "local", 0),
        ("larl %r1, local-4", "local", -4),
        ("larl %r1, f", "f", 0),
        ("jg local", "local", 0),
        ("j local", "local", 0),
        ("crj %r1, %r2, 8, local", "local", 0),
        ("brasl %r14, elsewhere", "elsewhere", 0),
        ("larl %r1, table+16", "table", 16),
        ("lgrl %r1, hidden+8", "hidden", 8),
    ],
)
def test_targets_inside_the_object_are_places(line: str, symbol: str, distance: int, tmp_path: Path) -> None:
    """However the assembler put it: resolved, against the symbol, or against its section."""
    source = SOURCE.format(line) + (
        "local:\tbr %r14\n\t.globl g\n\t.type g, @function\ng:\tbr %r14\n"
        '\t.section .other.text,"ax",@progbits\nelsewhere:\tbr %r14\n'
        "\t.data\n\t.balign 8\n\t.globl table\ntable:\t.fill 4, 8, 0\nhidden:\t.fill 4, 8, 0\n"
    )
    for path in assembled(tmp_path, source):
        image = load(path)
        assert operand(image) == plus(address_of(image, symbol), distance)


# The traps of cle -----------------------------------------------------------------------------------------------------


def test_an_unknown_relocation_does_not_leave_larl_pointing_at_itself(tmp_path: Path) -> None:
    image = image_of(tmp_path, elf.function(LARL + RETURN, [Reloc(2, 19, "sym", 2)], [Sym("sym")]))
    assert operand(image) != address_of(image, "f")


def test_loading_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    relocs = [Reloc(2, number, "sym", 2) for number in TYPES]
    image_of(tmp_path, elf.function(LARL + RETURN, relocs, [Sym("sym"), Sym("common", elf.COMMON, 8)]))
    assert capfd.readouterr() == ("", "")


def test_an_undefined_symbol_is_not_at_the_start_of_text(tmp_path: Path) -> None:
    relocs = [Reloc(2, 19, "one", 2), Reloc(8, 19, "two", 2)]
    image = image_of(tmp_path, elf.function(LARL + LARL + RETURN, relocs, [Sym("one"), Sym("two")]))
    assert operand(image) == symbol_address("one")
    assert operand(image, distance=6) == symbol_address("two")
    assert len({operand(image), operand(image, distance=6), address_of(image, "f")}) == 3


def test_a_common_symbol_lies_in_no_section(tmp_path: Path) -> None:
    common = Sym("buffer", elf.COMMON, 8, elf.OBJECT, elf.GLOBAL, 64)
    image = image_of(tmp_path, elf.function(LGRL + RETURN, [Reloc(2, 19, "buffer", 2)], [common]))
    assert operand(image) == symbol_address("buffer")
    (symbol,) = (symbol for symbol in image.symbols if symbol.name == "buffer")
    assert symbol.place is None
    assert Code(image).symbol("buffer") == symbol_address("buffer")


def test_an_absolute_symbol_does_not_move_with_the_code(tmp_path: Path) -> None:
    absolute = Sym("lowcore", elf.ABSOLUTE, 0x200)
    image = image_of(tmp_path, elf.function(LGRL + RETURN, [Reloc(2, 19, "lowcore", 2 + 8)], [absolute]))
    assert operand(image) == const(0x208, 64)
    assert Code(image).symbol("lowcore") == const(0x200, 64)


def test_sections_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    first = Sec(".text", bytes.fromhex(LARL + RETURN), relocs=[Reloc(2, 19, "second", 2)])
    second = Sec(".text", bytes.fromhex("1700" + RETURN + RETURN))
    symbols = [
        Sym("f", 1, 0, elf.FUNC, elf.GLOBAL, 8),
        Sym("g", 2, 2, elf.FUNC, elf.GLOBAL, 2),
        Sym("second", 2, 4, elf.NOTYPE, elf.LOCAL),
    ]
    image = image_of(tmp_path, elf.build([first, second], symbols))
    assert image.code(Place(1, 0), 6).hex() == LARL
    assert image.code(Place(2, 0), 2).hex() == "1700"
    assert image.holes[0].target == Target(place=Place(2, 4 + 2))
    assert operand(image) == Code(image).address(Place(2, 4))
    assert Code(image).base(1) != Code(image).base(2)
    reports = pipeline.prove_file(tmp_path / "made.o", pipeline.Options()).routines
    assert {report.routine for report in reports} == {"f", "g"}
    addresses = {finding.address for report in reports for finding in report.findings}
    assert len({address.partition("+")[0] for address in addresses if address}) == 2


def test_a_weak_undefined_symbol_is_kept(tmp_path: Path) -> None:
    weak = Sym("optional", binding=elf.WEAK)
    image = image_of(tmp_path, elf.function(LARL + RETURN, [Reloc(2, 19, "optional", 2)], [weak]))
    assert operand(image) == symbol_address("optional")


def test_a_weak_definition_may_be_another_one_after_linking(tmp_path: Path) -> None:
    """A branch to it is no branch to the body in this object."""
    weak = Sym("g", 1, 6, elf.FUNC, elf.WEAK, 2)
    image = image_of(tmp_path, elf.function(BRCL + RETURN, [Reloc(2, 20, "g", 2)], [weak]))
    assert operand(image) == symbol_address("g") != address_of(image, "g")


BASE = 0x100000


def linked(kind: int, code: str, relocs: list[Reloc], dynamic: bool) -> bytes:
    text = Sec(".text", bytes.fromhex(code), address=BASE, relocs=relocs, dynamic=dynamic)
    data = Sec(".data", bytes(64), elf.DATA, address=BASE + 0x2000)
    size = len(code) // 2
    return elf.build(
        [text, data], [Sym("f", 1, BASE, elf.FUNC, elf.GLOBAL, size), Sym("v", 2, BASE + 0x2000, elf.OBJECT)], kind
    )


@pytest.mark.parametrize("kind", [elf.EXECUTABLE, elf.SHARED])
def test_a_linked_image_is_read_where_it_was_linked(kind: int, tmp_path: Path) -> None:
    """A nonzero link base is not added twice."""
    image = image_of(tmp_path, linked(kind, "c01000001000" + RETURN, [], dynamic=True))
    assert not image.relocatable
    assert image.symbol("f").place == Place(0, BASE)
    assert image.code(Place(0, BASE), 6).hex() == "c01000001000"
    assert operand(image) == Code(image).address(Place(0, BASE + 0x2000)) == address_of(image, "v")
    found = findings(tmp_path, linked(kind, "c01000001000" + RETURN, [], dynamic=True))
    assert {finding.verdict for finding in found} == {Verdict.PROVED}
    assert {finding.address for finding in found} == {hex(BASE)}


def test_relative_of_a_relocatable_image_is_applied_once(tmp_path: Path) -> None:
    """R_390_RELATIVE holds the link-time address of its target: the load address moves both."""
    relocs = [Reloc(BASE + 8, NUMBERS["R_390_RELATIVE"], None, BASE + 0x2000)]
    image = image_of(tmp_path, linked(elf.SHARED, RETURN + "0700" * 3 + "00" * 8, relocs, dynamic=True))
    (hole,) = image.holes
    assert hole.place == Place(0, BASE + 8)
    assert hole.target == Target(place=Place(0, BASE + 0x2000))


def test_a_dynamic_relocation_in_an_instruction_is_unsupported(tmp_path: Path) -> None:
    relocs = [Reloc(BASE + 2, NUMBERS["R_390_PC32DBL"], "v", 2)]
    image = image_of(tmp_path, linked(elf.SHARED, LARL + RETURN, relocs, dynamic=True))
    assert len(image.holes) == 1
    relocs = [Reloc(BASE + 2, NUMBERS["R_390_RELATIVE"], None, BASE)]
    one = refusal(findings(tmp_path, linked(elf.SHARED, LARL + RETURN, relocs, dynamic=True)))
    assert "R_390_RELATIVE" in one.message
    assert one.address == hex(BASE)


@pytest.mark.parametrize("kind", [elf.EXECUTABLE, elf.SHARED])
@pytest.mark.parametrize("name", ["R_390_GOTENT", "R_390_PC32DBL", "R_390_PLT32DBL"])
def test_relocations_that_the_linker_kept_for_reference_are_not_applied_again(
    kind: int, name: str, tmp_path: Path
) -> None:
    """ld --emit-relocs: the text is linked already, and GOTENT may have been relaxed to a plain larl."""
    relocs = [Reloc(BASE + 2, NUMBERS[name], "v", 2)]
    image = image_of(tmp_path, linked(kind, "c01000001000" + RETURN, relocs, dynamic=False))
    assert image.holes == ()
    assert operand(image) == Code(image).address(Place(0, BASE + 0x2000))


def test_nothing_rests_on_the_stale_offsets_of_archinfo() -> None:
    """archinfo's ret_offset for S390X is r1's, and its syscall_num_offset r0's."""
    package = Path(pipeline.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    assert "R_390_" in text
    for word in ("ret_offset", "syscall_num_offset", "rebased_addr", "sections_map"):
        assert word not in text


def test_several_executable_sections_are_all_code(tmp_path: Path) -> None:
    sections = [
        Sec(name, bytes.fromhex(RETURN + RETURN)) for name in (".text", ".init.text", ".kprobes.text", ".noinstr.text")
    ]
    symbols = [Sym(f"f{number}", number, 0, elf.FUNC, elf.GLOBAL, 4) for number in range(1, 5)]
    (tmp_path / "made.o").write_bytes(elf.build(sections, symbols))
    report = pipeline.prove_file(tmp_path / "made.o", pipeline.Options())
    assert [routine.routine for routine in report.routines] == ["f1", "f2", "f3", "f4"]
    assert {finding.verdict for finding in report.findings()} == {Verdict.PROVED}


def test_data_is_not_code(tmp_path: Path) -> None:
    data = elf.function(BRCL, [Reloc(2, 19, "datum", 2)], [Sym("datum", 2, 0, elf.OBJECT)], sections=WITH_DATA)
    one = refusal(findings(tmp_path, data))
    assert "datum" in one.message
