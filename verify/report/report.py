"""What a run found, as plain data: nothing here is computed again by a renderer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256

from verify.explain.counterexample import Counterexample, Step
from verify.verdict import Exit, Verdict, exit_code

_DISTANCE = re.compile(r"\+0x[0-9a-f]+|#\d+")


@dataclass(frozen=True)
class Line:
    """One instruction of a routine: where it stands, its bytes in hexadecimal, its disassembly, FILE:LINE."""

    address: str
    label: str
    raw: str
    text: str
    source: str | None = None


@dataclass(frozen=True)
class Block:
    """A basic block: the addresses of its instructions, and where it may go: (address or name, kind).

    Kinds are those of the control-flow graph: next, jump, call, leave. A target that is no address of a block lies
    outside.
    """

    label: str
    addresses: tuple[str, ...]
    successors: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Slot:
    """Bytes of the stack: the offset of the first from r15 at entry, their number, a name, and who stores there.

    `name` is the field of the layout (psABI save area, back chain, struct handed out), "" where it has none; `writers`
    are addresses of instructions.
    """

    offset: int
    size: int
    name: str
    writers: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One verdict about one property of one routine; `property` is None for trouble with the routine as a whole.

    `address` is section+offset in bytes (linked images: the virtual address). `claim`, `expected`, `found` and
    `path` tell a counterexample; `where` says what the registers at entry that occur in it stand for. `known` says that
    the baseline of the run has it: it is told, and does not fail the run.
    """

    file: str
    routine: str | None
    contract: str | None
    property: str | None
    verdict: Verdict
    message: str
    address: str | None = None
    assumptions: tuple[str, ...] = ()
    claim: str | None = None
    expected: str | None = None
    found: str | None = None
    path: str | None = None
    where: str | None = None
    counterexample: Counterexample | None = None
    known: bool = False

    def rule(self) -> str:
        """The rule that the finding is about: its property, or `routine` for trouble with the whole of it."""
        return self.property or "routine"

    def fingerprint(self) -> str:
        """The same for findings of the same cause: names and words, without numbers, addresses or distances."""
        name = self.file.rpartition("/")[2]
        cause = self.counterexample.cause if self.counterexample and self.counterexample.cause else self.message
        words = [_DISTANCE.sub("", text) for text in (self.claim or "", cause.replace(self.file, name))]
        parts = (name, self.routine, self.contract, self.rule(), str(self.verdict), *words)
        return sha256("\n".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()[:32]

    def crashed(self) -> bool:
        """Whether the proof of one routine crashed or hung: an `error` that is no fault of the input as a whole."""
        return self.verdict is Verdict.ERROR and self.routine is not None


@dataclass(frozen=True)
class RoutineReport:
    """All findings of one routine, why this contract was applied, and remarks that are no findings."""

    file: str
    routine: str
    contract: str
    reason: str
    findings: tuple[Finding, ...]
    executed: tuple[str, ...] = ()
    unexecuted: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    code: tuple[Line, ...] = ()
    blocks: tuple[Block, ...] = ()
    frame: tuple[Slot, ...] = ()


@dataclass(frozen=True)
class FileReport:
    """One input: its routines, or the one sentence that says why it cannot be used."""

    file: str
    routines: tuple[RoutineReport, ...] = ()
    troubles: tuple[Finding, ...] = ()

    def findings(self) -> tuple[Finding, ...]:
        """All findings of this file, in order."""
        return self.troubles + tuple(finding for routine in self.routines for finding in routine.findings)


@dataclass(frozen=True)
class Report:
    """The whole run. `interrupted` is the number of routines it did not come to the end of, if it was interrupted.

    `shard` is (i, n) where the run had only every n-th input, beginning with the i-th, counted from 1. `tolerated` are
    verdicts that were asked not to fail the run.
    """

    files: tuple[FileReport, ...]
    versions: dict[str, str] = field(default_factory=dict)
    interrupted: int = 0
    shard: tuple[int, int] | None = None
    tolerated: tuple[Verdict, ...] = ()

    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the inputs."""
        return tuple(finding for file in self.files for finding in file.findings())

    def summary(self) -> dict[str, int]:
        """How many findings have each verdict; every verdict is there."""
        count = Counter(finding.verdict for finding in self.findings())
        return {str(verdict): count.get(verdict, 0) for verdict in Verdict}

    def exit_code(self) -> Exit:
        """The exit code of the run."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.shard is not None and not self.files:
            return Exit.PROVED  # more parts than inputs: the other parts have them
        findings = self.findings()
        judged = [_judged(finding, self.tolerated) for finding in findings]
        crashed = any(
            finding.crashed() and not finding.known and Verdict.ERROR not in self.tolerated for finding in findings
        )
        return exit_code(filter(None, judged), crashed=crashed)


def _judged(finding: Finding, tolerated: tuple[Verdict, ...]) -> Verdict | None:
    """The verdict that counts for the exit code; what is known, or the run was asked to let pass, passed."""
    if finding.crashed() and not finding.known:
        return None
    bad_input = finding.routine is None and finding.verdict is Verdict.ERROR
    passed = finding.known or (finding.verdict in tolerated and not bad_input)
    return Verdict.PROVED if passed else finding.verdict


__all__ = ["Block", "Counterexample", "FileReport", "Finding", "Line", "Report", "RoutineReport", "Slot", "Step"]
