"""A counterexample as plain data, for reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One instruction of a counterexample's path, as the concrete machine executed it.

    `address` is written as in `Finding`, `text` is the disassembly. `notes` say which registers and slots took which
    value. `source` is FILE:LINE where the object has line numbers. `faulty` marks where the right value was lost.
    """

    address: str
    label: str
    text: str
    notes: tuple[str, ...] = ()
    source: str | None = None
    faulty: bool = False


@dataclass(frozen=True)
class Counterexample:
    """A start state and handler effects that break a claim, small, and what an emulator made of them.

    `start` and `effects` are names and numbers, what is left out is zero or does not matter; `effects` has the name of
    the callee first. `cause` says where the right value was lost, without numbers. `expected` and `found` are numbers.
    `replayed` says whether the emulator came to the same end, `emulator` which one, or what differed.
    """

    start: tuple[tuple[str, str], ...]
    effects: tuple[tuple[str, str, str], ...]
    steps: tuple[Step, ...]
    cause: str
    expected: str | None
    found: str | None
    replayed: bool
    emulator: str
