"""Contract files: which there are, and one of them merged with what it extends and made a `Contract`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from verify.contracts.build import build
from verify.contracts.kernels import kernels_of
from verify.contracts.measured import Measured
from verify.contracts.schema import Contract
from verify.contracts.source import Source, Table, merge, read
from verify.errors import ContractError, UsageError

KEYS = ("summary", "source", "extends", "abstract", "layout", "symbols", "inner", "meaning", "assume", "defines",
         "grants", "separate", "writes", "clobbers", "keeps", "thunks", "supervisor_call", "variables", "values",
         "call", "patch", "lowcore", "machine", "struct", "early", "preserves", "vector", "mode", "unwind", "call_abi",
         "expoline", "arch",
         "stale", "given", "claims", "scratch", "switches", "stores", "regions",
         "kernels", "backported", "superseded", "present", "absent", "formerly",
         "drop")  # fmt: skip
Has = Callable[[str], bool]
"""Whether an object knows a symbol of that name or pattern, defined or not."""
WHERE_BUILT = "where-built"
THUNKS = "__s390*_indirect_jump_r*"
_UNBUILT = (
    f"no claim of expoline: nothing in this file knows a thunk ({THUNKS}), so it is built without expolines "
    "(--select expoline claims it all the same)"
)

_NAME = re.compile(r"(?!(?:layouts|handlers)/)[\w.-]*\w/\w[\w.-]*")
_NUMBER = re.compile(r"\{([A-Z]+)\}")
_NO_CONTRACTS = ("layouts", "handlers")
_NUMBERED = ("claims", "call", "scratch")
_OWN = ("abstract", "kernels", "backported", "superseded", "present", "absent")
"""Keys that say whom a contract is for: what extends it is for others."""


def contract_names(root: Path) -> list[str]:
    """All contracts that can be applied, sorted; abstract bases are left out."""
    found = []
    for path in sorted(root.glob("*/*.toml")):
        if path.parent.name not in _NO_CONTRACTS and not read(path).table.get("abstract"):
            found.append(f"{path.parent.name}/{path.stem}")
    return found


def inherited(root: Path, name: str, key: str) -> tuple[str, ...]:
    """A list of a contract, its own or that of what it extends, without loading it whole. Raises ContractError."""
    seen: set[str] = set()
    while name not in seen and _file(root, name).is_file():
        seen.add(name)
        source = read(_file(root, name))
        if key in source.table:
            return source.strings(key)
        name = str(source.table.get("extends", name))
    return ()


def layout_names(root: Path) -> list[str]:
    """All layouts, sorted."""
    return sorted(path.stem for path in (root / "layouts").glob("*.toml"))


def load_contract(
    root: Path, name: str, layout: str | Measured | None = None, symbol: str | None = None, has: Has | None = None
) -> Contract:
    """Load models/NAME.toml, or a file of one's own, with another struct layout if asked. Raises ContractError.

    A name that ends in `.toml` is the path of a file; what it extends is in models/. A contract for a family of
    symbols, such as `__s390_indirect_jump_r{N}`, takes its numbers from `symbol`; a longer name in braces stands for
    a word, as in `__kernel_{NAME}`. `has` tells whether the object knows a symbol, for variables that kernels knew by
    another name before (`formerly`), and for expolines that are claimed where the object was built with them.
    """
    sources, table = resolve(root, name)
    if table.get("abstract"):
        raise sources[0].error(f"{name!r} is a base for other contracts, not one to apply", "abstract")
    for source in sources:
        source.strings("symbols")
    numbers = symbol_numbers(table.get("symbols", []), symbol)
    if numbers is None:
        raise UsageError(f"contract {name} is for {' and '.join(table['symbols'])}, not for {symbol}")
    table |= {key: _numbered(table[key], numbers) for key in _NUMBERED if key in table}
    kernels_of(sources[0])
    unbuilt = table.get("expoline") == WHERE_BUILT and has is not None and not has(THUNKS)
    if table.get("expoline") == WHERE_BUILT:
        table["expoline"] = not unbuilt
    if "formerly" in table:
        table = _renamed(sources[0], table, has)
    contract = build(root, name, sources, table, layout)
    return replace(contract, remarks=(_UNBUILT,)) if unbuilt else contract


def resolve(root: Path, name: str) -> tuple[list[Source], Table]:
    """A contract's file and those it extends, and all of them merged into one table. Raises ContractError."""
    if _is_path(name):
        if not Path(name).is_file():
            raise ContractError(Path(name), None, "no such file")
    elif not (_NAME.fullmatch(name) and _file(root, name).is_file()):
        near = difflib.get_close_matches(name, contract_names(root), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ContractError(root, None, f"there is no contract named {name!r}{hint}")
    return _resolve(root, name, ())


def _is_path(name: str) -> bool:
    return name.endswith(".toml")


def _file(root: Path, name: str) -> Path:
    return Path(name) if _is_path(name) else root / f"{name}.toml"


def symbol_numbers(patterns: list[str], symbol: str | None) -> dict[str, str] | None:
    """What `{N}` stands for in a symbol that one of the patterns fits; None if a pattern is needed and none fits."""
    if not any("{" in pattern for pattern in patterns):
        return {}
    for pattern in patterns:
        found = re.fullmatch(_NUMBER.sub(_placeholder, pattern), symbol or "")
        if found:
            return found.groupdict()
    return None


def _placeholder(match: re.Match[str]) -> str:
    """One capital letter is a number, several are a word."""
    name = match.group(1)
    return rf"(?P<{name}>\d+)" if len(name) == 1 else rf"(?P<{name}>[a-z_]\w*)"


def _numbered(value: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(lambda match: numbers.get(match.group(1), match.group(0)), value)
    if isinstance(value, list):
        return [_numbered(item, numbers) for item in value]
    if isinstance(value, dict):
        return {key: _numbered(item, numbers) for key, item in value.items()}
    return value


def _resolve(root: Path, name: str, seen: tuple[str, ...]) -> tuple[list[Source], Table]:
    source = read(_file(root, name))
    source.check_keys(source.table, KEYS)
    base = source.table.get("extends")
    own = {key: value for key, value in source.table.items() if key != "extends"}
    if base is None:
        return [source], own
    if base in seen or base == name:
        raise source.error(f"contract {name!r} extends itself", "extends")
    if not isinstance(base, str) or not (root / f"{base}.toml").is_file():
        raise source.error(f"extends names no contract: {base!r}", "extends")
    sources, below = _resolve(root, base, (*seen, name))
    below = {key: value for key, value in below.items() if key not in _OWN}
    return [source, *sources], merge(_without(source, below), {key: own[key] for key in own if key != "drop"})


def _without(source: Source, below: Table) -> Table:
    """`drop`: what the extended contract has and this one lacks, such as `call.graph`. Raises ContractError."""
    for dotted in source.strings("drop"):
        try:
            below = _dropped(below, dotted)
        except KeyError as problem:
            raise source.error(f"there is no {dotted!r} to drop in {source.table['extends']}", "drop") from problem
    return below


def _dropped(table: Table, dotted: str) -> Table:
    key, _, rest = dotted.partition(".")
    if rest:
        inner = table[key]
        return {**table, key: _dropped(inner if isinstance(inner, dict) else {}, rest)}
    if key not in table:
        raise KeyError(key)
    return {name: value for name, value in table.items() if name != key}


def _renamed(source: Source, table: Table, has: Has | None) -> Table:
    """`formerly`: a variable takes its earlier name where the object knows only that. Raises ContractError."""
    for new, old in table["formerly"].items():
        variables = table.get("variables", {})
        if new not in variables or not isinstance(old, str):
            raise source.error(f"{new!r} of [formerly] is not among [variables]", "formerly", new)
        if has is not None and not has(new) and has(old):
            table = _replaced(table, re.compile(rf"\bvariable\.{re.escape(new)}\b"), f"variable.{old}")
            table["variables"] = {old if name == new else name: kind for name, kind in variables.items()}
    return table


def _replaced(value: Any, what: re.Pattern[str], by: str) -> Any:
    if isinstance(value, str):
        return what.sub(by, value)
    if isinstance(value, list):
        return [_replaced(item, what, by) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, what, by) for key, item in value.items()}
    return value
