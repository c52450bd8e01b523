"""expoline: no indirect branch outside an execute, where the contract asks (Spectre variant 2)."""

from __future__ import annotations

from collections.abc import Iterator

from verify.properties.base import Obligation, Property, Run, anchor, impossible


def obligations(run: Run) -> Iterator[Obligation]:
    """The witness is the instruction itself."""
    for path in run.exits():
        yield anchor(path, "no indirect branch outside an expoline")
        for branch in path.state.branches:
            if not branch.executed:
                at = path.code.place(branch.at) or path.end.at
                yield impossible(
                    "every indirect branch is the target of an execute", branch.text, path, at,
                    f"{branch.text} at {path.code.image.label(at)} is an indirect branch outside an expoline",
                    witness=True,
                )  # fmt: skip


PROPERTY = Property(
    name="expoline",
    statement="where the contract asks, no indirect branch is executed outside an expoline",
    proved="every indirect branch is inside an expoline",
    refuted="{what} is an indirect branch outside an expoline",
    states=lambda contract: contract.expoline,
    obligations=obligations,
)
