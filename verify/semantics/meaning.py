"""What an instruction does, told by executing an example of it on a state of which nothing is known.

The words come out of the same step that proofs take, so they cannot say something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verify.errors import Unsupported
from verify.machine.state import State, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import TRUE, Term, const
from verify.objfile.image import LINKED_SPACE, Image, Place, Section
from verify.semantics import cc, isa, zarch
from verify.semantics.code import Code
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.step import HANDLERS, Step, perform, start

_AT, _TARGET = 0x1000, 0x100
_EVERYTHING = Ranges(((None, None),))
_COUNTED = re.compile(r"#\d+")
_FIELDS = {"R1": 2, "R2": 4, "R3": 6, "V1": 1, "V2": 2, "V3": 3, "V4": 4, "B1": 8, "B2": 9, "B4": 11, "X2": 10,
           "D1": 16, "D2": 32, "D4": 64, "L": 3, "L1": 3, "L2": 1, "I": 1, "I1": 1, "I2": 5, "I3": 48, "I4": 63,
           "I5": 8, "RI2": 8, "RI4": 8, "RI3": 8}  # fmt: skip
_OWN = {"VLGV": {"B2": 0, "D2": 1}, "VLVG": {"B2": 0, "D2": 1}, "VLM": {"V3": 2}, "VSTM": {"V3": 2},
        "EX": {"R1": 0, "B2": 12, "X2": 0, "D2": 0}, "EXRL": {"R1": 0, "RI2": _TARGET // 2},
        "STOSM": {"I2": 3}, "STNSM": {"I2": 0xFC}, "MVCLE": {"B2": 0}}  # fmt: skip
_CONDITIONAL = frozenset({"RIE-b", "RIE-c", "RRS", "RIS", "RS-b", "RSY-b"})  # M3: a condition, or bytes under a mask
_PAIRED = {"xR1": 1, "xR2": 4}
_LENGTHS = {"MVCLE": (3, 7)}  # registers that hold the number of bytes
_HERE = re.compile(r"&\w+(?: \+ (\d+))?")
_LONGEST = 100


@dataclass(frozen=True)
class Meaning:
    """An example, what it changes (one line each), and why there is no more to say where there is not."""

    example: Instruction
    effects: tuple[str, ...]
    refused: str | None = None


def of(spec: isa.Spec) -> Meaning:
    """The meaning of a row of the table."""
    insn = _example(spec)
    code = _code(insn)
    place = Place(LINKED_SPACE, _AT)
    state = entry_state(code.address(place), _EVERYTHING)
    state.gpr[12] = code.address(place.plus(_TARGET))
    for number in _LENGTHS.get(spec.mnemonic, ()):
        state.gpr[number] = const(4, 64)
    before = state.copy()
    step = start(state, code, place)
    try:
        perform(step)
    except Unsupported as problem:
        return Meaning(insn, (), str(problem))
    return Meaning(insn, tuple(_effects(before, step)))


def words(spec: isa.Spec) -> str:
    """The table's few words, and what its handler says of it."""
    handler = HANDLERS.get(spec.mnemonic)
    text = " ".join((handler.__doc__ or "").split()) if handler else ""
    return f"{spec.meaning[0].upper()}{spec.meaning[1:]}. {text}".rstrip()


# The example ----------------------------------------------------------------------------------------------------------


def _example(spec: isa.Spec) -> Instruction:
    layout, used = isa.formats()[spec.format], isa.used_fields(spec)
    fields = {item.name: _FIELDS.get(item.name, 0) for item in layout.fields if item.name in used}
    mask = 8 if "condition" in spec.meaning or spec.format in _CONDITIONAL else 0
    fields |= {name: mask for name in fields if name.startswith("M")}
    fields |= {token[1:]: number for token, number in _PAIRED.items() if token in spec.operands.split(",")}
    fields |= _OWN.get(spec.mnemonic, {})
    insn = decode(encode(spec, {name: value for name, value in fields.items() if name in used}))
    if insn is None:
        raise ValueError(f"no example of {spec.mnemonic}")
    return insn


def _code(insn: Instruction) -> Code:
    """The example, a branch back on condition code 3 after it, and `mvc` as the target of an execute."""
    data = bytearray(2 * _TARGET)
    data[: insn.length] = insn.raw
    data[insn.length : insn.length + 4] = encode(isa.by_mnemonic()["BRC"], {"M1": 1, "RI2": -insn.length // 2})
    target = encode(isa.by_mnemonic()["MVC"], {"L": 3, "B1": 8, "D1": 16, "B2": 9, "D2": 32})
    data[_TARGET : _TARGET + len(target)] = target
    section = Section(".text", LINKED_SPACE, LINKED_SPACE, _AT, bytes(data), True, True)
    return Code(Image(Path(insn.mnemonic), False, (section,), (), ()))


# What changed ---------------------------------------------------------------------------------------------------------


def _effects(before: State, step: Step) -> Iterator[str]:
    state = step.state
    yield from _registers("r", before.gpr, state.gpr)
    yield from _vectors(before, state)
    yield from _registers("a", before.access, state.access)
    yield from _registers("c", before.control, state.control)
    for name in ("fpc", "program_mask", "system_mask"):
        if getattr(before, name) is not getattr(state, name):
            yield f"{name.replace('_', ' ')} = {_text(getattr(state, name))}"
    for store in state.stores:
        where = f"mem{store.value.width}[{_text(store.address)}]"
        yield f"{where} = {_text(store.value)}{_when(store.guard)}"
    if state.cc != before.cc:
        yield f"condition code: {_code_words(state)}"
    if step.supervisor is not None:
        yield f"supervisor call {step.supervisor}: what the contract says"
    for jump in step.jumps:
        yield f"goes to {_text(jump.target)}{_when(jump.condition)}"
    if step.leaves is not None:
        yield f"leaves to {_text(step.leaves)}"


def _registers(letter: str, before: list[Term], after: list[Term]) -> Iterator[str]:
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if new is not old:
            yield f"{letter}{number} = {_text(new)}"


def _vectors(before: State, state: State) -> Iterator[str]:
    for index, (old, new) in enumerate(zip(before.vector, state.vector, strict=True)):
        if new is not old:
            side = "right half of v" if index % 2 else "f" if index < 32 else "left half of v"
            yield f"{side}{index // 2} = {_text(new)}"


def _when(guard: Term) -> str:
    return "" if guard is TRUE else f", if {_text(guard)}"


def _text(term: Term) -> str:
    text = _HERE.sub(_distance, _COUNTED.sub("", str(term)).replace("old.", ""))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " .."


def _distance(match: re.Match[str]) -> str:
    return f"here + {int(match.group(1) or 0) - _AT}"


def _code_words(state: State) -> str:
    operation = state.cc[0]
    if operation.is_const and operation.value in cc.WORDS:
        return cc.WORDS[operation.value]
    return _text(cc.value(state))


__all__ = ["Meaning", "of", "words", "zarch"]
