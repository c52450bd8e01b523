"""Paths through the code: forks, calls, exits, bounds; and the control-flow graph for reports."""
