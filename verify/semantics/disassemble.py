"""`Instruction` to text, in the syntax and with the extended mnemonics of GNU objdump.

An extended mnemonic absorbs fields of its basic one: the mask of a branch, of a load or of a trap on
condition, the size of a vector's elements, the flags of a vector operation. Field values without an extended
mnemonic leave the basic one with all its operands. Numbers are decimal; a relative operand is written `.+8`,
in bytes from the instruction, unless the caller names its target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from verify.semantics.decode import Instruction
from verify.semantics.isa import Spec, by_mnemonic

# Bits 8, 4, 2, 1 of a mask select condition code 0, 1, 2, 3; the letters are for use after a comparison.
_CONDITIONS = dict(enumerate("o h nle l nhe lh ne e nlh he nl le nh no".split(), start=1))
# Compare-and-branch and compare-and-trap never see condition code 3: only even masks have a letter.
_COMPARISONS = {2: "h", 4: "l", 6: "ne", 8: "e", 10: "nl", 12: "nh"}
_SIZES = {0: "b", 1: "h", 2: "f", 3: "g", 4: "q"}
_FP_SIZES = {2: "sb", 3: "db", 4: "xb"}

# Vector instructions whose name takes the letter of the element size: the field that holds it, the letters
# that exist, and the mnemonics.
_ELEMENTS = """
M4 bhfg  VLGV VLVG VREP VGM VERLL VERLLV VESL VESLV VESRA VESRAV VESRL VESRLV VMRH VMRL VAVG VAVGL VGFM
M4 bhfg  VMX VMXL VMN VMNL
M3 bhfg  VLREP VLLEZ VREPI VLC VLP VCLZ VCTZ VPOPCT VEC VECL
M5 bhfg  VERIM VGFMA
M4 bhfgq VA VS VACC VSCBI
M5 q     VAC VACCC VSBI VSBCBI
M3 bhf   VSEG VUPH VUPLH VUPLL VUPL
M4 bhf   VMH VMLH VME VMLE VMO VMLO VML
M5 bhf   VMAH VMALH VMAE VMALE VMAO VMALO VMAL
M4 hfg   VPK
M3 hfg   VLBRREP VLER VSTER VLLEBRZ
M3 hfgq  VLBR VSTBR
M4 bh    VSUM
M4 hf    VSUMG
M4 fg    VSUMQ
M5 g     VMSL
"""

# Names that no pattern gives: some would collide with other mnemonics, some are older than the basic name.
_IRREGULAR = (
    ("VML", "M4", {1: "vmlhw"}),
    ("VMAL", "M5", {1: "vmalhw"}),
    ("VUPL", "M3", {1: "vuplhw"}),
    ("VLLEZ", "M3", {6: "vllezlf"}),
    ("VLLEBRZ", "M3", {3: "ldrv", 6: "lerv"}),
    ("VSTEBRF", "M3", {0: "sterv"}),
    ("VSTEBRG", "M3", {0: "stdrv"}),
    ("VSCHP", "M4", {2: "vschsp", 3: "vschdp", 4: "vschxp"}),
    ("VGBM", "I2", {0: "vzero", 0xFFFF: "vone"}),
    ("CU12", "M3", {0: "cutfu"}),
    ("CU21", "M3", {0: "cuutf"}),
)


_Names = dict[tuple[int, ...], str]


class _Rule(NamedTuple):
    """Extended mnemonics by the values of the fields that they absorb.

    A field is absorbed whole (mask -1) or under a mask; then its other bits stay an operand.
    """

    fields: tuple[tuple[str, int], ...]
    names: _Names


def _rule(fields: str, names: _Names) -> _Rule:
    """A rule whose fields are absorbed whole, or under the mask that follows the name after an `&`."""
    found = (item.partition("&") for item in fields.split())
    return _Rule(tuple((name, int(mask or -1)) for name, _, mask in found), names)


def _masked(field: str, stem: str, suffixes: Mapping[int, str], **others: str) -> _Rule:
    names: _Names = {(mask,): stem + suffix for mask, suffix in suffixes.items()}
    return _rule(field, names | {(int(mask[1:]),): name for mask, name in others.items()})


def _conditional() -> Iterator[tuple[str, _Rule]]:
    """Branches, loads, stores, selections and traps on a condition."""
    yield "BRC", _masked("M1", "j", _CONDITIONS, m0="jnop", m15="j")
    yield "BRCL", _masked("M1", "jg", _CONDITIONS, m0="jgnop", m15="jg")
    yield "BC", _masked("M1", "b", _CONDITIONS, m0="nop", m15="b")
    yield "BIC", _masked("M1", "bi", _CONDITIONS, m15="bi")
    register = {mask: suffix + "r" for mask, suffix in _CONDITIONS.items()}
    yield "BCR", _masked("M1", "b", register, m0="nopr", m15="br")
    for name in "LOC LOCG LOCFH STOC STOCG STOCFH LOCR LOCGR LOCFHR LOCHI LOCGHI LOCHHI".split():
        yield name, _masked("M3", name.lower(), _CONDITIONS)
    for name in "SELR SELGR SELFHR".split():
        yield name, _masked("M4", name.lower(), _CONDITIONS)
    for name in (
        "CRJ CGRJ CLRJ CLGRJ CIJ CGIJ CLIJ CLGIJ CRB CGRB CLRB CLGRB CIB CGIB CLIB CLGIB "
        "CRT CGRT CLRT CLGRT CIT CGIT CLFIT CLGIT CLT CLGT"
    ).split():
        yield name, _masked("M3", name.lower(), _COMPARISONS)


def _elements() -> Iterator[tuple[str, _Rule]]:
    """Vector instructions on elements of a size, some of which set a condition code or look for zero."""
    for line in _ELEMENTS.strip().splitlines():
        field, letters, *names = line.split()
        sizes = {size: letter for size, letter in _SIZES.items() if letter in letters}
        for name in names:
            yield name, _masked(field, name.lower(), sizes)
    for mnemonics, letters in (("VCEQ VCH VCHL", "bhfg"), ("VPKS VPKLS", "hfg")):
        for name in mnemonics.split():
            found: _Names = {
                (size, flag): name.lower() + letter + "s" * flag
                for size, letter in _SIZES.items()
                if letter in letters
                for flag in (0, 1)
            }
            yield name, _rule("M4 M5", found)
    for name, fields, flags in (
        ("VFEE", "M4 M5", (0, 1, 2, 3)),
        ("VFENE", "M4 M5", (0, 1, 2, 3)),
        ("VFAE", "M4 M5&3", (0, 1, 2, 3)),
        ("VSTRC", "M5 M6&3", (0, 1, 2, 3)),
        ("VSTRS", "M5 M6", (0, 2)),
        ("VISTR", "M3 M5", (0, 1)),
    ):
        stem = name.lower()
        sizes = {size: letter for size, letter in _SIZES.items() if letter in "bhf"}
        yield (
            name,
            _rule(
                fields,
                {(s, f): stem + "z" * (f >> 1) + x + "s" * (f & 1) for s, x in sizes.items() for f in flags},
            ),
        )
        yield name, _masked(fields[:2], stem, sizes)


def _wide(stem: str, sizes: Mapping[int, str]) -> _Names:
    """`v` for all elements, `w` (a mask of 8) for the first only; extended operands have just the latter."""
    return {
        (size, first): ("w" if first else "v") + stem + letters
        for size, letters in sizes.items()
        for first in ((8,) if letters[0] == "x" else (0, 8))
    }


def _floating() -> Iterator[tuple[str, _Rule]]:
    """Vector floating point: the elements, and the size of the operands."""
    for name in "VFA VFS VFM VFD VFMIN VFMAX VFTCI".split():
        yield name, _rule("M4 M5", _wide(name[1:].lower(), _FP_SIZES))
    for name in "VFMA VFMS VFNMA VFNMS".split():
        yield name, _rule("M6 M5", _wide(name[1:].lower(), _FP_SIZES))
    yield "VFSQ", _rule("M3 M4", _wide("fsq", _FP_SIZES))
    yield "VFLL", _rule("M3 M4", {(2, 0): "vflls", (2, 8): "wflls", (3, 8): "wflld"})
    for name, sizes in (
        ("VFI", {2: "fisb", 3: "fidb", 4: "xfixb"}),
        ("VFLR", {3: "flrd", 4: "xflrx"}),
        ("VCFPS", {2: "cefb", 3: "cdgb"}),
        ("VCFPL", {2: "celfb", 3: "cdlgb"}),
        ("VCSFP", {2: "cfeb", 3: "cgdb"}),
        ("VCLFP", {2: "clfeb", 3: "clgdb"}),
    ):
        found = {values: name[0] + name[1:].removeprefix("x") for values, name in _wide("", sizes).items()}
        yield name, _rule("M3 M4&8", found)
    for name in "WFC WFK".split():
        yield name, _rule("M3 M4", {(size, 0): name.lower() + letters for size, letters in _FP_SIZES.items()})
    for name in "VFCE VFCH VFCHE".split():
        quiet = _wide(name[1:].lower(), _FP_SIZES)
        signaling = {(size, m + 4): x for (size, m), x in _wide("fk" + name[3:].lower(), _FP_SIZES).items()}
        found = {(*key, flag): x + "s" * flag for key, x in (quiet | signaling).items() for flag in (0, 1)}
        yield name, _rule("M4 M5 M6", found)
    signs = {"c": 0, "n": 1, "p": 2}
    found = {(*key, m): x for sign, m in signs.items() for key, x in _wide("fl" + sign, _FP_SIZES).items()}
    yield "VFPSO", _rule("M3 M4 M5", found)
    yield "VFPSO", _rule("M3 M4", _wide("fpso", _FP_SIZES))


def _others() -> Iterator[tuple[str, _Rule]]:
    """The irregular names, and ROTATE THEN INSERT with the bit of I4 that zeroes the remaining bits."""
    for mnemonic, field, names in _IRREGULAR:
        yield mnemonic, _masked(field, "", names)
    for mnemonic in ("RISBG", "RISBGN"):
        # The mask also takes the reserved bit beside it, which must be zero.
        yield mnemonic, _rule(f"I4&{0xC0}", {(0x80,): mnemonic.lower() + "z"})


@cache
def _rules() -> Mapping[str, tuple[_Rule, ...]]:
    table: dict[str, tuple[_Rule, ...]] = {}
    for source in (_others, _conditional, _elements, _floating):
        for mnemonic, rule in source():
            table[mnemonic] = (*table.get(mnemonic, ()), rule)
    return table


def extended() -> Mapping[str, Spec]:
    """The rows by the extended mnemonics that they are also written with: `je`, `br`, `locgrne`."""
    rows = _rules().items()
    return {name: by_mnemonic()[mnemonic] for mnemonic, rules in rows for rule in rules for name in rule.names.values()}


_REGISTER = {"": "%r", "e": "%r", "f": "%f", "x": "%f", "a": "%a", "c": "%c"}
_MEMORY = re.compile(r"(D\d)\((?:(\w+),)?(B\d)\)")
_TOKEN = re.compile(r"(\[)?([efxacs]?)([A-Z]+\d?(?:\([^)]*\))?)\]?")


class _Operand(NamedTuple):
    """One operand of a row: may it be left out, what its field designates, its field or storage reference."""

    optional: bool
    prefix: str
    body: str


@cache
def _operands(operands: str) -> tuple[_Operand, ...]:
    return tuple(_Operand(bool(bracket), prefix, body) for bracket, prefix, body in _TOKEN.findall(operands))


def _storage(displacement: int, first: str | None, fields: Mapping[str, int], base: str) -> str:
    """`D(X,B)`, `D(L,B)`, `D(B)` or, without registers, `D`."""
    inner = []
    if first is not None:
        number = fields[first]
        if first[0] == "L":
            inner.append(str(number + 1))
        elif first[0] == "R" or number:
            inner.append(f"%v{number}" if first[0] == "V" else f"%r{number}")
    if inner or fields[base]:
        inner.append(f"%r{fields[base]}")
    return f"{displacement}({','.join(inner)})" if inner else str(displacement)


def _written(operand: _Operand, insn: Instruction, fields: Mapping[str, int]) -> str:
    prefix, body = operand.prefix, operand.body
    memory = _MEMORY.fullmatch(body)
    if memory:
        return _storage(fields[memory[1]], memory[2], fields, memory[3])
    number = fields[body]
    if body.startswith("RI"):
        return f".{2 * number:+d}" if number else "."
    if body[0] == "R":
        return f"{_REGISTER[prefix]}{number}"
    if body[0] == "V":
        return f"%v{number}"
    if prefix == "s":
        width = next(item.width for item in insn.format.fields if item.name == body)
        number -= (number >> (width - 1)) << width
    return str(number)


def _absorb(insn: Instruction) -> tuple[str, dict[str, int]]:
    """The mnemonic to print, and the fields that remain for the operands."""
    fields = dict(insn.fields)
    for rule in _rules().get(insn.mnemonic, ()):
        name = rule.names.get(tuple(fields[item] & mask for item, mask in rule.fields))
        if name is not None:
            for item, mask in rule.fields:
                if mask == -1:
                    del fields[item]
                else:
                    fields[item] &= ~mask
            return name, fields
    return insn.mnemonic.lower(), fields


def text(insn: Instruction, target: str | None = None) -> str:
    """The instruction as GNU objdump prints it; `target` stands for its relative operand if it has one."""
    if insn.mnemonic == "BCR" and not any(insn.fields.values()):
        return "nopr"
    name, fields = _absorb(insn)
    operands = [item for item in _operands(insn.spec.operands) if item.body in fields or "(" in item.body]
    optional = [item for item in operands if item.optional]
    floating = any(item.prefix and item.prefix in "fx" for item in operands)
    if floating and any(fields[item.body] for item in optional):
        # Floating-point instructions that gained masks later have a second name, with `a`, for the long form.
        name += "a"
        optional = []
    while optional and not fields[optional[-1].body]:
        operands.remove(optional.pop())
    relative = insn.format.relative if target is not None else None
    words = [target if item.body == relative else _written(item, insn, fields) for item in operands]
    return f"{name} {','.join(map(str, words))}".rstrip()
