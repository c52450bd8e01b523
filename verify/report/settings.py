"""`verify config`: the settings that hold here, and where each comes from; `verify init`: a file to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verify.config import KEYS, OWN, Config

NONE = f"no settings: there is neither {OWN} nor [tool.verify] here or above, up to the repository"


def render(config: Config, defaults: Mapping[str, Any], *, explain: bool) -> str:
    """A line a setting that is not its default; with `explain` all of them, each with its origin."""
    rows = [_row(key, config, defaults) for key in KEYS if explain or key in config.values]
    rows += [(f"override: {_words(one.files)}", one.reason, one.where) for one in config.overrides]
    if not rows:
        return NONE + "\n"
    width, middle = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{key:<{width}}  {value:<{middle}}  {origin}" if explain else f"{key:<{width}}  {value}"
             for key, value, origin in rows]  # fmt: skip
    return "\n".join([*([] if config.path else [NONE]), *(line.rstrip() for line in lines)]) + "\n"


def _row(key: str, config: Config, defaults: Mapping[str, Any]) -> tuple[str, str, str]:
    if key in config.values:
        line = config.lines.get(key)
        return key, _words(config.values[key]), f"{config.path}:{line}" if line else str(config.path)
    return key, _words(defaults.get(key)), "default"


def _words(value: Any) -> str:
    if not isinstance(value, list | tuple | str | int | float) or value in ([], ()):  # click marks what is not set
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


_HEAD = """# Settings of s390x-verify for this project. What a command line says comes before them, and
# `verify config --explain` tells what holds. (The same keys may stand in pyproject.toml, under [tool.verify].)
"""

_TAIL = """
# handler   = "livepatch"               # only for handlers of this kind (verify list handlers)
# arch      = "z10"                     # flag instructions that this machine does not have
# select    = ["callee-saved", ".."]    # only these properties (verify list properties)
# ignore    = ["expoline"]              # all but these
# format    = ["text", "sarif=verify.sarif"]
# baseline  = "verify-baseline.json"    # what is known does not fail (verify prove --format json=verify-baseline.json)
# fail-on   = ["refuted", "unconfirmed"]
# jobs      = 2
# timeout   = 300

# What some routines are held to instead, with a reason that the report prints:
# [[override]]
# files    = ["special.o"]
# symbols  = ["odd_trampoline"]
# contract = "abi/s390x-linux-kernel"
# reason   = "called with interrupts off, so that .."
"""

TEMPLATES = {
    "kernel": _HEAD + '''
# The objects with trampolines, from the directory of this file on. Build them first.
objects = ["arch/s390/kernel/mcount.o", "arch/s390/lib/expoline/expoline.o"]

# The kernel that they belong to: chooses the contract of each routine (verify list contracts), and the struct layout
# comes from what the build generated.
kernel      = "6.12"
asm-offsets = "include/generated/asm-offsets.h"
''' + _TAIL,
    "library": _HEAD + '''
# The objects, from the directory of this file on. Routines without a claim are held to the s390x ELF ABI.
objects = ["build/*.o"]
''' + _TAIL,
}  # fmt: skip
"""The files that `verify init` writes, by the kind of the project."""
