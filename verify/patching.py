"""Every combination of what may stand where the kernel patches code: patch sites of the contract, and alternatives.

A `Choice` is one patched place, or one feature that alternatives hang on, with its options, the first as assembled.
Only choices that touch what is executed are made: a walk with some of them made shows which others its paths touch,
and each of those is made in all ways. So a choice that touches nothing costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from verify import sitestates
from verify.contracts.schema import Contract, PatchSite
from verify.contracts.scope import History
from verify.errors import Unsupported
from verify.machine.state import entry_state
from verify.machine.storage import Ranges
from verify.objfile.image import Image, Place
from verify.semantics.code import Code, Patch
from verify.verdict import Verdict
from verify.walk.path import Patched, Path, Stop

MOST_STATES = 64

Walk = Callable[[Code, Patched], Sequence[Path]]


@dataclass(frozen=True)
class Option:
    """One way to make a choice: a patch by its rank, or a feature that the machine has; and what the reports say of it.

    Patches of a lower rank are written first. `on` and `half` tell whether a patch site is switched on, or half
    written. An empty text says nothing.
    """

    text: str
    patch: tuple[int, Patch] | None = None
    feature: str | None = None
    on: bool = False
    half: bool = False


class Choice:
    """Something that is patched: its name, and its options, which are worked out when a walk comes there."""

    def __init__(self, name: str, work_out: Callable[[], list[Option]], *, site: bool = False) -> None:
        self.name, self.site, self._work_out = name, site, work_out

    @cached_property
    def options(self) -> list[Option]:
        """All options, the code as assembled first. Raises Unsupported."""
        return self._work_out()


Made = dict[Choice, Option]


def every(image: Image, contract: Contract, entry: Place, walk: Walk) -> Iterator[Path]:
    """All paths from `entry` in every combination of what may stand there. Raises Unsupported.

    Beyond MOST_STATES combinations those that are left are given up by name.
    """
    choices = _Choices(image, contract)
    waiting: deque[Made] = deque([choices.given(contract)])
    walked = 0
    while waiting:
        made = waiting.popleft()
        code = choices.code(made)
        if walked == MOST_STATES:
            yield _given_up(code, entry, [made, *waiting])
            return
        walked += 1
        paths = walk(code, _told(made))
        for choice in choices.touched(paths):
            if choice not in made:
                first, *others = choice.options
                waiting += [{**made, choice: other} for other in others]
                made[choice] = first
        yield from (replace(path, choice=_told(made)) for path in paths)


def places(image: Image, site: PatchSite) -> tuple[Place, ...]:
    """Where the site's symbols stand in this image, if at all."""
    found = {
        symbol.place
        for symbol in image.symbols
        if symbol.name in site.symbols and symbol.place is not None and image.code(symbol.place, 2)
    }
    return tuple(sorted(found))


def _given_up(code: Code, entry: Place, left: Iterable[Made]) -> Path:
    names = ", ".join(sorted({choice.name for made in left for choice in made}))
    end = Stop(Verdict.UNKNOWN, f"more than {MOST_STATES} combinations of what may stand at {names}", entry)
    return Path(code, Patched(), (), (), entry_state(code.address(entry), Ranges(()), code.mode), (), History(), end)


def _told(made: Made) -> Patched:
    """The choices that were made, as a path tells them. A site of which two places differ is half written."""
    sites = [(choice.name, option) for choice, option in made.items() if choice.site]
    on = {name for name, option in sites if option.on}
    off = {name for name, option in sites if not (option.on or option.half)}
    half = {name for name, option in sites if option.half} | on & off
    texts = tuple(option.text for option in made.values() if option.text)
    return Patched(tuple(sorted(on - half)), tuple(sorted(half)), texts)


class _Choices:
    """The choices of one image under one contract, and which of them paths touch."""

    def __init__(self, image: Image, contract: Contract) -> None:
        if image.alternatives.problem is not None:
            raise Unsupported(image.alternatives.problem)
        self.image = image
        lowcore = [(contract.offset(f"lowcore.{name}")[0], raw) for name, raw in contract.lowcore.items()]
        self.lowcore = dict(lowcore)
        self._features: dict[str, Choice] = {}
        self._sites: dict[Place, list[Choice]] = {}
        found = [(site, place) for site in contract.patches for place in places(image, site)]
        for rank, (site, place) in enumerate(found):
            self._add(site, place, rank)

    def _add(self, site: PatchSite, place: Place, rank: int) -> None:
        def work_out() -> list[Option]:
            return [
                Option(text, None if patch is None else (rank, patch), None, on, half)
                for text, patch, on, half in sitestates.contents(self.image, site, place)
            ]

        choice = Choice(site.name, work_out, site=True)
        for n in range(sitestates.length(self.image, site, place)):
            self._sites.setdefault(place.plus(n), []).append(choice)

    def _feature(self, name: str) -> Choice:
        """The choice whether a machine has a feature: all code that hangs on it is replaced together."""

        def work_out() -> list[Option]:
            return [Option(f"without {name}"), Option(f"with {name}", feature=name)]

        return self._features.setdefault(name, Choice(name, work_out))

    def given(self, contract: Contract) -> Made:
        """The choices that the contract has made: what it says of the machine, as far as this image asks."""
        asked = self.image.alternatives.asked if contract.machine else ()
        choices = [(self._feature(name), has) for name, has in contract.machine.items() if name in asked]
        return {choice: choice.options[has] for choice, has in choices}

    def code(self, made: Made) -> Code:
        """The code with these choices made, and all others as assembled."""
        ranked = sorted((option.patch for option in made.values() if option.patch), key=lambda one: one[0])
        features = frozenset(option.feature for option in made.values() if option.feature)
        return Code(self.image, [patch for _, patch in ranked], features=features, settled=True, lowcore=self.lowcore)

    def touched(self, paths: Iterable[Path]) -> list[Choice]:
        """The choices that change a byte of what these paths executed or read, in the order of the code."""
        alternatives = self.image.alternatives
        found: dict[Choice, None] = {}
        for place, length in sorted(_looked_at(paths)) if self._sites or alternatives else ():
            choices = [choice for n in range(length) for choice in self._sites.get(place.plus(n), ())]
            found |= dict.fromkeys([*choices, *map(self._feature, alternatives.features(place, length))])
        return list(found)


def _looked_at(paths: Iterable[Path]) -> set[tuple[Place, int]]:
    """The code that these paths executed, or read as constants: places, and lengths in bytes."""
    executed = {(place, path.code) for path in paths for place in (*path.places, *path.out_of_line)}
    read = {(place, term.width // 8) for _, code in executed for place, term in code.literals.items()}
    return read | {(place, code.fetch(place).length) for place, code in executed}
