"""equivalent: two routines behave alike. What it compares is decided in verify/equiv; this is its name and words."""

from __future__ import annotations

from verify.properties.base import Property

NEEDS_TWO = "equivalent is a property of two routines: use `verify equiv OLD.o NEW.o`"

PROPERTY = Property(
    name="equivalent",
    statement="two routines behave alike under one contract: from the same start state, with the same answers of "
    "callees and storage, they make the same calls and leave the same behind",
    proved="both routines do the same in all that the contract speaks of",
    refuted="{what} differs",
    states=lambda _contract: False,  # not of one routine
    obligations=lambda _run: iter(()),
)
