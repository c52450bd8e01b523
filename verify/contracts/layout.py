"""Struct layouts by name: the only place where an offset is a number.

A layout file holds tables of structs. Fields are `name = offset`, or `name = { at, size, count }`, in bytes; `size`
of the table is the size of the struct; a range of bytes is `name = [first, end]`. `[const]` holds the kernel's
constants. `word` is the size of a register and an address in bytes, 8 unless the layout (or what it extends) says 4:
then it is for 31-bit code, and fields are of 4 bytes unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.contracts.source import Source, merge, read
from verify.errors import ContractError

_WORD = 8


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct: offset and size in bytes; an array has a count."""

    at: int
    size: int = _WORD
    count: int = 1


@dataclass(frozen=True)
class Struct:
    """A struct of the kernel being verified."""

    name: str
    size: int
    fields: Mapping[str, Field]
    ranges: Mapping[str, tuple[int, int]]

    def field(self, path: str) -> Field:
        """The field of that name; `gprs[14]` is an element of an array. Raises KeyError."""
        name, _, index = path.partition("[")
        found = self.fields[name]
        if not index:
            return found
        number = int(index.rstrip("]"))
        if not 0 <= number < found.count:
            raise KeyError(path)
        return Field(found.at + number * found.size, found.size)


@dataclass(frozen=True)
class Layout:
    """All structs and constants of one kernel (or ABI)."""

    name: str
    summary: str
    structs: Mapping[str, Struct]
    constants: Mapping[str, int]
    path: Path
    word: int = _WORD


def load_layout(root: Path, name: str) -> Layout:
    """Load models/layouts/NAME.toml. Raises ContractError."""
    source, table = _resolve(root, name, ())
    word = table.get("word", _WORD)
    if word not in (4, _WORD):
        raise source.error(f"a word has 4 or {_WORD} bytes, not {word!r}", "word")
    structs = {}
    for key, body in table.items():
        if key in ("summary", "source", "extends", "const", "word"):
            continue
        structs[key] = _struct(source, key, body, word)
    named = table.get("const", {})
    if not isinstance(named, dict):
        raise source.error("'const' must be a table of numbers", "const")
    constants = {key: _number(source, value, "const", key) for key, value in named.items()}
    return Layout(name, str(table.get("summary", "")), structs, constants, source.path, word)


def _resolve(root: Path, name: str, seen: tuple[str, ...]) -> tuple[Source, dict[str, Any]]:
    path = root / "layouts" / f"{name}.toml"
    if not path.is_file():
        raise ContractError(path, None, f"there is no layout named {name!r}")
    source = read(path)
    base = source.table.get("extends")
    if base is None:
        return source, source.table
    if not isinstance(base, str):
        raise source.error(f"'extends' must name a layout, not {base!r}", "extends")
    if base in seen or base == name:
        raise source.error(f"layout {name!r} extends itself", "extends")
    below = _resolve(root, base, (*seen, name))[1]
    table = dict(below)
    for key, value in source.table.items():
        # A struct is replaced whole: a field that a version dropped must not linger.
        table[key] = merge(below[key], value) if key == "const" and "const" in below else value
    return source, table


def _struct(source: Source, name: str, body: Any, word: int) -> Struct:
    if not isinstance(body, dict):
        raise source.error(f"{name!r} must be a table of fields", name)
    fields: dict[str, Field] = {}
    ranges: dict[str, tuple[int, int]] = {}
    for key, value in body.items():
        if key == "size":
            continue
        if isinstance(value, list) and len(value) == 2:
            ranges[key] = (_number(source, value[0], name, key), _number(source, value[1], name, key))
        elif isinstance(value, dict):
            source.check_keys(value, ("at", "size", "count"), name, key)
            if "at" not in value:
                raise source.error(f"field {key!r} of struct {name!r} has no 'at'", name, key)
            numbers = {part: _number(source, number, name, key) for part, number in value.items()}
            fields[key] = Field(numbers["at"], numbers.get("size", word), numbers.get("count", 1))
        else:
            fields[key] = Field(_number(source, value, name, key), word)
    if "size" not in body:
        raise source.error(f"struct {name!r} has no size", name)
    struct = Struct(name, _number(source, body["size"], name, "size"), fields, ranges)
    _check_inside(source, struct)
    return struct


def _check_inside(source: Source, struct: Struct) -> None:
    """A field or range outside its struct: its offset is wrong, or the size is."""
    spans = {key: (field.at, field.at + field.size * field.count) for key, field in struct.fields.items()}
    for key, (first, end) in (spans | dict(struct.ranges)).items():
        if not 0 <= first < end <= struct.size:
            raise source.error(f"{key!r} is not inside the {struct.size} bytes of struct {struct.name!r}",
                               struct.name, key)  # fmt: skip


def _number(source: Source, value: Any, *where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise source.error(f"{'.'.join(where)} must be a number of bytes, not {value!r}", *where)
    return int(value)
