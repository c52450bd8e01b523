"""regs-complete: what the handler sees in the struct it is handed."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.expr import Kind, Undefined
from verify.machine.term import INDETERMINATE, Term, eq, extract, zero_extend
from verify.properties.base import Obligation, Property, Run, impossible


def obligations(run: Run) -> Iterator[Obligation]:
    """At the call that hands the struct out, each listed field holds the traced point's value."""
    handed = run.contract.handed
    if handed is None:
        return
    for path, made in run.calls():
        if made.struct is None or made.before.struct is not None:
            continue
        moment = run.at_call(path, made)
        for field, value in handed.complete:
            name = f"{handed.name}.{field}"
            claim = value.text if value.kind is Kind.STATEMENT else f"{name} == {value.text}"
            try:
                found = moment.field(field)
                goal = moment.for_some_read(value, lambda v, f=found: _meets(f, v))  # type: ignore[misc]
                first = moment.first(value)
                expected = None if value.kind is Kind.STATEMENT else _fit(first, found)
            except Undefined as problem:
                yield impossible(claim, name, path, made.at, str(problem))
                continue
            reason = "never written" if _unwritten(found) else ""
            yield Obligation(claim, goal, path, made.at, name, expected, found, reason=reason)


def _meets(found: Term, wanted: Term) -> Term:
    """A field holds a value, or (where the contract has a statement) fulfils a condition, such as one on some bits."""
    return wanted if wanted.width == 0 else eq(found, _fit(wanted, found))


def _fit(value: Term, found: Term) -> Term:
    if value.width > found.width:
        return extract(value, found.width - 1, 0)
    return zero_extend(value, found.width)


def _unwritten(value: Term) -> bool:
    return all(leaf.leaf is not None and leaf.leaf.origin in INDETERMINATE for leaf in value.leaves()) and bool(
        value.leaves()
    )


PROPERTY = Property(
    name="regs-complete",
    statement="every field of the struct that the contract lists holds the traced point's value at the call",
    proved="the handler finds every listed field filled in",
    refuted="{what} does not hold the traced point's value",
    states=lambda contract: contract.handed is not None and bool(contract.handed.complete),
    obligations=obligations,
)
