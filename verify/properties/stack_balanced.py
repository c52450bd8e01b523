"""stack-balanced: r15 at the exits."""

from verify.properties.base import Property, claims_at_exits, states_claims

PROPERTY = Property(
    name="stack-balanced",
    statement="r15 at every exit is what the contract says, usually its entry value",
    proved="r15 is back where it was",
    refuted="the stack pointer is not back where it was: {claim} does not hold",
    states=states_claims("stack-balanced"),
    obligations=claims_at_exits("stack-balanced"),
)
