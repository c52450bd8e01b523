"""A contract as data: what is assumed, what is called, what must hold where.

Each field says what a kernel engineer states about one protocol. What a contract does not state yields no finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from verify.contracts.expr import Expr
from verify.contracts.layout import Layout


@dataclass(frozen=True)
class Claim:
    """One statement, owned by a property: `that` must hold wherever `when` does (always, where it is None)."""

    that: Expr
    when: Expr | None = None


@dataclass(frozen=True)
class Call:
    """A call that the routine makes: whom, when, with what, and what the callee may change.

    `to` is None where any callee is allowed. `argument` maps a register number to what it must hold. `mutable` are
    the fields of the struct handed out that the callee may change. `returns` says whether r2 is a result;
    `replaces` names the value or struct field that the result takes the place of.
    """

    name: str
    to: Expr | None
    arguments: Mapping[int, Expr]
    when: Expr | None
    mutable: tuple[str, ...]
    returns: bool
    replaces: str | None
    patch: str | None


@dataclass(frozen=True)
class SupervisorCall:
    """What the environment does at a SUPERVISOR CALL: the registers it changes, and the numbers it is not allowed.

    Linux takes the number from the instruction, or from r1 where that is zero. `refuses` are the calls that come back
    twice, elsewhere, or not at all.
    """

    clobbers: tuple[str, ...]
    refuses: tuple[int, ...]


@dataclass(frozen=True)
class PatchSite:
    """Code that the kernel patches at run time: the symbol it stands at, as assembled and when switched on.

    `assembled` is the mnemonic that must stand there. Switched on it becomes a no-operation (`on` is None), or a
    `bras` to the symbol `on`.
    """

    name: str
    symbols: tuple[str, ...]
    assembled: str
    on: str | None


@dataclass(frozen=True)
class Handed:
    """The struct that the handler gets: its type in the layout, and what each listed field must hold then."""

    name: str
    type: str
    complete: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Contract:
    """Everything that a proof of one routine assumes and claims."""

    name: str
    summary: str
    path: Path
    layout: Layout
    symbols: tuple[str, ...]
    inner: tuple[str, ...]
    meaning: Mapping[str, str]
    assume: tuple[Expr, ...]
    defines: tuple[str, ...]
    grants: tuple[str, ...]
    separate: tuple[str, ...]
    writes: tuple[str, ...] | None
    clobbers: tuple[str, ...]
    keeps: tuple[str, ...]
    thunks: bool
    supervisor: SupervisorCall | None
    variables: Mapping[str, int]
    values: Mapping[str, Expr]
    calls: tuple[Call, ...]
    patches: tuple[PatchSite, ...]
    handed: Handed | None
    early: Expr | None
    early_claims: Mapping[str, tuple[Claim, ...]]
    preserves: tuple[str, ...]
    vector: tuple[str, ...] | None
    mode: tuple[str, ...] | None
    unwind: tuple[Expr, ...] | None
    call_abi: bool
    expoline: bool
    arch: str | None
    stale: tuple[str, ...] | None
    claims: Mapping[str, tuple[Claim, ...]]

    def offset(self, name: str) -> tuple[int, int]:
        """First byte and end of a range or field of the layout, by its dotted name. Raises KeyError."""
        struct_name, _, field_name = name.partition(".")
        struct = self.layout.structs[struct_name]
        if field_name in struct.ranges:
            return struct.ranges[field_name]
        field = struct.field(field_name)
        return field.at, field.at + field.size * field.count
