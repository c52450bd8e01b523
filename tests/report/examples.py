"""Reports to render: of a sample object, with hand-made counterexamples, and with names that are markup."""

from __future__ import annotations

from dataclasses import replace

from tests.command import ROOT
from verify import pipeline
from verify.report.report import (
    Block,
    Counterexample,
    FileReport,
    Finding,
    Line,
    Report,
    RoutineReport,
    Slot,
    Step,
)
from verify.verdict import Verdict

NASTY = """<b onclick="alert(1)">'&amp;]]></script><!-- \x00\x07\udc80 ${x} {{ 7 * 7 }}"""


def real(*names: str) -> Report:
    """Sample objects, proved with their pictures."""
    return pipeline.prove([ROOT / "trampolines" / name for name in names], pipeline.Options(details=True))


def with_stories(report: Report) -> Report:
    """The same report; every finding that is not proved has a counterexample along the routine's first blocks."""
    files = (replace(file, routines=tuple(map(_told, file.routines))) for file in report.files)
    return replace(report, files=tuple(files))


def _told(routine: RoutineReport) -> RoutineReport:
    findings = (
        f if f.verdict is Verdict.PROVED else replace(f, counterexample=counterexample(routine, f))
        for f in routine.findings
    )
    return replace(routine, findings=tuple(findings))


def counterexample(routine: RoutineReport, finding: Finding) -> Counterexample:
    """A walk from the entry along the last successor of each block that leads on, faulty in its first block."""
    home = {block.addresses[0]: block for block in routine.blocks}
    lines = {line.address: line for line in routine.code}
    block: Block | None = next((b for b in routine.blocks if b.label == routine.routine), routine.blocks[0])
    steps: list[Step] = []
    while block is not None and home.pop(block.addresses[0], None):
        for address in block.addresses:
            line = lines[address]
            notes = (f"r2 = {len(steps):#x}", "regs.gprs[2] = 0") if len(steps) % 4 == 1 else ()
            steps.append(Step(address, line.label, line.text, notes, line.source, faulty=len(steps) == 3))
        block = next((home[target] for target, _ in block.successors if target in home), None)
    return Counterexample(
        start=(("r2", "0x1"), ("r14", "0x8000000000000000")),
        effects=(("handler", "regs.gprs[2]", "0xdeadbeef"),),
        steps=tuple(steps),
        cause=f"{finding.rule()}: the value was lost where r2 was stored",
        expected="0xdeadbeef",
        found="0x1",
        replayed=True,
        emulator="unicorn 2.1.4",
    )


def invented(count: int = 7) -> Report:
    """A routine with a loop, `count` findings of all verdicts, shared slots, and names that are markup."""
    code = tuple(
        Line(f".text+{at:#x}", f"{NASTY}+{at:#x}", "a7f4", f"j {NASTY}", f"{NASTY}.s:{at}") for at in range(0, 12, 2)
    )
    at = [line.address for line in code]
    blocks = (
        Block(NASTY, (at[0], at[1]), ((at[2], "next"), (at[4], "jump"))),
        Block("loop", (at[2], at[3]), ((at[2], "jump"), (NASTY, "call"), (at[4], "next"))),
        Block("end", (at[4], at[5]), ((NASTY, "leave"),)),
    )
    frame = (
        Slot(-400, 8, NASTY, ()),
        Slot(-160, 8, "back_chain", (at[1],)),
        Slot(-100, 8, "", (at[2], at[3], ".text+0x999")),
        Slot(-96, 8, "", (at[3],)),
        Slot(-90, 1, "flag", (at[0],)),
        Slot(0, 8, "back_chain", ()),
        Slot(136, 8, f"regs.{NASTY}", ()),
    )
    steps = tuple(
        Step(line.address, line.label, line.text, (NASTY,), line.source, faulty=n == 2)
        for n, line in enumerate((*code[:4], *code[2:]))
    )
    story = Counterexample(((NASTY, "0x1"),), ((NASTY, NASTY, "0x2"),), steps, NASTY, NASTY, None, False, NASTY)
    verdicts = list(Verdict)
    findings = tuple(
        Finding(
            NASTY, NASTY, "family/contract", None if n == 0 else f"property-{n}-{NASTY}", verdicts[n % len(verdicts)],
            f"message {n}: {NASTY}", at[n % len(at)], (f"assumption {n % 5} {NASTY}",), NASTY, NASTY, NASTY, NASTY,
            NASTY, story if n % 7 == 1 else None,
        )
        for n in range(count)
    )  # fmt: skip
    routine = RoutineReport(
        NASTY, NASTY, "family/contract", NASTY, findings, (), (f"{NASTY}..0x8",), (NASTY,), code, blocks, frame
    )
    trouble = Finding("bad.o", None, None, None, Verdict.ERROR, f"bad.o: {NASTY}")
    return Report((FileReport(NASTY, (routine,)), FileReport("bad.o", (), (trouble,))), {"verify": NASTY})
