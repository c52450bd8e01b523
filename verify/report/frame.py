"""The stack frame of a routine as SVG, to scale: high addresses on top, r15 at entry as a line across it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from verify.report import svg
from verify.report.report import Line, Slot

HEADER = 160
"""Bytes of the area at the start of each frame that its callee may use (psABI)."""

_PER_BYTE = 3
_BREAK = 48  # an unused stretch of more bytes is drawn shorter, and says so
_SHORTENED = 24  # pixels
_RULER, _BAND, _BOX, _WHO = 44, 36, 210, 190  # widths of the columns
_SMALLEST, _SMALL = 12, 16  # pixels that a line of text needs, in small letters and in those of the page
_LONGEST = 30
_TOP = 22


@dataclass(frozen=True)
class Band:
    """Bytes with one purpose: a frame's header, the struct that is handed out."""

    offset: int
    size: int
    name: str


@dataclass(frozen=True)
class _Scale:
    """From offset to y: stretches of (highest offset, lowest offset, y of the highest, shortened)."""

    stretches: tuple[tuple[int, int, int, bool], ...]
    height: int

    def y(self, offset: int) -> int:
        """The y of the boundary below the byte at `offset`."""
        for high, low, top, cut in self.stretches:
            if low <= offset <= high:
                pixels = _SHORTENED * (high - offset) // (high - low) if cut else (high - offset) * _PER_BYTE
                return top + pixels
        raise ValueError(offset)


def bands(slots: Sequence[Slot]) -> tuple[Band, ...]:
    """What the names of the slots show: the caller's frame header, the own one where it lies, and structs."""
    found = [Band(0, HEADER, "caller's frame header")] if any(slot.offset >= 0 for slot in slots) else []
    own = _own_header(slots)
    if own is not None:
        found.append(Band(own, HEADER, "own frame header"))
    structs: dict[str, list[Slot]] = {}
    for slot in slots:
        if "." in slot.name:
            structs.setdefault(slot.name.partition(".")[0], []).append(slot)
    for name, fields in structs.items():
        low = min(slot.offset for slot in fields)
        found.append(Band(low, max(slot.offset + slot.size for slot in fields) - low, name))
    return tuple(found)


def _own_header(slots: Sequence[Slot]) -> int | None:
    """The same field below r15 at entry and above it: the distance is the size of the own frame."""
    above = {slot.name: slot.offset for slot in slots if slot.offset >= 0 and slot.name}
    lower = [(slot.offset, slot.name.removeprefix("own ")) for slot in slots if slot.offset < 0]
    return min((offset - above[name] for offset, name in lower if name in above), default=None)


def render(slots: Sequence[Slot], code: Sequence[Line], prefix: str, name: str) -> str:
    """The frame as an SVG element that is called `name`; its slots link to rows of a table (ids `PREFIXt`)."""
    if not slots:
        return ""
    shown = bands(slots)
    scale = _scale(slots, shown)
    numbers = {line.address: number for number, line in enumerate(code)}
    hatch = f"{prefix}hatch"
    parts = [_hatching(hatch), *_cuts(scale)]
    parts += [_band(band, scale) for band in shown]
    lanes = _lanes(slots)
    for index, slot in enumerate(slots):
        parts.append(_slot(index, slot, scale, lanes[index], _writers(slot, code, numbers), numbers, prefix))
    parts.append(_entry(scale))
    across = _RULER + _BAND + _BOX + _WHO
    return svg.picture(across, scale.height + 12, *parts, name=name, class_="frame")


def _scale(slots: Sequence[Slot], shown: Sequence[Band]) -> _Scale:
    edges = {0, *(slot.offset for slot in slots), *(slot.offset + slot.size for slot in slots)}
    edges |= {band.offset for band in shown} | {band.offset + band.size for band in shown}
    marks = sorted(edges, reverse=True)
    stretches, y = [], _TOP
    for high, low in itertools.pairwise(marks):
        used = any(slot.offset < high and low < slot.offset + slot.size for slot in slots)
        cut = not used and high - low > _BREAK
        stretches.append((high, low, y, cut))
        y += _SHORTENED if cut else (high - low) * _PER_BYTE
    return _Scale(tuple(stretches), y)


def _lanes(slots: Sequence[Slot]) -> list[tuple[int, int]]:
    """Of each slot its lane and the number of lanes: slots that share bytes stand side by side."""
    found: list[tuple[int, int]] = []
    group: list[int] = []  # the ends of the lanes of slots that touch each other
    start = 0
    for index, slot in enumerate(slots):  # sorted by offset
        if all(end <= slot.offset for end in group):
            found[start:] = [(lane, len(group)) for lane, _ in found[start:]]
            group, start = [], index
        lane = next((number for number, end in enumerate(group) if end <= slot.offset), len(group))
        group[lane : lane + 1] = [slot.offset + slot.size]
        found.append((lane, 0))
    found[start:] = [(lane, len(group)) for lane, _ in found[start:]]
    return found


def _hatching(name: str) -> str:
    stroke = svg.tag("path", d="M0 6L6 0", class_="hatching")
    return svg.tag("defs", svg.tag("pattern", stroke, id=name, width=6, height=6, patternUnits="userSpaceOnUse"))


def _cuts(scale: _Scale) -> Iterator[str]:
    for high, low, y, cut in scale.stretches:
        if cut:
            middle = y + _SHORTENED // 2
            x = _RULER + _BAND
            wave = f"M{x} {middle + 6}" + "".join(f"l5 {-4 if n % 2 else 4}" for n in range(_BOX // 5))
            yield svg.tag("path", d=wave, class_="cut")
            yield svg.line(f"{high - low} bytes, shortened", x + 8, middle + 2, class_="soft")


def _band(band: Band, scale: _Scale) -> str:
    top, bottom = scale.y(band.offset + band.size), scale.y(band.offset)
    x = _RULER + _BAND - 10
    bracket = svg.tag("path", d=f"M{x} {top + 2}h-5V{bottom - 2}h5", class_="bracket")
    y = (top + bottom) // 2
    text = svg.short(band.name, max((bottom - top) // 8, 1))
    name = svg.line(text, x - 12, y, class_="band", text_anchor="middle", transform=f"rotate(-90 {x - 12} {y})")
    return svg.tag("g", bracket, name)


def _writers(slot: Slot, code: Sequence[Line], numbers: Mapping[str, int]) -> str:
    """The instructions that store there, in words."""
    texts = [
        f"{writer.rpartition('+')[2]} {code[numbers[writer]].text.partition(' ')[0] if writer in numbers else ''}"
        for writer in slot.writers
    ]
    more = f" and {len(texts) - 2} more" if len(texts) > 2 else ""
    return ", ".join(text.strip() for text in texts[:2]) + more


def _slot(
    index: int, slot: Slot, scale: _Scale, lane: tuple[int, int], who: str, numbers: Mapping[str, int], prefix: str
) -> str:
    top, bottom = scale.y(slot.offset + slot.size), scale.y(slot.offset)
    across = _BOX // lane[1]
    x = _RULER + _BAND + across * lane[0]
    area = {"x": x, "y": top, "width": across, "height": max(bottom - top, 1)}
    parts = [svg.tag("title", svg.words(tooltip(slot))), svg.tag("rect", **area)]
    if not slot.writers:
        parts.append(svg.tag("rect", **area, fill=f"url(#{prefix}hatch)", class_="unwritten"))
    if bottom - top >= _SMALLEST:
        y = (top + bottom) // 2 + 4
        parts.append(svg.line(svg.short(slot.name or "(no name)", min(_LONGEST, across // 8)), x + 6, y, class_="name"))
        if lane[0] == 0:
            parts.append(svg.line(f"{slot.offset:+d}", _RULER - 8, y, class_="offset", text_anchor="end"))
        if lane[0] == lane[1] - 1:
            text = svg.short(who or "not written", 24)
            parts.append(svg.line(text, _RULER + _BAND + _BOX + 10, y, class_="who" if who else "who soft"))
    marks = " ".join(str(numbers[writer]) for writer in slot.writers if writer in numbers)
    link = svg.tag("a", *parts, href=f"#{prefix}t{index}", tabindex=-1)
    kind = "slot small" if bottom - top < _SMALL else "slot"
    return svg.tag("g", link, id=f"{prefix}s{index}", class_=kind, data_i=marks or None)


def tooltip(slot: Slot) -> str:
    """All about a slot on one line."""
    who = f"written by {', '.join(slot.writers)}" if slot.writers else "not written"
    return f"{slot.name or '(no name)'}: {slot.size} bytes at {slot.offset:+d} from r15 at entry, {who}"


def _entry(scale: _Scale) -> str:
    y = scale.y(0)
    across = _RULER + _BAND + _BOX + _WHO
    rule = svg.tag("path", d=f"M0 {y}H{across}", class_="entry")
    return svg.tag("g", rule, svg.line("r15 at entry", across - 2, y - 4, class_="entry-name", text_anchor="end"))
