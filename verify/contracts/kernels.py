"""Kernel versions, and which of them a contract is for.

A branch is what a release of Linus Torvalds begins (2.6.31, 5.10); a stable release adds a patch level (5.10.262). A
release candidate, and what vendors number on their own (6.1.0-49-s390x), carries more or less than that number says, so
its patch level counts as unknown; a local version after a plus sign (6.12.94+deb13) leaves it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from verify.contracts.source import Source

_VERSION = re.compile(r"(2\.\d+\.\d+|(?:[3-9]|\d\d)\.\d+)(?:\.(\d+))?([-+~_].*)?")

Branch = tuple[int, ...]


class Fit(Enum):
    """Whether a contract is for a version: `MAYBE` where that hangs on a patch level nobody named."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True)
class Version:
    """A kernel version: its branch, and its patch level where that is known."""

    text: str
    branch: Branch
    patch: int | None


def version(text: str) -> Version:
    """`5.10`, `5.10.262`, `2.6.31.5`, `6.1.0-49-s390x`. Raises ValueError for what is none."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a kernel version such as 5.10, 6.1.192 or 6.12.0-rc3")
    branch, patch, suffix = found.groups()
    known = patch is not None and (suffix is None or suffix.startswith("+"))
    return Version(text.strip(), _branch(branch), int(patch) if known else None)


def _branch(text: str) -> Branch:
    return tuple(map(int, text.split(".")))


@dataclass(frozen=True)
class Kernels:
    """The kernels that a contract is for.

    All branches from `first` (None: no branch from its beginning) to `last` (None: and later), but in a branch that
    `superseded` names only the stable releases before that one; and in a branch that `backported` names, the stable
    releases from that one on.
    """

    first: Version | None
    last: Version | None
    backported: tuple[Version, ...] = ()
    superseded: tuple[Version, ...] = ()

    def fit(self, kernel: Version) -> Fit:
        """Whether the contract is for that kernel."""
        if self._inside(kernel):
            since = _since(kernel, self.superseded)
            return {Fit.YES: Fit.NO, Fit.NO: Fit.YES, Fit.MAYBE: Fit.MAYBE}[since]
        return _since(kernel, self.backported)

    def _inside(self, kernel: Version) -> bool:
        if self.first is None or kernel.branch < self.first.branch:
            return False
        return self.last is None or kernel.branch <= self.last.branch

    def order(self) -> tuple[Branch, ...]:
        """To sort by: the first and the last branch."""
        first = self.first or self.backported[0]
        return first.branch, () if self.last is None else self.last.branch

    def describe(self) -> str:
        """`4.0 to 5.3; not stable releases from 4.4.215`."""
        parts = []
        if self.first is not None:
            end = " and later" if self.last is None else f" to {self.last.text}"
            parts.append(self.first.text + ("" if self.last == self.first else end))
        return "; ".join([*parts, *_told(self.backported, ""), *_told(self.superseded, "not ")])


def _told(changes: tuple[Version, ...], negation: str) -> Iterable[str]:
    """The stable releases, in words; a branch without a patch level is one whose first such release is not known."""
    known = ", ".join(one.text for one in changes if one.patch is not None)
    if known:
        yield f"{negation}stable releases from {known}"
    unknown = ", ".join(one.text for one in changes if one.patch is None)
    if unknown:
        yield f"{negation}later stable releases of {unknown}"


def _since(kernel: Version, changes: Iterable[Version]) -> Fit:
    """Whether a kernel is one of the stable releases from one of these on."""
    for change in changes:
        if change.branch == kernel.branch:
            if kernel.patch is None or change.patch is None:
                return Fit.MAYBE
            return Fit.YES if kernel.patch >= change.patch else Fit.NO
    return Fit.NO


def kernels_of(source: Source) -> Kernels | None:
    """The kernels that a contract's own file names; None where it names none. Raises ContractError."""
    found = {key: tuple(_version(source, key, text) for text in source.strings(key)) for key in _VERSIONS}
    named = found["kernels"]
    if "kernels" not in source.table:
        if found["superseded"]:
            raise source.error("'superseded' says nothing without 'kernels'", "superseded")
        return Kernels(None, None, found["backported"]) if found["backported"] else None
    if len(named) not in (1, 2):
        raise source.error("'kernels' is the first and the last kernel, or the first alone (and later)", "kernels")
    if any(one.patch is not None for one in named):
        raise source.error("'kernels' names branches, such as 5.10; stable releases belong to 'backported' and "
                           "'superseded'", "kernels")  # fmt: skip
    if named[-1].branch < named[0].branch:
        raise source.error(f"'kernels' ends with {named[-1].text}, before it begins", "kernels")
    last = named[1] if len(named) == 2 else None
    kernels = Kernels(named[0], last, found["backported"], found["superseded"])
    for key, inside in (("backported", False), ("superseded", True)):
        for one in found[key]:
            if (Kernels(named[0], last).fit(one) is Fit.YES) is not inside:
                where = "is not one" if inside else "is one already"
                raise source.error(f"{key!r} names {one.text}, which {where} of 'kernels'", key)
    return kernels


_VERSIONS = ("kernels", "backported", "superseded")


def _version(source: Source, key: str, text: str) -> Version:
    try:
        return version(text)
    except ValueError as problem:
        raise source.error(str(problem), key) from problem


__all__ = ["Fit", "Kernels", "Version", "kernels_of", "version"]
