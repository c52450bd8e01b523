"""The instruction set for people: what has a meaning here, from whom, how often compared, and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from verify.semantics import disassemble, isa, levels, meaning
from verify.semantics.comparisons import Comparison, comparisons

_SLICE = re.compile(r"\[\d+:\d+\]")
_SOURCES = {
    "vex": "pyvex lifts it, one instruction at a time, unoptimised",
    "zarch": "by hand, in semantics/zarch",
    "-": "none",
}


def table(specs: Iterable[isa.Spec]) -> str:
    """One line an instruction: mnemonic, machine, source, the manual's chapter and name, comparisons, last result."""
    known = comparisons()
    lines = [f"{'mnemonic':<9} {'machine':<7} {'source':<6} {'compared':>8}  {'result':<22} manual (chapter, name)"]
    for spec in specs:
        found = known.get(spec.mnemonic)
        count, result = (str(found.states), found.result) if found else ("-", spec.reason or "tests of its own")
        lines.append(
            f"{spec.mnemonic.lower():<9} {spec.level:<7} {spec.source:<6} {count:>8}  {result:<22} {spec.manual}"
        )
    return "\n".join(lines) + "\n"


def one(spec: isa.Spec) -> str:
    """Everything about one instruction."""
    rows = [
        ("manual", _reference(spec)),
        ("format", f"{spec.format}, {isa.formats()[spec.format].length} bytes: {_bits(spec)}"),
        ("operands", spec.operands or "none"),
        ("machine", f"{spec.level} and later"),
        ("semantics", _SOURCES[spec.source]),
    ]
    if spec.source == "-":
        rows.append(("why not", isa.reasons()[spec.reason]))
    else:
        rows.extend(_told(spec))
    width = max(len(name) for name, _ in rows)
    body = "\n".join(f"  {name:<{width}}  {text}" for name, text in rows)
    return f"{spec.mnemonic.lower()}: {spec.meaning}\n{body}\n"


def _told(spec: isa.Spec) -> list[tuple[str, str]]:
    told = meaning.of(spec)
    rows = [("meaning", meaning.words(spec)), ("example", _example(told))]
    rows += [("", effect) for effect in told.effects]
    if told.refused:
        rows.append(("", f"refused: {told.refused}"))
    elif not told.effects:
        rows.append(("", "changes nothing"))
    if any(_SLICE.search(effect) for effect in told.effects):
        rows.append(("", "(bit numbers in brackets count from the right, as in SMT-LIB)"))
    later = levels.needed(told.example)
    if later != spec.level:
        rows.append(("", f"this form since {later}"))
    rows.append(("compared", _compared(comparisons().get(spec.mnemonic))))
    return rows


def _example(told: meaning.Meaning) -> str:
    relative = told.example.relative_offset
    target = None if relative is None else f"here{relative:+d}"
    return f"{disassemble.text(told.example, target)}  ({told.example.raw.hex()})"


def _compared(found: Comparison | None) -> str:
    if found is None:
        return "by tests of its own, in tests/semantics"
    judges = [("unicorn", found.unicorn), ("qemu-s390x", found.qemu), ("the manual's words in code", found.manual)]
    counts = ", ".join(f"{count} with {name}" for name, count in judges if count)
    return f"{found.forms} forms; start states: {counts}; {found.result}"


def _reference(spec: isa.Spec) -> str:
    where, _, name = spec.manual.partition(" ")
    return f"Principles of Operation, chapter {where}, {name}" if where.isdigit() else f"{where}, {name}"


def _bits(spec: isa.Spec) -> str:
    """The drawing of the format in words: bit numbers, the operation code's digits, field names."""
    layout, digits = isa.formats()[spec.format], spec.opcode
    parts = []
    for first, width in layout.opcode:
        taken, digits = digits[: width // 4], digits[width // 4 :]
        parts.append((first, width, taken))
    for field in layout.fields:
        parts += [(first, width, field.name) for first, width in field.parts]
    return " ".join(f"{first}-{first + width - 1} {text}" for first, width, text in sorted(parts))
