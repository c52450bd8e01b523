"""The one door to the solver: what needs none, what is kept, and what a budget does."""

from __future__ import annotations

import pytest

from verify.machine.term import FALSE, TRUE, Origin, Term, const, eq, leaf, mul, not_, ult
from verify.prove import smt
from verify.prove.smt import Solver, SolverLimit

X, Y = (leaf(name, 64, Origin.ENTRY) for name in "xy")
FACTORS = [eq(mul(X, Y), const(0xFFFFFFFFFFFFFFC5, 64)), ult(const(1, 64), X), ult(const(1, 64), Y), ult(X, Y)]


@pytest.mark.parametrize("wanted", [[], [TRUE], [not_(eq(X, Y))], [ult(X, const(9, 64))], [eq(X, Y)]])
def test_easy_questions_need_no_solver(wanted: list[Term]) -> None:
    solver = Solver()
    model = solver.satisfy(wanted)
    assert model is not None
    assert all(model.value(term) for term in wanted)
    assert solver.queries == 0


def test_what_a_guess_does_not_satisfy_is_asked() -> None:
    solver = Solver()
    model = solver.satisfy([eq(mul(X, const(3, 64)), const(21, 64))])
    assert model is not None
    assert model.value(X) == 7
    assert solver.satisfy([ult(X, Y), ult(Y, X)]) is None
    assert solver.queries == 2


def test_false_is_never_satisfied() -> None:
    solver = Solver()
    assert solver.satisfy([FALSE, eq(X, Y)]) is None
    assert solver.queries == 0


def test_a_question_is_asked_once() -> None:
    solver = Solver()
    for _ in range(3):
        assert solver.satisfy([ult(X, Y), ult(Y, X)]) is None
        assert solver.satisfy([ult(Y, X), ult(X, Y)]) is None
    assert solver.queries == 1


def test_a_budget_that_ran_out_is_not_spent_again() -> None:
    """It is no answer, and never one that something is proved by; a larger budget may be tried."""
    solver = Solver(rlimit=2000)
    for _ in range(3):
        with pytest.raises(SolverLimit):
            solver.satisfy(FACTORS)
    assert solver.queries == 1
    with pytest.raises(SolverLimit):
        solver.satisfy(FACTORS, 4000)
    assert solver.queries == 2


def test_patience_ends() -> None:
    """After some budgets that ran out all others get the small one."""
    solver = Solver(rlimit=1000)
    for n in range(smt.PATIENCE + 2):
        with pytest.raises(SolverLimit):
            solver.satisfy([*FACTORS, ult(X, const(1 << 60 - n, 64))])
    assert solver._exhausted == smt.PATIENCE + 2


def test_a_model_does_not_depend_on_what_was_asked_before() -> None:
    wanted = [eq(mul(X, Y), const(391, 64)), ult(const(1, 64), X), ult(X, Y), ult(Y, const(100, 64))]
    fresh = Solver().satisfy(wanted)
    other = Solver()
    other.satisfy([eq(mul(Y, Y), const(49, 64)), not_(eq(X, Y))])
    assert fresh == {X: 17, Y: 23}
    assert other.satisfy(wanted) == fresh
