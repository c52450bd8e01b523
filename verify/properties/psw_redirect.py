"""psw-redirect: where control goes at the end."""

from verify.properties.base import Property, claims_at_exits, states_claims

PROPERTY = Property(
    name="psw-redirect",
    statement="at exit control goes to exactly the address that regs.psw.addr holds then, or where the contract says",
    proved="control goes where the handler's PSW (or the contract) says",
    refuted="control does not go where it should: {claim} does not hold",
    states=states_claims("psw-redirect"),
    obligations=claims_at_exits("psw-redirect"),
)
