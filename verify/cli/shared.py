"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from verify.options import TIMEOUT
from verify.report import formats
from verify.verdict import Verdict

if TYPE_CHECKING:
    from verify.cache.store import Store

Command = TypeVar("Command", bound=Callable[..., None])


def names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """A list with commas between its words."""
    found = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not found:  # an empty variable in a CI script must not change what is proved
        raise click.BadParameter("names no property")
    return found


def _targets(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[formats.Target, ...]:
    try:
        return tuple(map(formats.target, values))
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from problem


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    return None if value is None else _number(value)


def _lets(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for value in values:
        name, equals, number = value.partition("=")
        if not (equals and name.isidentifier()):
            raise click.BadParameter(f"{value!r} is not NAME=NUMBER")
        if found.setdefault(name, _number(number)) != _number(number):
            raise click.BadParameter(f"{name} is given twice")
    return tuple(found.items())


def _number(text: str) -> int:
    """A number of 64 bits, hexadecimal after 0x."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        raise click.BadParameter(f"{text!r} is not a number of 64 bits, such as 0x3ff80012340")
    return number


def choosing(command: Command) -> Command:
    """Options that choose a routine and what it is held to; each is a field of pipeline.Options by its name."""
    for option in reversed(_CHOOSING):
        command = option(command)
    return command


_CHOOSING = (
    click.option("--symbol", metavar="S", help="Only the routine of this name."),
    click.option("--contract", metavar="NAME", help="Hold it to this contract (see `verify list contracts`)."),
    click.option("--kernel", metavar="VERSION", help="Choose the contracts of this kernel (5.10, 6.12.94, ..)."),
    click.option("--layout", metavar="NAME", help="Use this struct layout instead of the contract's own."),
    click.option(
        "--asm-offsets",
        metavar="HEADER",
        type=click.Path(path_type=Path),
        help="Use the struct layout of the kernel with this include/generated/asm-offsets.h.",
    ),
    click.option(
        "--dwarf",
        metavar="VMLINUX",
        type=click.Path(path_type=Path),
        help="Use the struct layout that the debugging information of this image, module or object describes.",
    ),
    click.option("--arch", metavar="M", help="The machine the code is built for (z10, ..): flag newer instructions."),
    click.option("--handler", metavar="NAME", help="Only for handlers of this kind (see `verify list handlers`)."),
    click.option("--raw", is_flag=True, help="The files are bare code (a JIT dump, binary or in hexadecimal)."),
    click.option("--base", metavar="ADDR", callback=_address, help="The address at which raw code lies."),
    click.option("--entry", metavar="OFFSET", callback=_address, help="Where the routine begins in raw code (0)."),
    click.option(
        "--let",
        multiple=True,
        callback=_lets,
        metavar="NAME=NUMBER",
        help="What a name in the contract of raw code stands for, such as a function's address; may be repeated.",
    ),
)


def part(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """A part I/N of a run."""
    if value is None:
        return None
    number, _, count = value.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise click.BadParameter(f"{value!r} is no part I/N of a run, such as 1/4")
    return int(number), int(count)


def _verdicts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[Verdict, ...]:
    """The verdicts that do not fail the run, from those that do."""
    words = names(_context, _parameter, value)
    for word in words:
        if word not in map(str, formats.FAILING):
            raise click.BadParameter(
                f"{word!r} is no verdict that fails; there are {', '.join(map(str, formats.FAILING))}"
            )
    return tuple(verdict for verdict in formats.FAILING if words and str(verdict) not in words)


def gating(command: Command) -> Command:
    """Options that say what makes a run fail."""
    for option in reversed(_GATING):
        command = option(command)
    return command


_GATING = (
    click.option(
        "--baseline",
        metavar="REPORT",
        type=click.Path(path_type=Path),
        help="A JSON report of an earlier run: what it has is told, and does not fail this one.",
    ),
    click.option(
        "--fail-on",
        "tolerated",
        callback=_verdicts,
        metavar="VERDICT,..",
        help="Fail only on these verdicts, and on bad input (default: on all but proved).",
    ),
)


def reporting(command: Command) -> Command:
    """Options that say in which formats a report is written, and where."""
    for option in reversed(_REPORTING):
        command = option(command)
    return command


_REPORTING = (
    click.option(
        "--format",
        "reports",
        multiple=True,
        callback=_targets,
        metavar="NAME[=FILE]",
        help=f"Report format: {formats.NAMES} (default: text). With =FILE into that file; may be given several times.",
    ),
    click.option("--output", type=click.Path(path_type=Path), help="File for the report whose --format names none."),
    click.option("--quiet", is_flag=True, help="Say nothing about what is proved."),
)


def caching(command: Command) -> Command:
    """Options that say where verdicts are kept."""
    command = click.option(
        "--no-cache", is_flag=True, envvar="VERIFY_NO_CACHE", help="Prove everything, and keep nothing."
    )(command)
    return click.option(
        "--cache-dir",
        metavar="DIR",
        type=click.Path(path_type=Path),
        envvar="VERIFY_CACHE_DIR",
        help="Keep verdicts here, not in the user's cache directory.",
    )(command)


def store(directory: Path | None, no_cache: bool) -> Store | None:
    """The cache that these options name."""
    if no_cache:
        return None
    from verify.cache.store import Store

    if directory is None:
        from platformdirs import user_cache_path

        directory = user_cache_path("s390x-verify", appauthor=False)
    return Store(directory)


def running(what: str) -> Callable[[Command], Command]:
    """Options that say how much is done at a time, and how long for one; `what` is one of them in words."""

    def decorate(command: Command) -> Command:
        command = click.option(
            "--timeout",
            type=click.FloatRange(0),
            default=TIMEOUT,
            metavar="SECONDS",
            show_default=True,
            help=f"Give a {what} up, as an error, after this time; 0: never.",
        )(command)
        return click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help=f"Do N {what}s at a time.")(
            command
        )

    return decorate
