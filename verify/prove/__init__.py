"""From obligations to verdicts: queries, the solver, vacuity."""
