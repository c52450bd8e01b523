"""callee-saved: registers that must survive the routine."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.registers import registers
from verify.machine.state import entry_register
from verify.machine.term import Origin, leaf
from verify.properties.base import Obligation, Property, Run, claims_at_exits, equation, states_claims


def obligations(run: Run) -> Iterator[Obligation]:
    """Each register of `preserves` has its entry value at each exit; then the contract's own claims."""
    for path in run.exits():
        for kind, number in registers(run.contract.preserves):
            if kind == "r":
                found, expected = path.state.seen(number), entry_register(number, path.state.mode)
            else:
                found, expected = path.state.vector[2 * number], leaf(f"old.v{number}.left", 64, Origin.ENTRY)
            name = f"{kind}{number}"
            yield equation(f"{name} is restored", name, found, expected, path, path.end.at)
    yield from claims_at_exits("callee-saved")(run)


PROPERTY = Property(
    name="callee-saved",
    statement="each register that the contract lists ends as the handler left its field, else as it was at entry",
    proved="every listed register is restored",
    refuted="{what} is not restored",
    states=lambda contract: bool(contract.preserves) or states_claims("callee-saved")(contract),
    obligations=obligations,
)
