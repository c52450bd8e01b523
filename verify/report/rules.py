"""`verify rule`: what a property means, why it matters, an example that fails, and its repair.

The texts are data: verify/rules has a TOML file a rule, with the keys that `load_rule` reads.
"""

from __future__ import annotations

import difflib
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from verify.errors import UsageError

_RULES = Path(__file__).resolve().parents[1] / "rules"
_INCLUDES = "trampolines/include"

Paint = Callable[[str], str]


@dataclass(frozen=True)
class Example:
    """Assembly for GNU as, and what is to be seen in it."""

    text: str
    code: str


@dataclass(frozen=True)
class Rule:
    """A rule: a property by its name, or `routine`, which is trouble with a routine as a whole.

    Under `contract` (and with `arch`, if it is not None) the routine `symbol` of `fails` has findings of this rule and
    else only proofs, and that of `repair` only proofs. `see` are references. Where there is `old`, the others are
    compared with it.
    """

    name: str
    summary: str
    meaning: str
    why: str
    contract: str
    symbol: str
    arch: str | None
    fails: Example
    repair: Example
    see: tuple[str, ...]
    old: Example | None = None
    offsets: tuple[str, ...] = ()
    """Includes with the offsets that move, where the property is one of the source."""

    def command(self) -> str:
        """How the examples are looked at, once they are assembled."""
        arch = f" --arch {self.arch}" if self.arch else ""
        what = "prove" if self.old is None else "equiv OLD.o NEW.o"
        if self.offsets:
            headers = " ".join(f"--offsets {_INCLUDES}/{name}" for name in self.offsets)
            what = f"robust SOURCE -I {_INCLUDES} {headers}"
        return f"verify {what} --contract {self.contract} --symbol {self.symbol}{arch}"


@cache
def rule_names() -> tuple[str, ...]:
    """The names of all rules, in the order of the alphabet."""
    return tuple(sorted(path.stem for path in _RULES.glob("*.toml")))


@cache
def load_rule(name: str) -> Rule:
    """The rule of this name. Raises UsageError, with the nearest name, where there is none."""
    if name not in rule_names():
        near = difflib.get_close_matches(name, rule_names(), 1)
        hint = f"did you mean {near[0]}?" if near else "`verify rule` lists all"
        raise UsageError(f"there is no rule {name!r}; {hint}")
    table = tomllib.loads((_RULES / f"{name}.toml").read_text(encoding="utf-8"))
    example = table["example"]
    return Rule(
        name, table["summary"], table["meaning"], table["why"],
        example["contract"], example["symbol"], example.get("arch"),
        Example(**table["fails"]), Example(**table["repair"]), tuple(table["see"]),
        Example(**table["old"]) if "old" in table else None, tuple(example.get("offsets", ())),
    )  # fmt: skip


def plain(text: str) -> str:
    """A heading as it is."""
    return text


def listing() -> str:
    """Every rule with one line."""
    width = max(map(len, rule_names()))
    return "".join(f"{name:<{width}}  {load_rule(name).summary}\n" for name in rule_names())


def render(rule: Rule, width: int, paint: Paint = plain) -> str:
    """The whole rule as text, wrapped to `width` columns (the code is not); `paint` marks headings."""
    old = (
        [] if rule.old is None else [*_section("Old", rule.old.text, width, paint), _code(rule.old.code, rule.old.code)]
    )
    parts = [
        paint(f"{rule.name}: {rule.summary}"),
        *_section("Meaning", rule.meaning, width, paint),
        *_section("Why it matters", rule.why, width, paint),
        *old,
        *_section("Fails", rule.fails.text, width, paint),
        _code(rule.fails.code, rule.repair.code),
        *_section("Repair", rule.repair.text, width, paint),
        _code(rule.repair.code, rule.fails.code),
        *_wrapped(rule.command() if rule.offsets else f"Assemble with -I {_INCLUDES}; {rule.command()}", width),
        paint("See also"),
        "\n".join(textwrap.fill(one, width, initial_indent="  ", subsequent_indent="    ") for one in rule.see),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _section(heading: str, text: str, width: int, paint: Paint) -> Iterator[str]:
    yield paint(heading)
    yield from _wrapped(text, width)


def _wrapped(text: str, width: int) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield textwrap.fill(
            " ".join(paragraph.split()), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False,
            break_long_words=False,
        )  # fmt: skip


def _code(text: str, other: str) -> str:
    """Assembly, with `>` in front of the lines that the other version has not."""
    others = other.splitlines()
    return "\n".join(("  " if line in others else "> ") + line.expandtabs(8) for line in text.strip("\n").splitlines())
