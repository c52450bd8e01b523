"""regs-honoured: no lost update of what the handler may change."""

from verify.properties.base import Property, claims_at_exits, states_claims

PROPERTY = Property(
    name="regs-honoured",
    statement="every field that the contract calls mutable takes effect at exit: no lost update",
    proved="every change that the handler may make takes effect",
    refuted="a change that the handler made is lost: {claim} does not hold",
    states=states_claims("regs-honoured"),
    obligations=claims_at_exits("regs-honoured"),
)
