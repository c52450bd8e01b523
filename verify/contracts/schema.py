"""A contract as data: what is assumed, what is called, what must hold where.

Each field says what a kernel engineer states about one protocol. What a contract does not state yields no finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from verify.contracts.expr import Expr
from verify.contracts.layout import Layout
from verify.contracts.sites import SiteState, Writing


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

    A call may also be known by the callee's name (`named`, patterns as of a shell), and then be made any number of
    times. `requires` are statements that must hold at the call, `ensures` what is assumed when it returns. The callee
    may write through the pointer in a register, into a struct in the routine's frame (`into`: register number to
    struct); `leaves` are fields of its caller's save area that it leaves something in, by the name that has here.

    `kept` are fields that the contract calls mutable and a handler model leaves alone.
    """

    name: str
    to: Expr | None
    arguments: Mapping[int, Expr]
    when: Expr | None
    mutable: tuple[str, ...]
    returns: bool
    replaces: str | None
    patch: str | None
    named: tuple[str, ...] = ()
    requires: tuple[Expr, ...] = ()
    ensures: tuple[Expr, ...] = ()
    into: Mapping[int, str] = field(default_factory=dict)
    leaves: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether this stands for any callee at all."""
        return self.to is None and not self.named


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
    """Code that the kernel patches at run time: the symbols it stands at, what may stand there, how it is written.

    The first state is the code as assembled; in every other one the site is switched on.
    """

    name: str
    symbols: tuple[str, ...]
    states: tuple[SiteState, ...]
    writing: Writing


@dataclass(frozen=True)
class Handed:
    """The struct that the handler gets: its type in the layout, and what each listed field must hold then.

    A statement in place of a value is a condition that the field must meet, for fields that are filled in in part.
    """

    name: str
    type: str
    complete: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Region:
    """Storage outside the stack, `size` bytes from `base`, that overlaps no other region and does not wrap.

    It is a struct of the layout, named `struct`, which gave it its size.
    """

    name: str
    base: Expr
    size: int
    struct: str


@dataclass(frozen=True)
class Narrowing:
    """What a handler model (`verify prove --handler`) left of what the contract lets a callee change.

    `changes` may still change; `withheld` may not, though the contract lets it. `beyond` are fields that the model
    changes and the contract does not let it. `sets` holds of the changed fields when a callee returns.
    """

    model: str
    changes: tuple[str, ...]
    withheld: tuple[str, ...]
    beyond: tuple[str, ...]
    sets: tuple[Expr, ...]


@dataclass(frozen=True)
class Contract:
    """Everything that a proof of one routine assumes and claims.

    `remarks` say what it does not claim of this object, and why.
    """

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
    lowcore: Mapping[str, bytes]
    machine: Mapping[str, bool]
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
    handler: Narrowing | None = None
    given: Mapping[str, int | None] = field(default_factory=dict)
    switches: tuple[Expr, ...] = ()
    stores: tuple[tuple[Expr, int], ...] = ()
    regions: tuple[Region, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        """The addressing mode of the code that it is for, 31 or 64: what the layout's word says."""
        return 31 if self.layout.word == 4 else 64

    def in_layout(self, layout: Layout) -> Contract:
        """The same contract with other offsets and sizes of the same structs."""
        regions = tuple(replace(one, size=layout.structs[one.struct].size) for one in self.regions)
        return replace(self, layout=layout, regions=regions)

    def offset(self, name: str) -> tuple[int, int]:
        """First byte and end of a range or field of the layout, by its dotted name. Raises KeyError."""
        struct_name, _, field_name = name.partition(".")
        struct = self.layout.structs[struct_name]
        if field_name in struct.ranges:
            return struct.ranges[field_name]
        field = struct.field(field_name)
        return field.at, field.at + field.size * field.count
