"""Contract files to `Contract`: merge `extends`, check every key, name and expression, complain with the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from verify.contracts.expr import Expr, ExprError, expand, parse
from verify.contracts.layout import Layout, load_layout
from verify.contracts.registers import RegisterError, registers
from verify.contracts.schema import Call, Claim, Contract, Handed, PatchSite
from verify.contracts.source import Source, Table, merge, read
from verify.errors import ContractError, UsageError

MODE_ITEMS = ("psw-mask", "program-mask", "condition-code", "fpc", "fpc-control", "access-registers",
              "thread-pointer", "addressing-mode")  # fmt: skip
SEPARATE_ITEMS = ("symbols", "lowcore", "pointers")
CLAIMED = (
    "callee-saved",
    "stack-balanced",
    "psw-redirect",
    "redirect-entry",
    "regs-honoured",
    "return-value",
)

_KEYS = ("summary", "source", "extends", "abstract", "layout", "symbols", "inner", "meaning", "assume", "defines",
         "grants", "separate", "writes", "clobbers", "keeps", "thunks", "variables", "values", "call",
         "patch", "struct", "early", "preserves", "vector", "mode", "unwind", "call_abi", "expoline", "stale",
         "claims")  # fmt: skip
_CALL_KEYS = ("to", "when", "arguments", "mutable", "returns", "replaces", "patch")
_PATCH_KEYS = ("at", "assembled", "on")
_NUMBER = re.compile(r"\{([A-Z])\}")
_MACHINE = re.compile(r"^(?:old\.)?(?:r(?:\d|1[0-5])|cc|psw\.mask|f(?:\d|1[0-5]))$|^pc$")


def contract_names(root: Path) -> list[str]:
    """All contracts that can be applied, sorted; abstract bases are left out."""
    found = []
    for path in sorted(root.glob("*/*.toml")):
        if path.parent.name != "layouts" and not read(path).table.get("abstract"):
            found.append(f"{path.parent.name}/{path.stem}")
    return found


def inherited(root: Path, name: str, key: str) -> tuple[str, ...]:
    """A list of a contract, its own or that of what it extends, without loading it whole."""
    seen: set[str] = set()
    while name not in seen and (root / f"{name}.toml").is_file():
        seen.add(name)
        table = read(root / f"{name}.toml").table
        if key in table:
            return tuple(map(str, table[key]))
        name = str(table.get("extends", name))
    return ()


def layout_names(root: Path) -> list[str]:
    """All layouts, sorted."""
    return sorted(path.stem for path in (root / "layouts").glob("*.toml"))


def load_contract(root: Path, name: str, layout: str | None = None, symbol: str | None = None) -> Contract:
    """Load models/NAME.toml, with another struct layout if asked. Raises ContractError.

    A contract for a family of symbols, such as `__s390_indirect_jump_r{N}`, takes its numbers from `symbol`.
    """
    if not (root / f"{name}.toml").is_file():
        near = difflib.get_close_matches(name, contract_names(root), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ContractError(root, None, f"there is no contract named {name!r}{hint}")
    sources, table = _resolve(root, name, ())
    if table.get("abstract"):
        raise sources[0].error(f"{name!r} is a base for other contracts, not one to apply", "abstract")
    numbers = symbol_numbers(table.get("symbols", []), symbol)
    if numbers is None:
        raise UsageError(f"contract {name} is for {' and '.join(table['symbols'])}, not for {symbol}")
    table["claims"] = _numbered(table.get("claims", {}), numbers)
    return _Loader(root, name, sources, table, layout).contract()


def symbol_numbers(patterns: list[str], symbol: str | None) -> dict[str, str] | None:
    """What `{N}` stands for in a symbol that one of the patterns fits; None if a pattern is needed and none fits."""
    if not any("{" in pattern for pattern in patterns):
        return {}
    for pattern in patterns:
        found = re.fullmatch(_NUMBER.sub(r"(?P<\1>\\d+)", pattern), symbol or "")
        if found:
            return found.groupdict()
    return None


def _numbered(value: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(lambda match: numbers.get(match.group(1), match.group(0)), value)
    if isinstance(value, list):
        return [_numbered(item, numbers) for item in value]
    if isinstance(value, dict):
        return {key: _numbered(item, numbers) for key, item in value.items()}
    return value


def _resolve(root: Path, name: str, seen: tuple[str, ...]) -> tuple[list[Source], Table]:
    source = read(root / f"{name}.toml")
    source.check_keys(source.table, _KEYS)
    base = source.table.get("extends")
    own = {key: value for key, value in source.table.items() if key != "extends"}
    if base is None:
        return [source], own
    if base in seen or base == name:
        raise source.error(f"contract {name!r} extends itself", "extends")
    if not isinstance(base, str) or not (root / f"{base}.toml").is_file():
        raise source.error(f"extends names no contract: {base!r}", "extends")
    sources, below = _resolve(root, base, (*seen, name))
    below = {key: value for key, value in below.items() if key != "abstract"}
    return [source, *sources], merge(below, own)


class _Loader:
    """Turns one merged table into a Contract; keeps the sources to say where a mistake stands."""

    def __init__(self, root: Path, name: str, sources: list[Source], table: Table, layout: str | None) -> None:
        self.name, self.sources, self.table = name, sources, table
        own = self.typed(table, "layout", str, None)
        if own is None:
            raise self.error("a contract must name its layout", "layout")
        self.layout: Layout = load_layout(root, own)
        if layout is not None:  # other structs, but the constants belong to the protocol
            self.layout = replace(load_layout(root, layout), constants=self.layout.constants)
        self.values: dict[str, Expr] = {}

    def error(self, reason: str, *words: str) -> ContractError:
        for source in self.sources:
            if words and source.line_of(*words) is not None:
                return source.error(reason, *words)
        return self.sources[0].error(reason, *words)

    # Pieces

    def typed(self, table: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
        value = table.get(key, default)
        if value is not default and not isinstance(value, kind):
            raise self.error(f"{key!r} must be of type {kind.__name__}, not {value!r}", key)
        return value

    def strings(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = self.typed(table, key, list, [])
        if not all(isinstance(item, str) for item in value):
            raise self.error(f"{key!r} must be a list of strings", key)
        return tuple(value)

    def chosen(self, key: str, allowed: Iterable[str]) -> tuple[str, ...]:
        value = self.strings(self.table, key)
        for item in value:
            if item not in allowed:
                raise self.error(f"{key!r} does not know {item!r}; it knows {', '.join(allowed)}", key)
        return value

    def register_list(self, key: str) -> tuple[str, ...]:
        value = self.strings(self.table, key)
        try:
            list(registers(value))
        except RegisterError as problem:
            raise self.error(str(problem), key) from problem
        return value

    def expr(self, text: Any, *where: str) -> Expr:
        if not isinstance(text, str):
            raise self.error(f"{text!r} must be an expression in quotes", *where)
        try:
            return parse(text, self.complaint)
        except ExprError as problem:
            raise self.error(str(problem), *where) from problem

    def optional(self, table: Mapping[str, Any], key: str) -> Expr | None:
        return self.expr(table[key], key) if key in table else None

    # Names

    def complaint(self, name: str) -> str | None:
        """What is wrong with a name in an expression, or None."""
        if _MACHINE.match(name) or name in self.values:
            return None
        head, _, rest = name.partition(".")
        calls = self.table.get("call", {})
        if name.startswith("called("):
            return None if name[7:-1] in calls else f"no call is named {name[7:-1]!r}"
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
        if head in calls and rest == "result":
            return None if calls[head].get("returns") else f"call {head!r} returns nothing"
        struct = self.table.get("struct", {}).get(head, {}).get("type", head)
        if struct in self.layout.structs:
            return self.field_complaint(struct, rest)
        return f"{name!r} is not a name of the contract language here"

    def field_complaint(self, struct: str, field: str) -> str | None:
        known = self.layout.structs[struct]
        if field in known.ranges:
            return None
        try:
            known.field(field)
        except (KeyError, ValueError):
            return f"struct {struct} of layout {self.layout.name} has no field {field!r}"
        return None

    def slots(self, key: str) -> tuple[str, ...]:
        names = self.strings(self.table, key)
        for name in names:
            struct, _, field = name.partition(".")
            if struct not in self.layout.structs or self.field_complaint(struct, field):
                raise self.error(f"layout {self.layout.name} has no {name!r}", key)
        return names

    # The parts of a contract

    def contract(self) -> Contract:
        table = self.table
        for key, text in self.typed(table, "values", dict, {}).items():
            self.values[key] = self.expr(text, "values", key)
        early = self.typed(table, "early", dict, {})
        self.sources[0].check_keys(early, ("when", "claims"), "early")
        return Contract(
            name=self.name,
            summary=self.typed(table, "summary", str, ""),
            path=self.sources[0].path,
            layout=self.layout,
            symbols=self.strings(table, "symbols"),
            inner=self.strings(table, "inner"),
            meaning=self.typed(table, "meaning", dict, {}),
            assume=tuple(self.expr(text, "assume") for text in self.strings(table, "assume")),
            defines=self.slots("defines"),
            grants=self.slots("grants"),
            separate=self.chosen("separate", SEPARATE_ITEMS),
            writes=self.written(),
            clobbers=self.register_list("clobbers"),
            keeps=self.slots("keeps"),
            thunks=self.typed(table, "thunks", bool, False),
            variables=self.variables(),
            values=self.values,
            calls=tuple(self.calls()),
            patches=tuple(self.patches()),
            handed=self.handed(),
            early=self.optional(early, "when"),
            early_claims=self.claims(self.typed(early, "claims", dict, {})),
            preserves=self.register_list("preserves"),
            vector=self.register_list("vector") if "vector" in table else None,
            mode=self.chosen("mode", MODE_ITEMS) if "mode" in table else None,
            unwind=self.unwind(),
            call_abi=self.typed(table, "call_abi", bool, False),
            expoline=self.typed(table, "expoline", bool, False),
            stale=self.register_list("stale") if "stale" in table else None,
            claims=self.claims(self.typed(table, "claims", dict, {})),
        )

    def variables(self) -> dict[str, int]:
        sizes = {"pointer": 8, "long": 8, "int": 4}
        found = {}
        for name, kind in self.typed(self.table, "variables", dict, {}).items():
            if kind not in sizes:
                raise self.error(f"variable {name!r} must be one of {', '.join(sizes)}", "variables", name)
            found[name] = sizes[kind]
        return found

    def written(self) -> tuple[str, ...] | None:
        if "writes" not in self.table:
            return None
        names = self.strings(self.table, "writes")
        for name in names:
            if name not in self.table.get("variables", {}):
                raise self.error(f"{name!r} is not among [variables]", "writes", name)
        return names

    def unwind(self) -> tuple[Expr, ...] | None:
        if "unwind" not in self.table:
            return None
        return tuple(self.expr(text, "unwind") for text in self.strings(self.table, "unwind"))

    def calls(self) -> Iterable[Call]:
        for name, body in self.typed(self.table, "call", dict, {}).items():
            for source in self.sources:
                source.check_keys(source.table.get("call", {}).get(name, {}), _CALL_KEYS, "call", name)
            arguments = {}
            for register, text in self.typed(body, "arguments", dict, {}).items():
                kinds = self.parsed_register(register, name)
                arguments[kinds] = self.expr(text, f"call.{name}", register)
            yield Call(
                name=name,
                to=None if body.get("to") == "any" else self.expr(body.get("to"), f"call.{name}", "to"),
                arguments=arguments,
                when=self.optional(body, "when"),
                mutable=tuple(self.mutable(body, name)),
                returns=self.typed(body, "returns", bool, False),
                replaces=self.typed(body, "replaces", str, None),
                patch=self.typed(body, "patch", str, None),
            )

    def parsed_register(self, text: str, call: str) -> int:
        try:
            ((kind, number),) = registers([text])
        except (RegisterError, ValueError) as problem:
            raise self.error(f"{text!r} is not an argument register", f"call.{call}", text) from problem
        if kind != "r":
            raise self.error(f"{text!r} is not a general register", f"call.{call}", text)
        return number

    def mutable(self, body: Mapping[str, Any], call: str) -> Iterable[str]:
        for pattern in self.strings(body, "mutable"):
            for (name,) in expand(pattern):
                complaint = self.complaint(name)
                if complaint:
                    raise self.error(complaint, f"call.{call}", "mutable")
                yield name

    def patches(self) -> Iterable[PatchSite]:
        for name, body in self.typed(self.table, "patch", dict, {}).items():
            for source in self.sources:
                source.check_keys(source.table.get("patch", {}).get(name, {}), _PATCH_KEYS, "patch", name)
            on = self.typed(body, "on", str, "nop")
            yield PatchSite(
                name,
                self.strings(body, "at"),
                self.typed(body, "assembled", str, ""),
                None if on == "nop" else on,
            )

    def handed(self) -> Handed | None:
        structs = self.typed(self.table, "struct", dict, {})
        if not structs:
            return None
        if len(structs) > 1:
            raise self.error("a contract hands out one struct", "struct")
        ((name, body),) = structs.items()
        type_name = self.typed(body, "type", str, name)
        if type_name not in self.layout.structs:
            raise self.error(f"layout {self.layout.name} has no struct {type_name!r}", "struct", "type")
        complete = []
        for field_pattern, value_pattern in self.typed(body, "complete", dict, {}).items():
            try:
                pairs = list(expand(field_pattern, value_pattern))
            except ExprError as problem:
                raise self.error(str(problem), "complete", field_pattern) from problem
            for field, value in pairs:
                complaint = self.field_complaint(type_name, field)
                if complaint:
                    raise self.error(complaint, "complete", field_pattern)
                complete.append((field, self.expr(value, "complete", field_pattern)))
        return Handed(name, type_name, tuple(complete))

    def claims(self, table: Mapping[str, Any]) -> dict[str, tuple[Claim, ...]]:
        found: dict[str, tuple[Claim, ...]] = {}
        for prop, items in table.items():
            if prop not in CLAIMED:
                near = difflib.get_close_matches(prop, CLAIMED, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; it knows {', '.join(CLAIMED)}"
                raise self.error(f"claims do not know the property {prop!r}{hint}", "claims", prop)
            if not isinstance(items, list):
                raise self.error(f"claims of {prop!r} must be a list", "claims", prop)
            found[prop] = tuple(claim for item in items for claim in self.claim(item, prop))
        return found

    def claim(self, item: Any, prop: str) -> Iterable[Claim]:
        texts = (item,) if isinstance(item, str) else (item.get("that", ""), item.get("when", "")) if isinstance(
            item, dict) else ()  # fmt: skip
        if not texts:
            raise self.error(f"a claim of {prop!r} must be an expression or {{when, that}}", "claims", prop)
        try:
            for that, *when in expand(*texts):
                condition = self.expr(when[0], "claims", prop) if when and when[0] else None
                yield Claim(self.expr(that, "claims", prop), condition)
        except ExprError as problem:
            raise self.error(str(problem), "claims", prop) from problem
