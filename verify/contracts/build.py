"""One merged table to `Contract`: every key, name and expression is checked, and complained about with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from verify.contracts import sites
from verify.contracts.expr import Expr, ExprError, Kind, expand, parse
from verify.contracts.layout import Layout, load_layout
from verify.contracts.measured import Measured
from verify.contracts.registers import RegisterError, registers
from verify.contracts.schema import Call, Claim, Contract, Handed, PatchSite, Region, SupervisorCall
from verify.contracts.source import Source, Table
from verify.errors import ContractError
from verify.semantics import levels

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
    "mode-preserved",
    "memory-frame",
    "handler-arguments",
)

_NESTED = {
    "call": (
        "to",
        "when",
        "arguments",
        "mutable",
        "returns",
        "replaces",
        "patch",
        "named",
        "requires",
        "ensures",
        "into",
        "leaves",
    ),
    "patch": ("at", "states", "written"),
    "struct": ("type", "complete"),
    "regions": ("at", "struct"),
}
_SUPERVISOR = ("allowed", "clobbers", "refuses")
_MACHINE = re.compile(r"^(?:old\.)?(?:r(?:\d|1[0-5])|cc|psw\.mask|f(?:\d|1[0-5])|pc)$")


def build(root: Path, name: str, sources: list[Source], table: Table, layout: str | Measured | None) -> Contract:
    """The contract of a merged table; `sources` are its file and those it extends. Raises ContractError."""
    return _Builder(root, name, sources, table, layout).contract()


class _Builder:
    """Turns one merged table into a Contract; keeps the sources to say where a mistake stands."""

    def __init__(
        self, root: Path, name: str, sources: list[Source], table: Table, layout: str | Measured | None
    ) -> None:
        self.name, self.sources, self.table = name, sources, table
        own = self.typed(table, "layout", str, None)
        if own is None:
            raise self.error("a contract must name its layout", "layout")
        self.layout: Layout = load_layout(root, own)
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

    def register_list(self, key: str, table: Mapping[str, Any] | None = None) -> tuple[str, ...]:
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
            raise self.error(str(problem), *where, text=_quoted(written or text)) from problem
        if kind is not None and found.kind is not kind:
            reason = f"{text!r} is {found.kind.value}, where {kind.value} belongs"
            raise self.error(reason, *where, text=_quoted(written or text))
        return found

    def statement(self, table: Mapping[str, Any], key: str) -> Expr | None:
        return self.expr(table[key], key, kind=Kind.STATEMENT) if key in table else None

    def expanded(self, *texts: Any, where: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
        for text in texts:
            if not isinstance(text, str):
                raise self.error(f"{text!r} must be an expression in quotes", *where)
        try:
            return list(expand(*texts))
        except ExprError as problem:
            raise self.error(str(problem), *where, text=_quoted(texts[0])) from problem

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

    def check_tables(self) -> None:
        """The keys of the nested tables, in every file, and the struct that is handed out."""
        for source in self.sources:
            for table, keys in _NESTED.items():
                for name, body in self.typed(source.table, table, dict, {}).items():
                    source.check_keys(self.typed(source.table[table], name, dict, body), keys, table, name)
            source.check_keys(source.table.get("early", {}), ("when", "claims"), "early")
            source.check_keys(source.table.get("supervisor_call", {}), _SUPERVISOR, "supervisor_call")
        structs = self.typed(self.table, "struct", dict, {})
        if len(structs) > 1:
            raise self.error("a contract hands out one struct", "struct")
        for name, body in structs.items():
            type_name = self.typed(body, "type", str, name)
            if type_name not in self.layout.structs:
                reason = f"layout {self.layout.name} has no struct {type_name!r}"
                raise self.error(reason, f"struct.{name}", "type", text=_quoted(type_name))

    def contract(self) -> Contract:
        table = self.table
        self.check_tables()
        for key, text in self.typed(table, "values", dict, {}).items():
            self.values[key] = self.expr(text, "values", key, kind=Kind.NUMBER)
        early = self.typed(table, "early", dict, {})
        return Contract(
            name=self.name,
            summary=self.typed(table, "summary", str, ""),
            path=self.sources[0].path,
            layout=self.layout,
            symbols=self.strings(table, "symbols"),
            inner=self.strings(table, "inner"),
            meaning=self.typed(table, "meaning", dict, {}),
            assume=tuple(self.expr(t, "assume", kind=Kind.STATEMENT) for t in self.strings(table, "assume")),
            defines=self.slots("defines"),
            grants=self.slots("grants"),
            separate=self.chosen("separate", SEPARATE_ITEMS),
            writes=self.written(),
            clobbers=self.register_list("clobbers"),
            keeps=self.slots("keeps"),
            thunks=self.typed(table, "thunks", bool, False),
            supervisor=self.supervisor(),
            variables=self.variables(),
            values=self.values,
            calls=tuple(self.calls()),
            patches=tuple(self.patches()),
            lowcore=self.lowcore(),
            machine=self.machine(),
            handed=self.handed(),
            early=self.statement(early, "when"),
            early_claims=self.claims(self.typed(early, "claims", dict, {})),
            preserves=self.preserved(),
            vector=self.register_list("vector") if "vector" in table else None,
            mode=self.chosen("mode", MODE_ITEMS) if "mode" in table else None,
            unwind=self.unwind(),
            call_abi=self.typed(table, "call_abi", bool, False),
            expoline=self.typed(table, "expoline", bool, False),
            arch=self.arch(),
            stale=self.register_list("stale") if "stale" in table else None,
            claims=self.claims(self.typed(table, "claims", dict, {})),
            given=self.given(),
            switches=tuple(self.expr(t, "switches", kind=Kind.NUMBER) for t in self.strings(table, "switches")),
            stores=tuple(self.stored()),
            regions=tuple(self.regions()),
        )

    def stored(self) -> Iterable[tuple[Expr, int]]:
        """Address and size in bytes of each field, by its name in the layout, that the routine may write."""
        for name, text in self.typed(self.table, "stores", dict, {}).items():
            struct, _, field = name.partition(".")
            if struct not in self.layout.structs or self.field_complaint(struct, field):
                raise self.error(f"layout {self.layout.name} has no {name!r}", "stores", name)
            size = self.layout.structs[struct].field(field).size
            yield self.expr(text, "stores", name, kind=Kind.NUMBER), size

    def regions(self) -> Iterable[Region]:
        """The regions in their order: name = { at = ADDRESS, struct = NAME }; a base may be read from earlier ones."""
        for name, body in self.typed(self.table, "regions", dict, {}).items():
            struct = self.typed(self.typed(self.table["regions"], name, dict, {}), "struct", str, "")
            if struct not in self.layout.structs:
                raise self.error(f"layout {self.layout.name} has no struct {struct!r}", "regions", name)
            base = self.expr(body.get("at"), "regions", name, kind=Kind.NUMBER)
            yield Region(name, base, self.layout.structs[struct].size, struct)

    def preserved(self) -> tuple[str, ...]:
        """`preserves` without the registers of `scratch`, in which a routine may leave anything."""
        kept, scratch = self.register_list("preserves"), set(registers(self.register_list("scratch")))
        if not scratch:
            return kept
        return tuple(f"{kind}{number}" for kind, number in registers(kept) if (kind, number) not in scratch)

    def arch(self) -> str | None:
        name: str | None = self.typed(self.table, "arch", str, None)
        try:
            return None if name is None else levels.level(name)
        except KeyError as problem:
            raise self.error(f"no machine is named {name!r}; known: {levels.known()}", "arch") from problem

    def supervisor(self) -> SupervisorCall | None:
        """None where the contract does not describe supervisor calls, or says that the routine makes none."""
        body = self.typed(self.table, "supervisor_call", dict, {})
        if not self.typed(body, "allowed", bool, bool(body)):
            return None
        refuses = self.typed(body, "refuses", list, [])
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in refuses):
            raise self.error("'refuses' must be a list of numbers", "supervisor_call", "refuses")
        clobbers = self.register_list("clobbers", body)
        if any(kind != "r" for kind, _ in registers(clobbers)):
            raise self.error("a supervisor call changes general registers only", "supervisor_call", "clobbers")
        return SupervisorCall(clobbers, tuple(refuses))

    def variables(self) -> dict[str, int]:
        word = self.layout.word
        sizes = {"pointer": word, "long": word, "int": 4}
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
        return tuple(self.expr(text, "unwind", kind=Kind.NUMBER) for text in self.strings(self.table, "unwind"))

    def calls(self) -> Iterable[Call]:
        for name, body in self.typed(self.table, "call", dict, {}).items():
            arguments = {}
            for register, text in self.typed(body, "arguments", dict, {}).items():
                kinds = self.parsed_register(register, name)
                arguments[kinds] = self.expr(text, f"call.{name}", register, kind=None)
            yield Call(
                name=name,
                to=self.callee(body, name),
                arguments=arguments,
                when=self.statement(body, "when"),
                mutable=tuple(self.mutable(body, name)),
                returns=self.typed(body, "returns", bool, False),
                replaces=self.replaced(body),
                patch=self.patch_of(body),
                named=self.strings(body, "named"),
                requires=tuple(self.statements(body, "requires", name)),
                ensures=tuple(self.statements(body, "ensures", name)),
                into=self.into(body, name),
                leaves=self.leaves(body, name),
            )

    def statements(self, body: Mapping[str, Any], key: str, call: str) -> Iterable[Expr]:
        patterns = body.get(key, [])
        if not isinstance(patterns, list):
            raise self.error(f"{key!r} must be a list of statements", f"call.{call}", key)
        for pattern in patterns:
            for (text,) in self.expanded(pattern, where=(f"call.{call}", key)):
                yield self.expr(text, f"call.{call}", key, kind=Kind.STATEMENT, written=pattern)

    def into(self, body: Mapping[str, Any], call: str) -> dict[int, str]:
        found = {}
        for register, struct in self.typed(body, "into", dict, {}).items():
            if struct not in self.layout.structs:
                reason = f"layout {self.layout.name} has no struct {struct!r}"
                raise self.error(reason, f"call.{call}", "into", register)
            found[self.parsed_register(register, call)] = struct
        return found

    def leaves(self, body: Mapping[str, Any], call: str) -> dict[str, str]:
        found = {}
        for name, field in self.typed(body, "leaves", dict, {}).items():
            struct, _, inside = str(field).partition(".")
            if struct != "stack_frame" or self.field_complaint(struct, inside):
                raise self.error(f"{field!r} is no field of the save area", f"call.{call}", "leaves", name)
            found[name] = field
        return found

    def given(self) -> dict[str, int | None]:
        """Names to numbers that the contract has unless told; None where it must be told."""
        found: dict[str, int | None] = {}
        for name, value in self.typed(self.table, "given", dict, {}).items():
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise self.error(f"{name!r} must say what it is, or be the number it is unless told", "given", name)
            found[name] = None if isinstance(value, str) else value
        return found

    def callee(self, body: Mapping[str, Any], call: str) -> Expr | None:
        text = body.get("to")
        if "named" in body:
            if text is not None:
                raise self.error("a call is known by 'to' or by 'named', not by both", f"call.{call}", "named")
            return None
        return None if text == "any" else self.expr(text, f"call.{call}", "to", kind=Kind.NUMBER)

    def replaced(self, body: Mapping[str, Any]) -> str | None:
        name: str | None = self.typed(body, "replaces", str, None)
        if name is not None and name not in self.values:
            complaint = self.complaint(name)
            if complaint or name.partition(".")[0] not in self.table.get("struct", {}):
                raise self.error(complaint or f"{name!r} cannot be replaced", "replaces", text=_quoted(name))
        return name

    def patch_of(self, body: Mapping[str, Any]) -> str | None:
        name: str | None = self.typed(body, "patch", str, None)
        if name is not None and name not in self.table.get("patch", {}):
            raise self.error(f"no patch site is named {name!r}", "patch", text=_quoted(name))
        return name

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
            for (name,) in self.expanded(pattern, where=(f"call.{call}", "mutable")):
                complaint = self.complaint(name)
                if complaint:
                    raise self.error(complaint, f"call.{call}", "mutable", text=_quoted(pattern))
                yield name

    def patches(self) -> Iterable[PatchSite]:
        for name, body in self.typed(self.table, "patch", dict, {}).items():
            where = f"patch.{name}"
            states = []
            for text in self.strings(body, "states"):
                try:
                    states.append(sites.state(text))
                except sites.SiteError as problem:
                    raise self.error(str(problem), where, "states", text=_quoted(text)) from problem
            first, *others = [one.changes for one in states] or [True]
            if first or not others or not all(others):
                raise self.error("'states' must begin with \"as assembled\" and list another one", where, "states")
            if "written" not in body:
                raise self.error("a patch site must say how it is 'written'", where, "states")
            try:
                writing = sites.writing(body["written"])
            except sites.SiteError as problem:
                raise self.error(f"'written': {problem}", where, "written") from problem
            yield PatchSite(name, self.strings(body, "at"), tuple(states), writing)

    def machine(self) -> dict[str, bool]:
        """The features that alternatives hang on, of which the contract says that the machine has them or not."""
        found = {}
        for text in self.strings(self.table, "machine"):
            match = re.fullmatch(r"with(out)? (\w.*)", text)
            if match is None or match[2] in found:
                raise self.error(f"{text!r} must be one 'with FEATURE' or 'without FEATURE'", "machine")
            found[match[2]] = match[1] is None
        return found

    def lowcore(self) -> dict[str, bytes]:
        """The code that the lowcore holds, by the field that it stands in."""
        found = {}
        for field, text in self.typed(self.table, "lowcore", dict, {}).items():
            if "lowcore" not in self.layout.structs or self.field_complaint("lowcore", field):
                raise self.error(f"layout {self.layout.name} has no 'lowcore.{field}'", "lowcore", field)
            if not (isinstance(text, str) and re.fullmatch(r"(?:[0-9a-f]{4})+", text)):
                raise self.error(f"{text!r} must be code in hexadecimal digits", "lowcore", field)
            found[field] = bytes.fromhex(text)
        return found

    def handed(self) -> Handed | None:
        structs = self.typed(self.table, "struct", dict, {})
        if not structs:
            return None
        ((name, body),) = structs.items()
        type_name = self.typed(body, "type", str, name)
        complete = []
        for field_pattern, value_pattern in self.typed(body, "complete", dict, {}).items():
            where = ("complete", field_pattern)
            for field, value in self.expanded(field_pattern, value_pattern, where=where):
                complaint = self.field_complaint(type_name, field)
                if complaint:
                    raise self.error(complaint, *where)
                complete.append((field, self.expr(value, *where, kind=None, written=value_pattern)))
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
        where = ("claims", prop)
        if isinstance(item, dict):
            for key in item:
                if key not in ("when", "that"):
                    raise self.error(f"unknown key {key!r} of a claim; known: when, that", *where, text=f"{key} ")
        elif not isinstance(item, str):
            raise self.error(f"a claim of {prop!r} must be an expression or {{when, that}}", *where)
        texts = (item,) if isinstance(item, str) else (item.get("that"), *([item["when"]] if "when" in item else []))
        for that, *when in self.expanded(*texts, where=where):
            condition = self.expr(when[0], *where, kind=Kind.STATEMENT, written=texts[-1]) if when else None
            yield Claim(self.expr(that, *where, kind=Kind.STATEMENT, written=texts[0]), condition)


def _quoted(text: str) -> str:
    """As a string stands in TOML."""
    return f'"{text}"'
