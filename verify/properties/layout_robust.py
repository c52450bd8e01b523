"""layout-robust: the proof survives a change of the structs.

It is a statement about a source, not about the code of one object: the source is assembled again against other
layouts, and the routine is proved again. So `verify robust` decides it, and a walk through one object draws no
obligation from it.
"""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.schema import Contract
from verify.properties.base import Obligation, Property, Run

NEEDS_SOURCE = (
    "layout-robust is a property of a source, which is assembled again and again: use `verify robust SOURCE --offsets "
    "FILE`"
)


def states(_contract: Contract) -> bool:
    """No contract states it."""
    return False


def obligations(_run: Run) -> Iterator[Obligation]:
    """None: see above."""
    return iter(())


PROPERTY = Property(
    name="layout-robust",
    statement="the proof survives a change of the structs whose offsets are generated: fields that moved, a struct "
    "that grew",
    proved="the routine is proved again in every moved layout",
    refuted="{what} is an offset that was written as a number",
    states=states,
    obligations=obligations,
)
