"""redirect-entry: the machine that a redirected exit hands to the new target."""

from verify.properties.base import Property, claims_at_exits, states_claims

PROPERTY = Property(
    name="redirect-entry",
    statement="at a redirected exit the machine meets the entry protocol of a function: r14 is the parent's return "
    "address and not the target itself, arguments as in regs, r15 as at entry",
    proved="the new target, entered at its first instruction, returns to the parent",
    refuted="the new target, entered at its first instruction, does not return to the parent: {claim} does not hold",
    states=states_claims("redirect-entry"),
    obligations=claims_at_exits("redirect-entry"),
)
