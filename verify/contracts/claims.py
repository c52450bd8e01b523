"""Claims: which contract a routine of a file is held to, from the files under proofs/."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from verify.contracts.source import Source, read
from verify.semantics import levels

_KEYS = ("file", "symbols", "contract", "why", "layout", "arch")


@dataclass(frozen=True)
class ProofClaim:
    """Routines of one file, and the contract they obey.

    `layout` is a struct layout other than the contract's, `arch` the machine that the file is built for.
    """

    file: str
    symbols: tuple[str, ...]
    contract: str
    layout: str | None
    arch: str | None
    why: str
    source: Path

    def covers_file(self, actual: tuple[str, ...]) -> bool:
        """Whether a path, given by its components, ends with this claim's file pattern, component by component."""
        wanted = PurePath(self.file).parts
        tail = actual[-len(wanted) :]
        return len(tail) == len(wanted) and all(map(fnmatchcase, tail, wanted))

    def covers(self, names: Iterable[str]) -> bool:
        """Whether one of a routine's names fits one of the patterns."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.symbols)


def load_claims(root: Path) -> tuple[ProofClaim, ...]:
    """All claims under proofs/. Raises ContractError."""
    found: list[ProofClaim] = []
    for path in sorted(root.glob("*.toml")):
        source = read(path)
        source.check_keys(source.table, ("claim",))
        for entry in source.table.get("claim", []):
            found.append(_claim(source, entry))
    return tuple(found)


def _claim(source: Source, entry: dict[str, object]) -> ProofClaim:
    source.check_keys(entry, _KEYS, "claim")
    symbols = entry.get("symbols")
    for key in ("file", "contract", "symbols"):
        if key not in entry:
            raise source.error(f"a claim needs {key!r}", str(entry.get("file", "claim")))
    if not isinstance(symbols, list):
        raise source.error("'symbols' must be a list of names or patterns", "symbols")
    return ProofClaim(
        str(entry["file"]), tuple(map(str, symbols)), str(entry["contract"]),
        _optional(entry, "layout"), _arch(source, entry), str(entry.get("why", "")), source.path,
    )  # fmt: skip


def _optional(entry: dict[str, object], key: str) -> str | None:
    return None if key not in entry else str(entry[key])


def _arch(source: Source, entry: dict[str, object]) -> str | None:
    name = _optional(entry, "arch")
    try:
        return None if name is None else levels.level(name)
    except KeyError as problem:
        raise source.error(f"no machine is named {name!r}; known: {levels.known()}", "arch") from problem
