"""Where models/ and proofs/ are: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def library(name: str) -> Path:
    """Return the directory `name` ("models" or "proofs") that this installation carries.

    Raises FileNotFoundError when neither a wheel nor a checkout has it, which means a broken installation.
    """
    for place in (_PACKAGE / "_library" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"this installation of verify has no {name}/ directory beside {_PACKAGE}")
