"""The code that a contract says the kernel puts somewhere: patch sites, alternatives, the lowcore."""

from __future__ import annotations

import re
from collections.abc import Iterable

from verify.contracts import sites
from verify.contracts.reader import Reader, quoted
from verify.contracts.schema import PatchSite


def patches(reader: Reader) -> Iterable[PatchSite]:
    """Every [patch.NAME]: where it stands, what may stand there, how it is written."""
    for name, body in reader.typed(reader.table, "patch", dict, {}).items():
        where = f"patch.{name}"
        states = []
        for text in reader.strings(body, "states"):
            try:
                states.append(sites.state(text))
            except sites.SiteError as problem:
                raise reader.error(str(problem), where, "states", text=quoted(text)) from problem
        first, *others = [one.changes for one in states] or [True]
        if first or not others or not all(others):
            raise reader.error("'states' must begin with \"as assembled\" and list another one", where, "states")
        if "written" not in body:
            raise reader.error("a patch site must say how it is 'written'", where, "states")
        try:
            writing = sites.writing(body["written"])
        except sites.SiteError as problem:
            raise reader.error(f"'written': {problem}", where, "written") from problem
        yield PatchSite(name, reader.strings(body, "at"), tuple(states), writing)


def machine(reader: Reader) -> dict[str, bool]:
    """The features that alternatives hang on, of which the contract says that the machine has them or not."""
    found = {}
    for text in reader.strings(reader.table, "machine"):
        match = re.fullmatch(r"with(out)? (\w.*)", text)
        if match is None or match[2] in found:
            raise reader.error(f"{text!r} must be one 'with FEATURE' or 'without FEATURE'", "machine")
        found[match[2]] = match[1] is None
    return found


def lowcore(reader: Reader) -> dict[str, bytes]:
    """The code that the lowcore holds, by the field that it stands in; another kernel may have no such field."""
    found = {}
    for field, text in reader.typed(reader.table, "lowcore", dict, {}).items():
        if "lowcore" not in reader.layout.structs or reader.field_complaint("lowcore", field):
            if reader.elsewhere:
                continue
            raise reader.error(f"layout {reader.layout.name} has no 'lowcore.{field}'", "lowcore", field)
        if not (isinstance(text, str) and re.fullmatch(r"(?:[0-9a-f]{4})+", text)):
            raise reader.error(f"{text!r} must be code in hexadecimal digits", "lowcore", field)
        found[field] = bytes.fromhex(text)
    return found
