"""What a run found, as plain data: nothing here is computed again by a renderer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from verify.verdict import Exit, Verdict, exit_code


@dataclass(frozen=True)
class Finding:
    """One verdict about one property of one routine; `property` is None for trouble with the routine as a whole.

    `address` is section+offset in bytes (linked images: the virtual address). `claim`, `expected`, `found` and
    `path` tell a counterexample; `where` says what the registers at entry that occur in it stand for.
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
    """The whole run."""

    files: tuple[FileReport, ...]
    versions: dict[str, str] = field(default_factory=dict)

    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the inputs."""
        return tuple(finding for file in self.files for finding in file.findings())

    def summary(self) -> dict[str, int]:
        """How many findings have each verdict; every verdict is there."""
        count = Counter(finding.verdict for finding in self.findings())
        return {str(verdict): count.get(verdict, 0) for verdict in Verdict}

    def exit_code(self) -> Exit:
        """The exit code of the run."""
        findings = self.findings()
        verdicts = (finding.verdict for finding in findings if not finding.crashed())
        return exit_code(verdicts, crashed=any(finding.crashed() for finding in findings))
