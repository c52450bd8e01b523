"""Generated offsets as text: macros of a C header or assembler include, and the same text for a moved layout.

Only numbers change; lines, comments and what is computed from other macros stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from verify.contracts.asm_offsets import meaning
from verify.contracts.layout import Layout, Struct
from verify.errors import InputError
from verify.robust.variants import Variant

_DEFINITION = re.compile(
    r"""^[ \t]*(?: \#[ \t]*define[ \t]+(?P<macro>\w+)[ \t]+
               | \.(?:equ|set|equiv)[ \t]+(?P<symbol>[\w.$]+)[ \t]*,[ \t]*
               | (?P<assigned>[\w.$]+)[ \t]*=[ \t]*)
        (?P<number>0[xX][0-9a-fA-F]+|\d+)(?=[ \t]*(?:$|/\*|//|\#|;)(?P<comment>.*))""",
    re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Header:
    """A file that gives names to offsets: its real path, its text, its macros that are plain numbers.

    `given` is the path as the user knows it; `meanings` has the struct and the field (None: its size) of macros. A
    macro in `inner` is the offset of an inner struct, in which the field lies that much further on.
    """

    path: Path
    given: Path
    text: str
    macros: dict[str, int]
    meanings: dict[str, tuple[str, str | None]]
    inner: dict[str, int]

    def offset(self, name: str) -> int:
        """The offset of the field that a macro stands for, from the beginning of its struct."""
        return self.macros[name] + self.inner.get(name, 0)

    def rewritten(self, change: Callable[[str, int], int]) -> str:
        """The text with `change(name, number)` in the place of each macro's number."""

        def replaced(match: re.Match[str]) -> str:
            name, old, _ = _defined(match)
            new = change(name, old)
            return match[0] if new == old else match[0][: match.start("number") - match.start()] + str(new)

        return _DEFINITION.sub(replaced, self.text)

    def poisoned(self) -> str:
        """A text that no source can include."""
        directive = "#error" if re.search(r"^[ \t]*#[ \t]*define\b", self.text, re.MULTILINE) else "\t.error"
        return f'{directive} "{POISON}"\n'


# An inner struct, a part of it, and the field that the two together are (4.3 and later).
_NESTED = (("__TASK_thread", "__THREAD_ksp", ("task_struct", "thread.ksp")),)

POISON = "s390x-verify: this file is read"
"""What a tool says when it reads a poisoned header."""


def read(path: Path) -> Header:
    """Read a header. Raises InputError, in one sentence, for what cannot be read or defines no number."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem
    found = {name: (number, comment) for name, number, comment in map(_defined, _DEFINITION.finditer(text))}
    if not found:
        raise InputError(path, "defines no number, neither by `#define NAME 24` nor by `.equ NAME, 24`")
    macros = {name: number for name, (number, _) in found.items()}
    meanings = {name: known for name, (_, comment) in found.items() if (known := meaning(name, comment))}
    inner = {}
    for outer, part, known in _NESTED:
        if outer in macros and part in macros:  # the part counts from the inner struct, which moves with it
            meanings.pop(part, None)
            meanings[outer], inner[outer] = known, macros[part]
    return Header(path.resolve(), path, text, macros, meanings, inner)


def _defined(match: re.Match[str]) -> tuple[str, int, str]:
    """Name, number and the comment behind them."""
    name = match["macro"] or match["symbol"] or match["assigned"]
    digits = match["number"]
    octal = re.fullmatch("0[0-7]+", digits) is not None
    return name, int(digits, 8 if octal else 16 if digits[1:2] in ("x", "X") else 10), match["comment"]


# What the macros mean -------------------------------------------------------------------------------------------------


def structs(found: Iterable[Header]) -> frozenset[str]:
    """The structs that some macro belongs to."""
    return frozenset(struct for header in found for struct, _ in header.meanings.values())


def moved(header: Header, variant: Variant) -> str:
    """The text of a header when a struct is changed. A struct around it, such as ftrace_regs, grows with it."""

    def change(name: str, number: int) -> int:
        struct, field = header.meanings.get(name, ("", None))
        if struct == variant.struct:
            inner = header.inner.get(name, 0)
            return number + variant.growth if field is None else variant.offset(number + inner) - inner
        around = _AROUND.get(struct) == variant.struct
        return number + variant.growth if around and field is None else number

    return header.rewritten(change)


def laid_out(layout: Layout, found: Iterable[Header]) -> Layout:
    """The layout with what headers say of its structs. Raises InputError where the two cannot be of one kernel."""
    known = dict(layout.structs)
    for header in found:
        for name, (struct, field) in header.meanings.items():
            if struct in known:
                number = header.offset(name)
                known[struct] = _sized(known[struct], number) if field is None else _put(known[struct], field, number)
        for name in {struct for struct, _ in header.meanings.values()} & set(known):
            _check(header, layout, layout.structs[name], known[name])
    if known == layout.structs:
        return layout
    return replace(layout, structs=known)


def _sized(struct: Struct, size: int) -> Struct:
    return replace(struct, size=size)


def _put(struct: Struct, name: str, at: int) -> Struct:
    """The struct with a field, or an element of an array, at another offset; a field that it lacks is left out."""
    array, _, index = name.partition("[")
    fields = dict(struct.fields)
    for one, field in struct.fields.items():
        if one == array or one == f"{array}.{_FIRST_OF.get(array, '')}":
            shift = at - field.at - (int(index[:-1]) * field.size if index else 0)
            moving = [other for other in fields if other == one or other.startswith(f"{array}.")]
            fields |= {other: replace(fields[other], at=fields[other].at + shift) for other in moving}
            break
    return replace(struct, fields=fields)


def _check(header: Header, layout: Layout, before: Struct, after: Struct) -> None:
    """Fields that end behind the struct, or share bytes that they did not share: the rest is of another kernel."""
    spans = {name: (field.at, field.at + field.size * field.count) for name, field in after.fields.items()}
    old = {name: (field.at, field.at + field.size * field.count) for name, field in before.fields.items()}
    for name, (at, end) in spans.items():
        if not 0 <= at < end <= after.size:
            reason = f"gives struct {after.name} {after.size} bytes, but in layout {layout.name} {name} ends at {end}"
            raise InputError(header.given, f"{reason}: {_CHOOSE}")
        for other, (first, last) in spans.items():
            if name < other and _meet((at, end), (first, last)) and not _meet(old[name], old[other]):
                reason = f"moves {name} to where layout {layout.name} has {other} of struct {after.name}"
                raise InputError(header.given, f"{reason}: {_CHOOSE}")


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


_CHOOSE = "choose the layout that fits with --layout"
_AROUND = {"ftrace_regs": "pt_regs"}  # which struct another one holds and nothing else (asm/ftrace.h, 6.5 and later)
_FIRST_OF = {"psw": "mask"}  # the first field of an inner struct
