"""A contract on one page: its files, and all that they say together, to read or to start one's own from."""

from __future__ import annotations

import re
from pathlib import Path

import tomli_w

from verify.contracts.load import KEYS, resolve

_INHERITED = ("extends", "abstract")
_ARRAY = re.compile(r"\[\n((?:    .*,\n)+)\]")
_WIDTH = 120


def render(root: Path, name: str) -> str:
    """The merged contract as TOML, under a comment that names its files. Raises ContractError.

    Saved to a file and changed it is a contract of its own, for `--contract FILE.toml`.
    """
    sources, table = resolve(root, name)
    head = [f"# {name}, all in one: what these files say together.", *(f"#   {source.path}" for source in sources)]
    own = {key: table[key] for key in KEYS if key in table and key not in _INHERITED}
    return "\n".join(head) + "\n\n" + _ARRAY.sub(_on_one_line, tomli_w.dumps(own))


def _on_one_line(array: re.Match[str]) -> str:
    items = ", ".join(line.strip().removesuffix(",") for line in array.group(1).splitlines())
    return f"[{items}]" if len(items) + len("redirect-entry = []") <= _WIDTH else array.group(0)
