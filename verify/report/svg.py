"""The little SVG that the pictures need: escaped elements, and how wide text is."""

from __future__ import annotations

import re
from importlib import resources
from xml.sax.saxutils import escape, quoteattr

NAMESPACE = "http://www.w3.org/2000/svg"
CHARACTER = 7.3  # the advance of a monospaced font of 12 px, or a little more
LINE = 16
_ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """The text without characters that neither XML nor UTF-8 can hold."""
    return _ILLEGAL.sub("\ufffd", text)


def words(text: str) -> str:
    """Text as the content of an element."""
    return escape(clean(text))


def tag(name: str, *children: str, **attributes: str | int | float | None) -> str:
    """An element; `children` are markup. Attributes may be written `class_` and `data_x`; None leaves one out."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            parts.append(f"{key.strip('_').replace('_', '-')}={quoteattr(clean(str(value)))}")
    head = " ".join(parts)
    return f"<{head}>{''.join(children)}</{name}>" if children else f"<{head}/>"


def line(text: str, x: int, y: int, **attributes: str | int | float | None) -> str:
    """One line of text with its base line at `y`."""
    return tag("text", words(text), x=x, y=y, **attributes)


def short(text: str, longest: int) -> str:
    """The text, cut where it is longer than a picture has room for."""
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"


def width(text: str) -> int:
    """How wide a line of text is, in pixels."""
    return int(len(text) * CHARACTER) + 1


def picture(across: int, down: int, *children: str, name: str, **attributes: str | int | float | None) -> str:
    """A whole drawing of this size; `name` says to those who do not see it what it shows."""
    return tag(
        "svg", tag("title", words(name)), *children, xmlns=NAMESPACE, width=across, height=down,
        viewBox=f"0 0 {across} {down}", role="group", aria_label=name, **attributes,
    )  # fmt: skip


def style(*files: str) -> str:
    """Style sheets of this package, joined."""
    folder = resources.files("verify.report.html")
    return "".join(folder.joinpath(file).read_text(encoding="utf-8") for file in files)
