"""What instructions mean: `zarch/` by hand from the manual, `vex/` through angr's lifter."""
