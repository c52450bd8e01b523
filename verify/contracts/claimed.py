"""What a contract claims, property by property."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from verify.contracts.expr import Kind
from verify.contracts.reader import Reader
from verify.contracts.schema import Claim

CLAIMED = (
    "callee-saved",
    "stack-balanced",
    "psw-redirect",
    "redirect-entry",
    "regs-honoured",
    "return-value",
    "mode-preserved",
    "memory-frame",
    "handler-arguments",
)


def claims(reader: Reader, table: Mapping[str, Any]) -> dict[str, tuple[Claim, ...]]:
    """The statements of a [claims] table, by the property that owns them."""
    found: dict[str, tuple[Claim, ...]] = {}
    for prop, items in table.items():
        if prop not in CLAIMED:
            near = difflib.get_close_matches(prop, CLAIMED, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it knows {', '.join(CLAIMED)}"
            raise reader.error(f"claims do not know the property {prop!r}{hint}", "claims", prop)
        if not isinstance(items, list):
            raise reader.error(f"claims of {prop!r} must be a list", "claims", prop)
        found[prop] = tuple(claim for item in items for claim in _claim(reader, item, prop))
    return found


def _claim(reader: Reader, item: Any, prop: str) -> Iterable[Claim]:
    where = ("claims", prop)
    if isinstance(item, dict):
        for key in item:
            if key not in ("when", "that"):
                raise reader.error(f"unknown key {key!r} of a claim; known: when, that", *where, text=f"{key} ")
    elif not isinstance(item, str):
        raise reader.error(f"a claim of {prop!r} must be an expression or {{when, that}}", *where)
    texts = (item,) if isinstance(item, str) else (item.get("that"), *([item["when"]] if "when" in item else []))
    for that, *when in reader.expanded(*texts, where=where):
        condition = reader.expr(when[0], *where, kind=Kind.STATEMENT, written=texts[-1]) if when else None
        yield Claim(reader.expr(that, *where, kind=Kind.STATEMENT, written=texts[0]), condition)
