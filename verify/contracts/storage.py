"""The storage that a contract speaks of: variables, fields that may be written, regions, the struct handed out."""

from __future__ import annotations

from collections.abc import Iterable

from verify.contracts.expr import Expr, Kind
from verify.contracts.reader import Reader
from verify.contracts.schema import Handed, Region


def variables(reader: Reader) -> dict[str, int]:
    """The size in bytes of each of [variables], by its name."""
    word = reader.layout.word
    sizes = {"pointer": word, "long": word, "int": 4}
    found = {}
    for name, kind in reader.typed(reader.table, "variables", dict, {}).items():
        if not isinstance(kind, str) or kind not in sizes:
            raise reader.error(f"variable {name!r} must be one of {', '.join(sizes)}", "variables", name)
        found[name] = sizes[kind]
    return found


def written(reader: Reader) -> tuple[str, ...] | None:
    """The variables that the routine may write; None where the contract does not say."""
    if "writes" not in reader.table:
        return None
    names = reader.strings(reader.table, "writes")
    for name in names:
        if name not in reader.table.get("variables", {}):
            raise reader.error(f"{name!r} is not among [variables]", "writes", name)
    return names


def stores(reader: Reader) -> Iterable[tuple[Expr, int]]:
    """Address and size in bytes of each field, by its name in the layout, that the routine may write."""
    for name, text in reader.typed(reader.table, "stores", dict, {}).items():
        struct, _, field = name.partition(".")
        if struct not in reader.layout.structs or reader.field_complaint(struct, field):
            raise reader.error(f"layout {reader.layout.name} has no {name!r}", "stores", name)
        size = reader.layout.structs[struct].field(field).size
        yield reader.expr(text, "stores", name, kind=Kind.NUMBER), size


def regions(reader: Reader) -> Iterable[Region]:
    """The regions in their order: name = { at = ADDRESS, struct = NAME }; a base may be read from earlier ones."""
    for name, body in reader.typed(reader.table, "regions", dict, {}).items():
        struct = reader.typed(reader.typed(reader.table["regions"], name, dict, {}), "struct", str, "")
        if struct not in reader.layout.structs:
            raise reader.error(f"layout {reader.layout.name} has no struct {struct!r}", "regions", name)
        base = reader.expr(body.get("at"), "regions", name, kind=Kind.NUMBER)
        yield Region(name, base, reader.layout.structs[struct].size, struct)


def handed(reader: Reader) -> Handed | None:
    """The struct that the handler gets, if it gets one."""
    structs = reader.typed(reader.table, "struct", dict, {})
    if not structs:
        return None
    ((name, body),) = structs.items()
    type_name = reader.typed(body, "type", str, name)
    complete = []
    for field_pattern, value_pattern in reader.typed(body, "complete", dict, {}).items():
        where = ("complete", field_pattern)
        for field, value in reader.expanded(field_pattern, value_pattern, where=where):
            complaint = reader.field_complaint(type_name, field)
            if complaint:
                raise reader.error(complaint, *where)
            complete.append((field, reader.expr(value, *where, kind=None, written=value_pattern)))
    return Handed(name, type_name, tuple(complete))
