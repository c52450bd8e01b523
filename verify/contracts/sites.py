"""Patch sites in a contract's words: what may stand at a site, and how the kernel writes it.

States, of which the first is how the object is assembled:

    as assembled               what the object holds there
    nop, branch                the conditional relative branch that stands there, with its mask 0 or 15
    bras SYMBOL                that instruction, which must stand there, with the distance to SYMBOL (bras, brasl)
    brasl r0,SYMBOL            that instruction in the place of another of its length
    a704....                   bytes in hexadecimal digits, `..` for one that is kept

Ways of writing, on which hangs what another CPU may find in between:

    at once                    one store, of which a CPU sees all or nothing
    mask byte                  as `at once`, where the second byte is all that changes: any fetch sees either
    byte by byte               in any order
    [[0, 1], [2, 3, 4, 5]]     these groups of bytes one after the other, each at once
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AT_ONCE, MASK_BYTE, BYTE_BY_BYTE = "at once", "mask byte", "byte by byte"
_WAYS = (AT_ONCE, MASK_BYTE, BYTE_BY_BYTE)
_MASKS = {"nop": 0x0, "branch": 0xF}
_LINKS = {"bras": "BRAS", "brasl": "BRASL"}
_LINK = re.compile(r"(\w+) +(?:r(\d|1[0-5]),)?([A-Za-z_.$][\w.$]*)")
_RAW = re.compile(r"(?:[0-9a-f]{2}|\.\.)+")
_LONGEST = 64  # bytes of a site


class SiteError(ValueError):
    """A state or a way of writing that has no meaning; says why."""


@dataclass(frozen=True, slots=True)
class SiteState:
    """What may stand at a site; every part that is None stays as it is assembled.

    `mask` is that of a conditional branch; `link` the mnemonic of a branch that saves the return address in `register`
    and goes to `target`, a symbol; `raw` are bytes, None for one that is kept. `text` is how the contract says it.
    """

    text: str
    mask: int | None = None
    link: str | None = None
    register: int | None = None
    target: str | None = None
    raw: tuple[int | None, ...] | None = None

    @property
    def changes(self) -> bool:
        """Whether anything but the code as assembled."""
        return self.mask is not None or self.link is not None or self.raw is not None


@dataclass(frozen=True, slots=True)
class Writing:
    """How the kernel writes a site: groups of bytes one after the other, or (`groups` None) a named way."""

    way: str
    groups: tuple[tuple[int, ...], ...] | None = None


def state(text: str) -> SiteState:
    """One state. Raises SiteError."""
    if text == "as assembled":
        return SiteState(text)
    if text in _MASKS:
        return SiteState(text, mask=_MASKS[text])
    found = _LINK.fullmatch(text)
    if found and found[1] in _LINKS:
        register = None if found[2] is None else int(found[2])
        return SiteState(text, link=_LINKS[found[1]], register=register, target=found[3])
    if _RAW.fullmatch(text):
        raw = tuple(None if pair == ".." else int(pair, 16) for pair in re.findall("..", text))
        if len(raw) % 2 or len(raw) > _LONGEST:
            raise SiteError(f"{text!r} must be whole halfwords, {_LONGEST} bytes at most")
        return SiteState(text, raw=raw)
    raise SiteError(
        f"{text!r} is no state of a patch site; known: as assembled, nop, branch, bras SYMBOL, brasl rN,SYMBOL, and "
        "bytes such as a704...."
    )


def writing(value: object) -> Writing:
    """A way of writing, as it stands in a contract. Raises SiteError."""
    if isinstance(value, str):
        if value not in _WAYS:
            raise SiteError(f"{value!r} is no way of writing; known: {', '.join(_WAYS)}, and lists of bytes in order")
        return Writing(value)
    if not isinstance(value, list) or not all(isinstance(group, list) and group for group in value):
        raise SiteError("a way of writing must be a word or lists of bytes in order")
    groups = tuple(tuple(group) for group in value)
    flat = [byte for group in groups for byte in group]
    if not all(isinstance(byte, int) and not isinstance(byte, bool) and 0 <= byte < _LONGEST for byte in flat):
        raise SiteError(f"the bytes of a site are numbers from 0 to {_LONGEST - 1}")
    if len(set(flat)) != len(flat):
        raise SiteError("a byte of a site is written once")
    return Writing("in order", groups)
