"""Versions of this tool and of what its verdicts rest on."""

from __future__ import annotations

from importlib.metadata import version

from verify import __version__

RESTS_ON = ("pyvex", "cle", "z3-solver")


def versions() -> dict[str, str]:
    """By name, for reports."""
    return {"version": __version__, **{name: version(name) for name in RESTS_ON}}
