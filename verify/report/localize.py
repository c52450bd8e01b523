"""A report whose paths read the same on every machine: relative to the directory that the run started in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import partial
from operator import is_
from pathlib import PurePath
from typing import Any

from verify.report.report import Report


def localize(report: Report, root: PurePath) -> Report:
    """The report with every path below `root` made relative, also inside sentences; other paths stay as given."""
    if root == root.parent:
        return report
    prefix = f"{root.as_posix()}/"
    # A path begins here, not in the middle: /srv/work is not below /work.
    beginning = re.compile(rf"(?<![\w./-]){re.escape(prefix)}")
    relative: Report = changed(report, partial(_without, prefix, beginning))
    return relative


def _without(prefix: str, beginning: re.Pattern[str], text: str) -> str:
    return beginning.sub("", text) if prefix in text else text


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """The same data with every string changed; the same object where there is nothing to change."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        items = tuple(changed(item, change) for item in value)
        return value if all(map(is_, items, value)) else items
    if is_dataclass(value) and not isinstance(value, type):
        old = {field.name: getattr(value, field.name) for field in fields(value)}
        new = {name: changed(item, change) for name, item in old.items()}
        return value if all(map(is_, new.values(), old.values())) else replace(value, **new)
    return value
