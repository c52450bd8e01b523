"""Assemblers for s390x: which there are, and one source assembled by one of them.

Three are known, and any of them will do: GNU as, clang with its integrated assembler, and the same clang inside the
PyPI package `ziglang` (its own driver, since `zig cc` does not pass the processor level on to the assembler). A source
named `.S` goes through the C preprocessor first, as in the kernel's build: clang has one, GNU as needs another command.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from verify.errors import InputError, UsageError

GNU, CLANG, ZIGLANG = "s390x-linux-gnu-as", "clang", "ziglang"
NAMES = (GNU, CLANG, ZIGLANG)
"""The assemblers by the names that `--assembler` takes, in the order in which they are looked for."""

SECONDS = 60.0
"""Wall-clock time that one run of an assembler or preprocessor may take."""

_TARGET = "--target=s390x-linux-gnu"
_NEWEST = "arch13"  # clang's own default is z10; GNU as takes every instruction it knows unless it is told otherwise
_PREPROCESSORS = ("s390x-linux-gnu-gcc", "gcc", "cc", CLANG)
# What a compiler for s390x defines; another machine's compiler must not speak for its own machine.
_MACROS: dict[int, tuple[str, ...]] = {
    31: ("__s390__", "__ELF__", "__linux__", "__ASSEMBLER__", "__BYTE_ORDER__=4321", "__ORDER_BIG_ENDIAN__=4321",
         "__ORDER_LITTLE_ENDIAN__=1234"),
}  # fmt: skip
_MACROS[64] = (*_MACROS[31], "__s390x__", "__zarch__", "__LP64__", "_LP64")
_PREPROCESSED = (".S", ".sx")
_UNDERSTOOD = {**os.environ, "LC_ALL": "C"}


class NotAssembled(InputError):
    """An assembler or preprocessor refused a source, or did not come to an end."""


@dataclass(frozen=True)
class Source:
    """A source and what its build says about it: include directories, NAME or NAME=VALUE, the machine's level.

    `directory` is where the commands run: names of files in the source are relative to it. `bits` is the addressing
    mode that the code is for, 31 or 64.
    """

    path: Path
    directory: Path
    includes: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    level: str | None = None
    bits: int = 64

    @property
    def preprocessed(self) -> bool:
        """Whether the C preprocessor comes first."""
        return self.path.suffix in _PREPROCESSED


@dataclass(frozen=True)
class Assembler:
    """One assembler: its name, its command, and whether it is clang's driver, which preprocesses by itself."""

    name: str
    command: tuple[str, ...]
    driver: bool

    def assemble(self, source: Source, output: Path) -> None:
        """Write the object file, with DWARF line numbers. Raises NotAssembled, with what the assembler says first."""
        includes = [word for directory in source.includes for word in ("-I", str(directory))]
        level = source.level or (_NEWEST if self.driver else None)
        mode = [] if self.driver else [f"-m{source.bits}"]
        options = ["-g", *mode, *([f"-march={level}"] if level else []), *includes, "-o", str(output)]
        if self.driver:
            language = "assembler-with-cpp" if source.preprocessed else "assembler"
            defines = (
                [f"-D{name}" for name in source.defines]
                if source.preprocessed
                else [f"-Wa,-defsym,{_valued(name)}" for name in source.defines]
            )
            self._run([*self.command, *options, *defines, "-x", language, str(source.path)], source)
        elif source.preprocessed:
            self._run([*self.command, *options, "-"], source, preprocess(source))
        else:
            defines = [word for name in source.defines for word in ("--defsym", _valued(name))]
            self._run([*self.command, *options, *defines, str(source.path)], source)

    def defined(self, source: Source) -> dict[str, str]:
        """The macros that the C preprocessor knows at the end of a source. Raises NotAssembled."""
        if not source.preprocessed:
            return {}
        if self.driver:
            text = _run(self.name, [*self.command[:-1], "-E", "-dM", *_preprocessing(source)], source)
        else:
            text = preprocess(source, "-dM")
        return dict(_macros(text.decode(errors="replace")))

    def _run(self, command: Sequence[str], source: Source, text: bytes | None = None) -> None:
        _run(self.name, command, source, text)


def _valued(define: str) -> str:
    """An assembler has numbers only: a name alone is 1, as for a compiler."""
    return define if "=" in define else f"{define}=1"


def _macros(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = line.split(maxsplit=2)
        if len(words) >= 2 and words[0] == "#define":
            yield words[1], words[2] if len(words) == 3 else ""


# Finding one ----------------------------------------------------------------------------------------------------------


def find(name: str | None = None, bits: int = 64) -> Assembler:
    """The assembler of that name, or the first there is. Raises UsageError with the names where there is none.

    clang knows the 64-bit mode alone.
    """
    if name is not None and name not in NAMES:
        raise UsageError(f"there is no assembler {name!r}; known: {', '.join(NAMES)}")
    if bits == 31 and name not in (None, GNU):
        raise UsageError(f"{name} makes no 31-bit code; {GNU} does")
    for known in (GNU,) if bits == 31 else NAMES if name is None else (name,):
        found = _FINDERS[known]()
        if found is not None:
            return found
    if name is not None:
        raise UsageError(f"there is no assembler {name} here that makes s390x code; {_WANTED}")
    raise UsageError(f"there is no assembler for s390x here: {_WANTED}")


_WANTED = "install GNU as (s390x-linux-gnu-as, of binutils-s390x-linux-gnu), clang, or the PyPI package ziglang"


def available() -> tuple[Assembler, ...]:
    """All that are there, in the order in which they are looked for."""
    return tuple(one for one in (_FINDERS[name]() for name in NAMES) if one is not None)


def _gnu() -> Assembler | None:
    native = ("as",) if platform.machine() == "s390x" else ()
    command = next(filter(None, map(shutil.which, (GNU, *native))), None)
    return Assembler(GNU, (command,), driver=False) if command else None


def _clang() -> Assembler | None:
    command = shutil.which(CLANG)
    if command is None:
        return None
    done = subprocess.run(
        [command, _TARGET, "-x", "assembler", "-c", "-", "-o", os.devnull],
        input=b"", capture_output=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    return Assembler(CLANG, (command, _TARGET, "-c"), driver=True) if done.returncode == 0 else None  # built without it


def _ziglang() -> Assembler | None:
    if importlib.util.find_spec(ZIGLANG) is None:
        return None
    return Assembler(ZIGLANG, (sys.executable, "-m", ZIGLANG, "clang", _TARGET, "-c"), driver=True)


_FINDERS: dict[str, Callable[[], Assembler | None]] = {GNU: _gnu, CLANG: _clang, ZIGLANG: _ziglang}


# Running --------------------------------------------------------------------------------------------------------------


def preprocess(source: Source, *options: str) -> bytes:
    """A source as the C preprocessor of s390x leaves it. Raises NotAssembled, and where there is none UsageError."""
    name = next(filter(shutil.which, _PREPROCESSORS), None)
    if name is None:
        raise UsageError(f"{source.path}: needs the C preprocessor, and {GNU} has none: install gcc or clang")
    own = name == _PREPROCESSORS[0]
    target = [f"-m{source.bits}"] if own else ["-undef", "-nostdinc", *[f"-D{one}" for one in _MACROS[source.bits]]]
    return _run(name, [name, *target, "-E", *options, *_preprocessing(source)], source)


def _preprocessing(source: Source) -> list[str]:
    includes = [word for directory in source.includes for word in ("-I", str(directory))]
    return [*includes, *[f"-D{name}" for name in source.defines], "-x", "assembler-with-cpp", str(source.path)]


def _run(name: str, command: Sequence[str], source: Source, text: bytes | None = None) -> bytes:
    try:
        done = subprocess.run(
            command, cwd=source.directory, input=text, stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True, check=False, timeout=SECONDS, env=_UNDERSTOOD,
        )  # fmt: skip
    except subprocess.TimeoutExpired as problem:
        raise NotAssembled(source.path, f"{name} did not finish within {SECONDS:g} seconds") from problem
    except OSError as problem:
        raise NotAssembled(source.path, f"{name} cannot be run: {problem.strerror}") from problem
    if done.returncode:
        raise NotAssembled(source.path, f"{name} does not take it: {_complaint(done.stderr, done.returncode)}")
    return done.stdout


def _complaint(output: bytes, code: int) -> str:
    """The first error in what a tool printed, else the first line."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line.lower()]
    return next(iter(errors or lines), f"exit code {code}")
