"""return-value: what the traced function returned."""

from verify.properties.base import Property, claims_at_exits, states_claims

PROPERTY = Property(
    name="return-value",
    statement="what the traced function returned (r2, f0) survives the return trampoline",
    proved="the traced function's result survives",
    refuted="the traced function's result is lost: {claim} does not hold",
    states=states_claims("return-value"),
    obligations=claims_at_exits("return-value"),
)
