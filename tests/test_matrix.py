"""The matrix: for every contract and every property that it states, a committed routine that the property refutes.

Without it a property that never finds anything would pass for a proof. Each routine of trampolines/broken/matrix-*.s
has one fault and the name of the property that must find it; in linux/expoline, where the contract takes the register
from the routine's name, a local label in front carries the property's name.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests import families
from verify import library, pipeline
from verify.contracts.load import contract_names, load_contract
from verify.objfile.elf import load
from verify.properties import PROPERTIES
from verify.report.report import FileReport, RoutineReport
from verify.verdict import Exit, Verdict

ROOT = Path(__file__).resolve().parents[1]
BROKEN = ROOT / "trampolines/broken"
FOUND = {Verdict.REFUTED, Verdict.UNCONFIRMED}

# A contract whose claims name the register that the symbol carries can only be loaded for such a symbol.
SYMBOL_FOR = {"linux/expoline": "__s390_indirect_jump_r1"} | families.SYMBOL_FOR


def contracts() -> list[str]:
    return contract_names(library.library("models"))


def stated(contract: str) -> list[str]:
    loaded = load_contract(library.library("models"), contract, None, SYMBOL_FOR.get(contract, ""))
    return [prop.name for prop in PROPERTIES if prop.states(loaded)]


PAIRS = [(contract, prop) for contract in contracts() for prop in stated(contract)]


def object_of(contract: str) -> Path:
    return BROKEN / f"matrix-{contract.replace('/', '-')}.o"


@cache
def report(contract: str) -> FileReport:
    return pipeline.prove_file(object_of(contract), pipeline.Options())


@cache
def routines(contract: str) -> dict[str, RoutineReport]:
    """The routines of a contract's object, by the name of the property that they must fail."""
    image = load(object_of(contract))
    found = {}
    for routine in report(contract).routines:
        place = image.symbol(routine.routine).place
        assert place is not None
        names = {name.replace("_", "-") for name in image.aliases(place)} & {prop.name for prop in PROPERTIES}
        assert len(names) == 1, f"{object_of(contract).name}: {routine.routine} is named after no property"
        found[names.pop()] = routine
    return found


def verdicts(routine: RoutineReport, prop: str | None) -> set[Verdict]:
    return {finding.verdict for finding in routine.findings if finding.property == prop}


def test_every_contract_states_something() -> None:
    assert all(stated(contract) for contract in contracts())


def test_every_property_is_stated_by_some_contract() -> None:
    """instruction-level is stated by --arch or a claim's `arch` instead; broken/z196-in-z10.o is what it refutes.

    The others that are not stated are no properties of one object: see tests/equiv and tests/robust.
    """
    others = {"instruction-level", "equivalent", "layout-robust"}
    assert {prop for _, prop in PAIRS} == {prop.name for prop in PROPERTIES} - others


def test_there_is_an_object_for_each_contract_and_no_other() -> None:
    assert set(BROKEN.glob("matrix-*.o")) == {object_of(contract) for contract in contracts()}
    assert {path.with_suffix(".o") for path in BROKEN.glob("matrix-*.s")} == set(BROKEN.glob("matrix-*.o"))


@pytest.mark.parametrize("contract", contracts())
def test_no_pair_is_missing_and_none_is_left_over(contract: str) -> None:
    assert not report(contract).troubles
    assert list(routines(contract)) == stated(contract)


@pytest.mark.parametrize("contract", contracts())
def test_each_routine_is_held_to_its_contract_by_a_claim(contract: str) -> None:
    for routine in report(contract).routines:
        assert (routine.contract, routine.reason[:18]) == (contract, "claimed in proofs/"), routine.routine


@pytest.mark.parametrize(("contract", "prop"), PAIRS)
def test_the_property_finds_its_fault(contract: str, prop: str) -> None:
    routine = routines(contract)[prop]
    found = verdicts(routine, prop)
    assert found, f"{prop} says nothing about {routine.routine}"
    assert found <= FOUND, f"{prop} of {routine.routine}: {found}"
    assert not verdicts(routine, None), "trouble with the routine as a whole hides what the property found"


@pytest.mark.parametrize(("contract", "prop"), PAIRS)
def test_the_fault_and_not_the_body_is_what_it_finds(contract: str, prop: str) -> None:
    """The same body with another fault passes: a property that fails whatever it sees would prove nothing either."""
    others = [routine for name, routine in routines(contract).items() if name != prop]
    assert any(verdicts(routine, prop) == {Verdict.PROVED} for routine in others)


@pytest.mark.parametrize("contract", contracts())
def test_the_object_fails_the_gate(contract: str) -> None:
    assert pipeline.prove([object_of(contract)], pipeline.Options()).exit_code() is Exit.BROKEN
