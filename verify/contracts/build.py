"""One merged table to `Contract`: every key, name and expression is checked, and complained about with its line."""

from __future__ import annotations

from pathlib import Path

from verify.contracts import called, claimed, patched, storage
from verify.contracts.expr import Expr, Kind
from verify.contracts.measured import Measured
from verify.contracts.reader import Reader, quoted
from verify.contracts.registers import registers
from verify.contracts.schema import Contract
from verify.contracts.source import Source, Table
from verify.semantics import levels

MODE_ITEMS = ("psw-mask", "program-mask", "condition-code", "fpc", "fpc-control", "access-registers",
              "thread-pointer", "addressing-mode")  # fmt: skip
SEPARATE_ITEMS = ("symbols", "lowcore", "pointers")

_CALL = ("to", "when", "arguments", "mutable", "returns", "replaces", "patch", "named", "requires", "ensures", "into",
         "leaves")  # fmt: skip
_NESTED = {
    "call": _CALL,
    "patch": ("at", "states", "written"),
    "struct": ("type", "complete"),
    "regions": ("at", "struct"),
}
_SUPERVISOR = ("allowed", "clobbers", "refuses")


def build(root: Path, name: str, sources: list[Source], table: Table, layout: str | Measured | None) -> Contract:
    """The contract of a merged table; `sources` are its file and those it extends. Raises ContractError."""
    return _contract(Reader(root, name, sources, table, layout))


def _check_tables(reader: Reader) -> None:
    """The keys of the nested tables, in every file, and the struct that is handed out."""
    for source in reader.sources:
        for table, keys in _NESTED.items():
            for name, body in reader.typed(source.table, table, dict, {}).items():
                source.check_keys(reader.typed(source.table[table], name, dict, body), keys, table, name)
        source.check_keys(source.table.get("early", {}), ("when", "claims"), "early")
        source.check_keys(source.table.get("supervisor_call", {}), _SUPERVISOR, "supervisor_call")
    structs = reader.typed(reader.table, "struct", dict, {})
    if len(structs) > 1:
        raise reader.error("a contract hands out one struct", "struct")
    for name, body in structs.items():
        type_name = reader.typed(body, "type", str, name)
        if type_name not in reader.layout.structs:
            reason = f"layout {reader.layout.name} has no struct {type_name!r}"
            raise reader.error(reason, f"struct.{name}", "type", text=quoted(type_name))


def _contract(reader: Reader) -> Contract:
    table = reader.table
    _check_tables(reader)
    for key, text in reader.typed(table, "values", dict, {}).items():
        reader.values[key] = reader.expr(text, "values", key, kind=Kind.NUMBER)
    early = reader.typed(table, "early", dict, {})
    return Contract(
        name=reader.name,
        summary=reader.typed(table, "summary", str, ""),
        path=reader.sources[0].path,
        layout=reader.layout,
        symbols=reader.strings(table, "symbols"),
        inner=reader.strings(table, "inner"),
        meaning=reader.typed(table, "meaning", dict, {}),
        assume=tuple(reader.expr(t, "assume", kind=Kind.STATEMENT) for t in reader.strings(table, "assume")),
        defines=reader.slots("defines"),
        grants=reader.slots("grants"),
        separate=reader.chosen("separate", SEPARATE_ITEMS),
        writes=storage.written(reader),
        clobbers=reader.register_list("clobbers"),
        keeps=reader.slots("keeps"),
        thunks=reader.typed(table, "thunks", bool, False),
        supervisor=called.supervisor(reader),
        variables=storage.variables(reader),
        values=reader.values,
        calls=tuple(called.calls(reader)),
        patches=tuple(patched.patches(reader)),
        lowcore=patched.lowcore(reader),
        machine=patched.machine(reader),
        handed=storage.handed(reader),
        early=reader.statement(early, "when"),
        early_claims=claimed.claims(reader, reader.typed(early, "claims", dict, {})),
        preserves=_preserved(reader),
        vector=reader.register_list("vector") if "vector" in table else None,
        mode=reader.chosen("mode", MODE_ITEMS) if "mode" in table else None,
        unwind=_unwind(reader),
        call_abi=reader.typed(table, "call_abi", bool, False),
        expoline=reader.typed(table, "expoline", bool, False),
        arch=_arch(reader),
        stale=reader.register_list("stale") if "stale" in table else None,
        claims=claimed.claims(reader, reader.typed(table, "claims", dict, {})),
        given=_given(reader),
        switches=tuple(reader.expr(t, "switches", kind=Kind.NUMBER) for t in reader.strings(table, "switches")),
        stores=tuple(storage.stores(reader)),
        regions=tuple(storage.regions(reader)),
    )


def _given(reader: Reader) -> dict[str, int | None]:
    """Names to numbers that the contract has unless told; None where it must be told."""
    found: dict[str, int | None] = {}
    for name, value in reader.typed(reader.table, "given", dict, {}).items():
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise reader.error(f"{name!r} must say what it is, or be the number it is unless told", "given", name)
        found[name] = None if isinstance(value, str) else value
    return found


def _preserved(reader: Reader) -> tuple[str, ...]:
    """`preserves` without the registers of `scratch`, in which a routine may leave anything."""
    kept, scratch = reader.register_list("preserves"), set(registers(reader.register_list("scratch")))
    if not scratch:
        return kept
    return tuple(f"{kind}{number}" for kind, number in registers(kept) if (kind, number) not in scratch)


def _arch(reader: Reader) -> str | None:
    name: str | None = reader.typed(reader.table, "arch", str, None)
    try:
        return None if name is None else levels.level(name)
    except KeyError as problem:
        raise reader.error(f"no machine is named {name!r}; known: {levels.known()}", "arch") from problem


def _unwind(reader: Reader) -> tuple[Expr, ...] | None:
    if "unwind" not in reader.table:
        return None
    return tuple(reader.expr(text, "unwind", kind=Kind.NUMBER) for text in reader.strings(reader.table, "unwind"))
