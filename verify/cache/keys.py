"""The hashes that an entry is found by: a verdict holds as long as nothing that it depends on has changed.

It depends on the object's bytes, on how its file is chosen a contract (its path, by proofs/), on the options, and on
this program: its code, its tables, models/ and proofs/, and the versions of the lifter, the solver and the emulator.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verify import library

_SUFFIXES = (".py", ".tsv", ".toml")
_RESTS_ON = ("pyvex", "cle", "archinfo", "z3-solver", "pyelftools", "unicorn")


def of_parts(*parts: object) -> str:
    """One hash of several texts, which cannot run into one another."""
    whole = sha256()
    for part in parts:
        data = str(part).encode("utf-8", "surrogateescape")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def of_options(options: Any) -> str:
    """All that the command line asked for, by name and value, and the contents of the files that it names."""
    pairs = [(field.name, getattr(options, field.name)) for field in fields(options)]
    return of_parts(*[f"{name}={value!r}:{_contents(value)}" for name, value in pairs])


def of_file(path: Path, data: bytes, program: str, options: str) -> str:
    """An input of this name and these bytes, under that program and those options."""
    return of_parts("file", path, path.resolve(), sha256(data).hexdigest(), program, options)


@cache
def of_program() -> str:
    """This program and what its verdicts rest on."""
    package = Path(__file__).resolve().parents[1]
    roots = (package, library.library("models"), library.library("proofs"))
    versions = [f"{name} {version(name)}" for name in _RESTS_ON]
    return of_parts(sys.version, *versions, *_listed(roots))


def _listed(roots: Iterable[Path]) -> Iterable[str]:
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in _SUFFIXES:
                yield f"{path.relative_to(root)} {sha256(path.read_bytes()).hexdigest()}"


def _contents(value: object) -> str:
    """The hash of a file that an option names: a contract, a header, a kernel image."""
    if isinstance(value, str | Path) and str(value) and Path(value).is_file():
        return sha256(Path(value).read_bytes()).hexdigest()
    return ""
