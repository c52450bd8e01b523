"""The hashes that an entry is found by: a verdict holds as long as nothing that it depends on has changed.

It depends on the object's bytes, on how its file is chosen a contract (its path, by proofs/), on the options, and on
this program: its code, its tables, models/ and proofs/, and the versions of the lifter, the solver and the emulator.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verify import library
from verify.contracts.expr import Expr

_SUFFIXES = (".py", ".tsv", ".toml")
# What reads, walks, proves and replays; what tells, and what runs it, has no part in a verdict.
_DECIDING = ("objfile", "machine", "semantics", "contracts", "walk", "properties", "prove", "explain", "patching",
             "sitestates", "routine", "telling", "pipeline", "choice", "options", "structs")  # fmt: skip
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


def of_data(value: Any) -> str:
    """Plain data such as a contract, by what it says: names, numbers and expressions, wherever its files lie."""
    return of_parts(*_leaves(value))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Path):
        return
    if isinstance(value, Expr):
        yield f"{value.kind.value} {value.text}"
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield f"{type(value).__name__}.{field.name}"
            yield from _leaves(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield f"{len(value)} pairs"
        for key in sorted(value):
            yield repr(key)
            yield from _leaves(value[key])
    elif isinstance(value, list | tuple):
        yield f"{len(value)} items"
        for item in value:
            yield from _leaves(item)
    elif value is None or isinstance(value, str | int | float | bool | bytes | Enum):
        yield f"{type(value).__name__} {value!r}"
    else:
        raise TypeError(f"{type(value).__name__} has no hash here")


@cache
def of_program() -> str:
    """This program and what its verdicts rest on."""
    versions = [f"{name} {version(name)}" for name in _RESTS_ON]
    hashes = [f"{path.parent.name}/{path.name} {sha256(path.read_bytes()).hexdigest()}" for path in files()]
    return of_parts(sys.version, *versions, *hashes)


def deciding() -> Iterator[tuple[str, str]]:
    """The name and the hash of each file of this package that has a part in a verdict; the versions of libraries."""
    package = Path(__file__).resolve().parents[1]
    for path in files():
        if path.is_relative_to(package):
            name = path.relative_to(package).as_posix()
            if name.split("/")[0].removesuffix(".py") in _DECIDING:
                yield f"verify/{name}", sha256(path.read_bytes()).hexdigest()
    for name in _RESTS_ON:
        yield name, version(name)


def files() -> Iterator[Path]:
    """The files of this program, its tables, models/ and proofs/, in a fixed order."""
    package = Path(__file__).resolve().parents[1]
    for root in (package, library.library("models"), library.library("proofs")):
        yield from sorted(path for path in root.rglob("*") if path.suffix in _SUFFIXES)


def _contents(value: object) -> str:
    """The hash of each file that an option names: a contract, a header, a kernel image."""
    if isinstance(value, tuple):
        return ",".join(map(_contents, value))
    if is_dataclass(value):
        return ",".join(_contents(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, str | Path) and str(value) and Path(value).is_file():
        return sha256(Path(value).read_bytes()).hexdigest()
    return ""
