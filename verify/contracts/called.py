"""The calls that a contract describes: whom the routine calls, with what, and what the callee leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from verify.contracts.expr import Expr, Kind
from verify.contracts.reader import Reader, quoted
from verify.contracts.registers import RegisterError, registers
from verify.contracts.schema import Call, SupervisorCall


def calls(reader: Reader) -> Iterable[Call]:
    """Every [call.NAME], in the order of the file."""
    for name, body in reader.typed(reader.table, "call", dict, {}).items():
        arguments = {}
        for register, text in reader.typed(body, "arguments", dict, {}).items():
            kinds = _parsed_register(reader, register, name)
            arguments[kinds] = reader.expr(text, f"call.{name}", register, kind=None)
        yield Call(
            name=name,
            to=_callee(reader, body, name),
            arguments=arguments,
            when=reader.statement(body, "when"),
            mutable=tuple(_mutable(reader, body, name)),
            returns=reader.typed(body, "returns", bool, False),
            replaces=_replaced(reader, body),
            patch=_patch_of(reader, body),
            named=reader.strings(body, "named"),
            requires=tuple(_statements(reader, body, "requires", name)),
            ensures=tuple(_statements(reader, body, "ensures", name)),
            into=_into(reader, body, name),
            leaves=_leaves(reader, body, name),
        )


def _callee(reader: Reader, body: Mapping[str, Any], call: str) -> Expr | None:
    text = body.get("to")
    if "named" in body:
        if text is not None:
            raise reader.error("a call is known by 'to' or by 'named', not by both", f"call.{call}", "named")
        return None
    return None if text == "any" else reader.expr(text, f"call.{call}", "to", kind=Kind.NUMBER)


def _mutable(reader: Reader, body: Mapping[str, Any], call: str) -> Iterable[str]:
    for pattern in reader.strings(body, "mutable"):
        for (name,) in reader.expanded(pattern, where=(f"call.{call}", "mutable")):
            complaint = reader.complaint(name)
            if complaint:
                raise reader.error(complaint, f"call.{call}", "mutable", text=quoted(pattern))
            yield name


def _statements(reader: Reader, body: Mapping[str, Any], key: str, call: str) -> Iterable[Expr]:
    patterns = body.get(key, [])
    if not isinstance(patterns, list):
        raise reader.error(f"{key!r} must be a list of statements", f"call.{call}", key)
    for pattern in patterns:
        for (text,) in reader.expanded(pattern, where=(f"call.{call}", key)):
            yield reader.expr(text, f"call.{call}", key, kind=Kind.STATEMENT, written=pattern)


def _into(reader: Reader, body: Mapping[str, Any], call: str) -> dict[int, str]:
    found = {}
    for register, struct in reader.typed(body, "into", dict, {}).items():
        if struct not in reader.layout.structs:
            reason = f"layout {reader.layout.name} has no struct {struct!r}"
            raise reader.error(reason, f"call.{call}", "into", register)
        found[_parsed_register(reader, register, call)] = struct
    return found


def _leaves(reader: Reader, body: Mapping[str, Any], call: str) -> dict[str, str]:
    found = {}
    for name, field in reader.typed(body, "leaves", dict, {}).items():
        struct, _, inside = str(field).partition(".")
        if struct != "stack_frame" or reader.field_complaint(struct, inside):
            raise reader.error(f"{field!r} is no field of the save area", f"call.{call}", "leaves", name)
        found[name] = field
    return found


def _replaced(reader: Reader, body: Mapping[str, Any]) -> str | None:
    name: str | None = reader.typed(body, "replaces", str, None)
    if name is not None and name not in reader.values:
        complaint = reader.complaint(name)
        if complaint or name.partition(".")[0] not in reader.table.get("struct", {}):
            raise reader.error(complaint or f"{name!r} cannot be replaced", "replaces", text=quoted(name))
    return name


def _patch_of(reader: Reader, body: Mapping[str, Any]) -> str | None:
    name: str | None = reader.typed(body, "patch", str, None)
    if name is not None and name not in reader.table.get("patch", {}):
        raise reader.error(f"no patch site is named {name!r}", "patch", text=quoted(name))
    return name


def _parsed_register(reader: Reader, text: str, call: str) -> int:
    try:
        ((kind, number),) = registers([text])
    except (RegisterError, ValueError) as problem:
        raise reader.error(f"{text!r} is not an argument register", f"call.{call}", text) from problem
    if kind != "r":
        raise reader.error(f"{text!r} is not a general register", f"call.{call}", text)
    return number


def supervisor(reader: Reader) -> SupervisorCall | None:
    """None where the contract does not describe supervisor calls, or says that the routine makes none."""
    body = reader.typed(reader.table, "supervisor_call", dict, {})
    if not reader.typed(body, "allowed", bool, bool(body)):
        return None
    refuses = reader.typed(body, "refuses", list, [])
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in refuses):
        raise reader.error("'refuses' must be a list of numbers", "supervisor_call", "refuses")
    clobbers = reader.register_list("clobbers", body)
    if any(kind != "r" for kind, _ in registers(clobbers)):
        raise reader.error("a supervisor call changes general registers only", "supervisor_call", "clobbers")
    return SupervisorCall(clobbers, tuple(refuses))
