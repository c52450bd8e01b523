"""Straight-line instructions through angr's lifter; the only floor that imports pyvex."""
