"""Handler models: what one kind of handler changes of the struct it is handed, as data under models/handlers/.

A contract says what any handler may change. A model takes all of that away but its own fields: a proof under it holds
for fewer handlers, so every report of one names the model and what it leaves alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verify.contracts.expr import Expr, ExprError, Kind, expand, parse
from verify.contracts.layout import load_layout
from verify.contracts.load import layout_names
from verify.contracts.schema import Call, Contract, Narrowing
from verify.contracts.source import Source, read
from verify.errors import Undecided, UsageError
from verify.machine.term import Term

_KEYS = ("summary", "source", "changes", "sets")
_EVERYTHING = "everything"


@dataclass(frozen=True)
class Handler:
    """One kind of handler. `changes` are fields of the struct, by their names there; None: all that may be changed.

    `sets` are statements about those fields, which hold when the handler returns.
    """

    name: str
    summary: str
    changes: tuple[str, ...] | None
    sets: tuple[Expr, ...]


def handler_names(root: Path) -> list[str]:
    """All handler models, sorted."""
    return sorted(path.stem for path in (root / "handlers").glob("*.toml"))


def load_handler(root: Path, name: str) -> Handler:
    """Load models/handlers/NAME.toml. Raises UsageError for a name that is none, ContractError for a mistake in it."""
    known = handler_names(root)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no handler model named {name!r}; {hint}known: {', '.join(known)}")
    source = read(root / "handlers" / f"{name}.toml")
    source.check_keys(source.table, _KEYS)
    changes = _changes(root, source)
    return Handler(name, str(source.table.get("summary", "")), changes, _sets(source, changes or ()))


def _changes(root: Path, source: Source) -> tuple[str, ...] | None:
    value = source.table.get("changes")
    if value == _EVERYTHING:
        return None
    known = _known_fields(root)
    found: list[str] = []
    for pattern in _strings(source, value, "changes"):
        for name in _expanded(source, pattern):
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise source.error(f"no struct of any layout has a field {name!r}{hint}", "changes", pattern)
            found.append(name)
    return tuple(found)


def _known_fields(root: Path) -> frozenset[str]:
    """The fields of all structs of all layouts: a name that is none of them is a slip, and would change nothing."""
    return frozenset(
        f"{name}[{index}]" if field.count > 1 else name
        for layout in layout_names(root)
        for struct in load_layout(root, layout).structs.values()
        for name, field in struct.fields.items()
        for index in range(field.count)
    )


def _strings(source: Source, value: Any, key: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise source.error(f"{key!r} must be a list of strings, or (changes) {_EVERYTHING!r}", key)
    return value


def _expanded(source: Source, pattern: str) -> Iterator[str]:
    try:
        yield from (name for (name,) in expand(pattern))
    except ExprError as problem:
        raise source.error(str(problem), "changes", pattern) from problem


def _sets(source: Source, changes: tuple[str, ...]) -> tuple[Expr, ...]:
    found = []
    for text in _strings(source, source.table.get("sets", []), "sets"):
        try:
            found.append(parse(text, lambda name: None if name in changes else f"{name!r} is not among its 'changes'"))
        except ExprError as problem:
            raise source.error(str(problem), "sets", text) from problem
        if found[-1].kind is not Kind.STATEMENT:
            raise source.error(f"{text!r} is a number, where a statement belongs", "sets", text)
        if not found[-1].names or "mem" in text:
            raise source.error(f"{text!r} must speak of fields, and of nothing else", "sets", text)
    return tuple(found)


# A contract under a model ---------------------------------------------------------------------------------------------


def narrowed(contract: Contract, model: Handler) -> Contract:
    """The contract with callees that change of the struct only what the model changes too."""
    if model.changes is None:
        return contract
    prefix = "" if contract.handed is None else f"{contract.handed.name}."
    mine = {prefix + name for name in model.changes}
    mutable = list(dict.fromkeys(name for call in contract.calls for name in call.mutable))
    calls = tuple(_narrowed(call, mine) for call in contract.calls)
    left = Narrowing(
        model.name,
        changes=tuple(name for name in mutable if name in mine),
        withheld=tuple(name for name in mutable if name not in mine),
        beyond=tuple(name for name in model.changes if prefix + name not in mutable),
        sets=model.sets,
    )
    return replace(contract, calls=calls, handler=left)


def _narrowed(call: Call, mine: set[str]) -> Call:
    mutable = tuple(name for name in call.mutable if name in mine)
    return replace(call, mutable=mutable, kept=tuple(name for name in call.mutable if name not in mine))


def left_behind(contract: Contract, fields: Mapping[str, Term]) -> list[Term]:
    """What the model says of the fields that a call has just changed, as Bools over their new contents."""
    if contract.handler is None or contract.handed is None:
        return []
    scope = _Fields(contract.handed.name, fields)
    return [expr.term(scope) for expr in contract.handler.sets if all(scope.has(name) for name in expr.names)]


@dataclass(frozen=True)
class _Fields:
    """The names in `sets`: fields of the struct, without its name."""

    struct: str
    fields: Mapping[str, Term]

    def has(self, name: str) -> bool:
        return f"{self.struct}.{name}" in self.fields

    def name(self, path: str) -> Term:
        return self.fields[f"{self.struct}.{path}"]

    def memory(self, address: Term, *, old: bool, size: int | None = None) -> Term:  # `_sets` refuses it when read
        raise Undecided(f"a handler model speaks of storage at {address}, not of fields alone")


def withheld(contract: Contract, when: Expr | None) -> tuple[str, ...]:
    """The fields in a condition that the contract lets a handler change and the model does not."""
    if contract.handler is None or when is None:
        return ()
    return tuple(name for name in dict.fromkeys(when.names) if name in contract.handler.withheld)


def sentences(contract: Contract) -> Iterable[str]:
    """What a proof assumes of the callees and the struct they are handed; under a model with its name."""
    model = contract.handler
    if model is None:
        for call in contract.calls:
            if call.mutable:
                yield f"{call.name} changes of the struct only {listed(call.mutable)}"
        return
    if contract.handed is None or not (model.changes or model.withheld):
        yield f"handler {model.model}: this contract hands out nothing that a handler may change"
        return
    changes = f"{listed(model.changes)} and nothing else" if model.changes else "nothing"
    sets = [expr.text for expr in model.sets if set(expr.names) & {_short(name) for name in model.changes}]
    leaves = f", and leaves {' and '.join(sets)}" if sets else ""
    yield f"handler {model.model}: changes {changes} of the struct{leaves}"
    if model.beyond:
        yield f"handler {model.model}: the contract does not let it change {listed(model.beyond)}"


def _short(name: str) -> str:
    return name.partition(".")[2]


def listed(names: Iterable[str]) -> str:
    """`regs.gprs[2], .., regs.gprs[14]` is one range to a reader."""
    plain: list[str] = []
    arrays: dict[str, list[int]] = {}
    for name in names:
        base, _, index = name.partition("[")
        if index:
            arrays.setdefault(base, []).append(int(index[:-1]))
        else:
            plain.append(name)
    return ", ".join([*plain, *[f"{base}[{run}]" for base, numbers in arrays.items() for run in _runs(numbers)]])


def _runs(numbers: list[int]) -> Iterator[str]:
    """Consecutive numbers as first..last."""
    rest = sorted(numbers)
    while rest:
        length = next((n for n in range(1, len(rest)) if rest[n] != rest[0] + n), len(rest))
        yield str(rest[0]) if length == 1 else f"{rest[0]}..{rest[length - 1]}"
        rest = rest[length:]
