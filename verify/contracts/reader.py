"""Reads the values and names of one merged table, and complains about each with the line it stands at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from verify.contracts.expr import Expr, ExprError, Kind, expand, parse
from verify.contracts.layout import Layout, load_layout
from verify.contracts.measured import Measured
from verify.contracts.registers import RegisterError, registers
from verify.contracts.source import Source, Table
from verify.errors import ContractError

_MACHINE = re.compile(r"^(?:old\.)?(?:r(?:\d|1[0-5])|cc|psw\.mask|f(?:\d|1[0-5])|pc)$")


class Reader:
    """One merged table, the layout it names and the sources it comes from; `values` are its named expressions."""

    def __init__(
        self, root: Path, name: str, sources: list[Source], table: Table, layout: str | Measured | None
    ) -> None:
        self.name, self.sources, self.table = name, sources, table
        own = self.typed(table, "layout", str, None)
        if own is None:
            raise self.error("a contract must name its layout", "layout")
        self.layout: Layout = load_layout(root, own)
        self.elsewhere = layout is not None  # the structs are not those that the contract names
        if isinstance(layout, Measured):
            self.layout = layout.over(self.layout)
        elif layout is not None:  # other structs, but the constants belong to the protocol
            self.layout = replace(load_layout(root, layout), constants=self.layout.constants)
        self.values: dict[str, Expr] = {}

    def error(self, reason: str, *words: str, text: str | None = None) -> ContractError:
        """A complaint at the line, of this file or of one that it extends, in which `text` (or these words) stand."""
        for source in self.sources:
            line = None if text is None else source.line_with(text)
            if line is not None:
                return ContractError(source.path, line, reason)
        for source in self.sources:
            if words and source.line_of(*words) is not None:
                return source.error(reason, *words)
        return self.sources[0].error(reason, *words)

    # Values

    def typed(self, table: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
        """A value of that type, or the default where there is none."""
        value = table.get(key, default)
        if value is not default and not isinstance(value, kind):
            raise self.error(f"{key!r} must be of type {kind.__name__}, not {value!r}", key)
        return value

    def strings(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """A list of strings; empty where there is none."""
        value = self.typed(table, key, list, [])
        if not all(isinstance(item, str) for item in value):
            raise self.error(f"{key!r} must be a list of strings", key)
        return tuple(value)

    def chosen(self, key: str, allowed: Iterable[str]) -> tuple[str, ...]:
        """A list of strings, each of them among those allowed."""
        value = self.strings(self.table, key)
        for item in value:
            if item not in allowed:
                raise self.error(f"{key!r} does not know {item!r}; it knows {', '.join(allowed)}", key)
        return value

    def register_list(self, key: str, table: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """A list of registers and ranges, as written, of this table (else of the contract)."""
        value = self.strings(self.table if table is None else table, key)
        try:
            list(registers(value))
        except RegisterError as problem:
            raise self.error(str(problem), key) from problem
        return value

    def expr(self, text: Any, *where: str, kind: Kind | None, written: str | None = None) -> Expr:
        """An expression of that kind (None: of either); `written` is how it stands in the file, before expansion."""
        if not isinstance(text, str):
            raise self.error(f"{text!r} must be an expression in quotes", *where)
        try:
            found = parse(text, self.complaint)
        except ExprError as problem:
            raise self.error(str(problem), *where, text=quoted(written or text)) from problem
        if kind is not None and found.kind is not kind:
            reason = f"{text!r} is {found.kind.value}, where {kind.value} belongs"
            raise self.error(reason, *where, text=quoted(written or text))
        return found

    def statement(self, table: Mapping[str, Any], key: str) -> Expr | None:
        """The statement under a key, if there is one."""
        return self.expr(table[key], key, kind=Kind.STATEMENT) if key in table else None

    def expanded(self, *texts: Any, where: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
        """The texts with their patterns written out, together: one tuple for each way to fill them in."""
        for text in texts:
            if not isinstance(text, str):
                raise self.error(f"{text!r} must be an expression in quotes", *where)
        try:
            return list(expand(*texts))
        except ExprError as problem:
            raise self.error(str(problem), *where, text=quoted(texts[0])) from problem

    # Names

    def complaint(self, name: str) -> str | None:
        """What is wrong with a name in an expression, or None."""
        if _MACHINE.match(name) or name in self.values:
            return None
        head, _, rest = name.partition(".")
        calls = self.table.get("call", {})
        if name.startswith(("called(", "count(")):
            call = name.partition("(")[2][:-1]
            return None if call in calls else f"no call is named {call!r}"
        if name.startswith("is_symbol("):
            return self.complaint(name[10:-1])
        if name.startswith("pointer("):
            return None if name[8:-1] in self.table.get("struct", {}) else f"no struct is named {name[8:-1]!r}"
        if head == "variable":
            return None if rest in self.table.get("variables", {}) else f"{rest!r} is not among [variables]"
        if head == "symbol":
            return None
        if head == "const":
            return None if rest in self.layout.constants else f"layout {self.layout.name} has no constant {rest!r}"
        if head == "given":
            return None if rest in self.table.get("given", {}) else f"{rest!r} is not among [given]"
        if head in calls and rest in calls[head].get("leaves", {}):
            return None
        if head in calls and rest == "result":
            return None if calls[head].get("returns") else f"call {head!r} returns nothing"
        if head in self.layout.structs and rest == "size":
            return None
        struct = self.table.get("struct", {}).get(head, {}).get("type", head)
        if struct in self.layout.structs:
            return self.field_complaint(struct, rest)
        return f"{name!r} is not a name of the contract language here"

    def field_complaint(self, struct: str, field: str) -> str | None:
        """What is wrong with the name of a field or range of a struct, or None."""
        known = self.layout.structs[struct]
        if field in known.ranges:
            return None
        try:
            known.field(field)
        except (KeyError, ValueError):
            return f"struct {struct} of layout {self.layout.name} has no field {field!r}"
        return None

    def slots(self, key: str) -> tuple[str, ...]:
        """A list of fields and ranges of the layout, by their dotted names."""
        names = self.strings(self.table, key)
        for name in names:
            struct, _, field = name.partition(".")
            if struct not in self.layout.structs or self.field_complaint(struct, field):
                raise self.error(f"layout {self.layout.name} has no {name!r}", key)
        return names


def quoted(text: str) -> str:
    """As a string stands in TOML."""
    return f'"{text}"'
