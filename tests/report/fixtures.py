"""Reports built by hand: every verdict, counterexamples, crashes, bad inputs, and names that no format likes."""

from __future__ import annotations

from dataclasses import replace

from verify.explain.counterexample import Counterexample, Step
from verify.report.report import FileReport, Finding, Line, Report, RoutineReport
from verify.verdict import Verdict

OBJECT, CONTRACT = "trampolines/ftrace.o", "linux-6.12/ftrace_caller"
# A newline, a carriage return, an escape, NUL, half a surrogate (a byte that is no UTF-8), a line separator, what turns
# the direction of writing, and what XML, Markdown, tables, HTML, workflow commands and URIs use for themselves.
WEIRD = "a\nb\rc\x1bd\x00e\udcfff\u2028g\u202eh<&>\"'|`` ``` ]]> ::error::x %0A,:;=*_#~[x](y)\\ é 👾"
VERSIONS = {"version": "0.1.0", "pyvex": "9.2.213", "cle": "9.2.213", "z3-solver": "4.13.0.0"}

STEPS = (
    Step(".text+0x0", "ftrace_caller", "stmg %r2,%r5,304(%r15)", ("mem[r15+304] = 0x11",), "src/ftrace.S:12"),
    Step(".text+0x6", "ftrace_caller+0x6", "lgr %r2,%r0", (), "src/ftrace.S:14", faulty=True),
    Step(".text+0xa", "ftrace_caller+0xa", "br %r14", ("r2 = 0x0",)),
    Step("", "handler", "handler runs"),
)
EXAMPLE = Counterexample(
    start=(("r2", "0x11"), ("r14", "0x1000")),
    effects=(("handler", "regs.gprs[2]", "0x22"),),
    steps=STEPS,
    cause="r2 is overwritten by lgr",
    expected="0x11",
    found="0x0",
    replayed=True,
    emulator="replayed on unicorn 2.1.4",
)


def finding(verdict: Verdict, prop: str | None = "callee-saved", **changes: object) -> Finding:
    base = Finding(
        OBJECT, "ftrace_caller", CONTRACT, prop, verdict, f"it is {verdict}", ".text+0xa", ("old.r15 % 8 == 0",)
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def routine(*findings: Finding, file: str = OBJECT, name: str = "ftrace_caller") -> RoutineReport:
    return RoutineReport(
        file, name, CONTRACT, "claimed in proofs/x.toml", findings, (".text+0x0..0x10",), (), ("a remark",)
    )


REFUTED = finding(Verdict.REFUTED, claim="r2 is old.r2", expected="old.r2", found="0x0", path="exit", where="r2 is x",
                  counterexample=EXAMPLE)  # fmt: skip
DOUBTED = replace(EXAMPLE, replayed=False, emulator="not confirmed on unicorn 2.1.4: r2 differs")
UNCONFIRMED = finding(Verdict.UNCONFIRMED, "backchain", counterexample=DOUBTED)
TROUBLE = Finding("bad.o", None, None, None, Verdict.ERROR, "bad.o: is not an ELF file")
CRASH = Finding(OBJECT, "crashing", CONTRACT, None, Verdict.ERROR, "the lifter or solver died of signal 11")
EVERY = Report(
    (
        FileReport(
            OBJECT,
            (
                routine(
                    finding(Verdict.PROVED, "stack-balanced"),
                    REFUTED,
                    finding(Verdict.REFUTED, "expoline", message="bcr here", address=".text+0x6"),
                    finding(Verdict.REFUTED, "expoline", message="bcr there", address=".text+0xa"),
                    UNCONFIRMED,
                    finding(Verdict.VACUOUS, "regs-honoured", address=None),
                    finding(Verdict.UNKNOWN, "memory-frame"),
                ),
                routine(finding(Verdict.UNSUPPORTED, None, address="0x3f0000000a"), name="other"),
                routine(CRASH, name="crashing"),
            ),
        ),
        FileReport("bad.o", troubles=(TROUBLE,)),
    ),
    VERSIONS,
)
PROVED = Report(
    (FileReport(OBJECT, (routine(finding(Verdict.PROVED), finding(Verdict.PROVED, "backchain")),)),), VERSIONS
)
EMPTY = Report(())
INTERRUPTED = replace(PROVED, interrupted=2)


def weird(text: str = WEIRD) -> Report:
    """Every string that a renderer prints is `text`."""
    step = Step(text, text, text, (text,), f"{text}:7", faulty=True)
    example = Counterexample(((text, text),), ((text, text, text),), (step,), text, text, text, False, text)
    odd = Finding(
        text, text, text, "callee-saved", Verdict.REFUTED, text, text, (text,), text, text, text, text, text, example
    )
    plain = replace(odd, property=None, counterexample=None)
    line = Line(text, text, "07fe", text, f"{text}:8")
    found = RoutineReport(text, text, text, text, (odd, plain), (text,), (text,), (text,), (line,))
    trouble = Finding(text, None, None, None, Verdict.ERROR, text)
    return Report((FileReport(text, (found,)), FileReport(text, troubles=(trouble,))), {"version": text})


def below(root: str) -> Report:
    """An input, a line of source and a sentence that name a file by its whole path."""
    file = f"{root}/objects/x.o"
    step = Step(".text+0x0", "f", "br %r14", (), f"{root}/src/x.S:3", faulty=True)
    odd = replace(REFUTED, file=file, counterexample=replace(EXAMPLE, steps=(step,)))
    trouble = Finding(f"{root}/bad.o", None, None, None, Verdict.ERROR, f"{root}/bad.o: is not an ELF file")
    outside = Finding("/elsewhere/y.o", None, None, None, Verdict.ERROR, "/elsewhere/y.o: cannot be read")
    files = (
        FileReport(file, (routine(odd, file=file),)),
        FileReport(f"{root}/bad.o", troubles=(trouble,)),
        FileReport("/elsewhere/y.o", troubles=(outside,)),
    )
    return Report(files, VERSIONS)


def many(number: int) -> Report:
    """A report of this many failures, each with a path as long as they are on average."""
    steps = tuple(replace(STEPS[0], address=f".text+{4 * n:#x}") for n in range(20))
    odd = replace(REFUTED, counterexample=replace(EXAMPLE, steps=steps))
    return Report(tuple(FileReport(f"{n}.o", (routine(odd, file=f"{n}.o"),)) for n in range(number)), VERSIONS)


REPORTS = {"every verdict": EVERY, "proved": PROVED, "empty": EMPTY, "interrupted": INTERRUPTED, "weird": weird()}
"""What every format must be able to say."""
