"""`verify robust`: a source is assembled again against moved structs, and a number that stayed is named."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT, Done, verify
from verify import assemble, pipeline
from verify.contracts.layout import Field, Struct, load_layout
from verify.library import library
from verify.objfile.lines import source_lines
from verify.report import formats, rules
from verify.report.report import Finding, Report, RoutineReport
from verify.robust import headers, variants
from verify.robust.bench import Request
from verify.robust.compare import field_at
from verify.robust.overlay import Overlay
from verify.robust.run import robust
from verify.verdict import Exit, Verdict

TRAMPOLINES = ROOT / "trampolines"
INCLUDE = TRAMPOLINES / "include"
NUMBERS = TRAMPOLINES / "broken/numbers-2014.s"
ERA_3_12 = (INCLUDE / "pt_regs.inc", INCLUDE / "linux-3.12.inc")
ERA_3_18 = (INCLUDE / "pt_regs.inc", INCLUDE / "linux-3.18.inc")
ERA_6_12 = (INCLUDE / "pt_regs.inc", INCLUDE / "linux-6.12.inc")
R0 = pipeline.Options(contract="linux-3.18/ftrace_caller")
TOOLS = [one.name for one in assemble.available()]
RIGHT = rules.load_rule("layout-robust").repair.code


def proved_again(
    source: Path, offsets: tuple[Path, ...], options: pipeline.Options = R0, *, includes: tuple[Path, ...] = (INCLUDE,),
    defines: tuple[str, ...] = (), tool: str | None = None, bits: int = 64,
) -> Report:  # fmt: skip
    return robust([source], Request(offsets, includes, defines, tool, bits), options)


def the_routine(report: Report) -> RoutineReport:
    (file,) = report.files
    assert not file.troubles, file.troubles[0].message
    (found,) = (one for one in file.routines if one.findings)
    return found


def trouble(report: Report) -> str:
    (file,) = report.files
    (found,) = file.troubles
    assert (found.verdict, file.routines) == (Verdict.ERROR, ())
    return found.message


def bare(finding: Finding) -> tuple[int, str]:
    """The line, and the sentence without the file's name."""
    found = re.fullmatch(r"\S+?:(\d+): (.*)", finding.message)
    assert found is not None, finding.message
    return int(found[1]), found[2]


def written(directory: Path, text: str, name: str = "ftrace.s") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def command(source: Path, *arguments: object, offsets: tuple[Path, ...] = ERA_3_18) -> Done:
    named = [word for path in offsets for word in ("--offsets", path)]
    return verify("robust", source, *named, "-I", INCLUDE, *arguments)


# Numbers are named ----------------------------------------------------------------------------------------------------

# facts/contracts.md, family 1: 176 bytes of struct pt_regs above 160 for the callee; 8(entry r15) holds the parent.
OF_2014 = [
    "-336 stayed -336 although struct pt_regs grew from 176 to 184 bytes: -344 would be right",
    "168(%r15) stayed 168 although regs.psw.mask moved to 176 (in struct pt_regs from 8 to 16)",
    "176(%r15) stayed 176 although regs.psw.addr moved to 184 (in struct pt_regs from 16 to 24)",
    "200(%r15) stayed 200 although regs.gprs[2] moved to 208 (in struct pt_regs from 40 to 48)",
    "344(%r15) stayed 344 although struct pt_regs grew from 176 to 184 bytes: 352 would be right",
    "296(%r15) stayed 296 although regs.gprs[14] moved to 304 (in struct pt_regs from 136 to 144)",
    "304(%r15) stayed 304 although regs.gprs[15] moved to 312 (in struct pt_regs from 144 to 152)",
    "296(%r15) stayed 296 although regs.gprs[14] moved to 304 (in struct pt_regs from 136 to 144)",
    "176(%r15) stayed 176 although regs.psw.addr moved to 184 (in struct pt_regs from 16 to 24)",
    "296(%r15) stayed 296 although regs.gprs[14] moved to 304 (in struct pt_regs from 136 to 144)",
    "344(%r15) stayed 344 although struct pt_regs grew from 176 to 184 bytes: 352 would be right",
    "176(%r15) stayed 176 although regs.psw.addr moved to 184 (in struct pt_regs from 16 to 24)",
    "200(%r15) stayed 200 although regs.gprs[2] moved to 208 (in struct pt_regs from 40 to 48)",
]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_number_of_2014_is_named_with_its_line(tool: str) -> None:
    options = pipeline.Options(layout="linux-3.12")
    found = the_routine(proved_again(NUMBERS, ERA_3_12, options, tool=tool))
    assert {(one.property, one.verdict) for one in found.findings} == {("layout-robust", Verdict.REFUTED)}
    text = NUMBERS.read_text(encoding="utf-8").splitlines()
    assert [bare(one)[1] for one in found.findings] == OF_2014
    for one in found.findings:
        line, sentence = bare(one)
        assert one.message.startswith(f"trampolines/broken/numbers-2014.s:{line}: ")
        number = sentence.partition(" ")[0]
        assert number in text[line - 1], (sentence, text[line - 1])


@pytest.mark.parametrize("tool", TOOLS)
def test_its_repaired_twin_is_proved(tool: str) -> None:
    found = the_routine(proved_again(NUMBERS, ERA_3_18, pipeline.Options(), defines=("REPAIRED=1",), tool=tool))
    (finding,) = found.findings
    assert (finding.property, finding.verdict) == ("layout-robust", Verdict.PROVED)
    assert finding.message == "the routine is proved again in every moved layout (12 of them)"
    assert not [remark for remark in found.remarks if "stayed" in remark]


@pytest.mark.parametrize(
    ("name", "offsets", "count"),
    [
        ("ftrace-3.18", ERA_3_18, 1),
        ("ftrace-6.12", ERA_6_12, 2),
        ("mcount-ftrace_regs_caller", ERA_3_12, 1),
        ("rethook-6.3", ERA_6_12, 1),
        ("return_to_handler-6.5", ERA_6_12, 1),
        ("return_to_handler-6.14", ERA_6_12, 1),
        ("switch_to-6.12", (INCLUDE / "switch.inc", *ERA_6_12), 1),
    ],
)
def test_trampolines_with_generated_offsets_are_proved(name: str, offsets: tuple[Path, ...], count: int) -> None:
    report = proved_again(TRAMPOLINES / f"{name}.s", offsets, pipeline.Options())
    assert [one.verdict for one in report.findings()] == [Verdict.PROVED] * count, report.findings()
    assert report.exit_code() is Exit.PROVED


def test_the_31_bit_trampoline_does_not_take_psw_and_registers_for_neighbours() -> None:
    """It once found psw.addr 4 bytes below the registers."""
    source, offsets = TRAMPOLINES / "mcount-31-ftrace_regs_caller.s", (INCLUDE / "linux-3.12-31.inc",)
    found = the_routine(proved_again(source, offsets, pipeline.Options(), bits=31))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED], found.findings


# Each symbolic operand of the rule's example, by its number for Linux 3.18, and what is said of it.
ONE_NUMBER = {
    "-(STACK_FRAME_OVERHEAD+__PT_SIZE)": ("-344", "struct pt_regs grew from 184 to 192 bytes: -352 would be right"),
    "stg\t%r0, REGS+__PT_PSW_ADDR": ("stg\t%r0, 176", "regs.psw.addr moved to 184"),
    "stmg\t%r2, %r14, REGS+__PT_GPRS+2*8": ("stmg\t%r2, %r14, 200", "regs.gprs[2] moved to 208"),
    "stg\t%r1, REGS+__PT_GPRS+15*8": ("stg\t%r1, 304", "regs.gprs[15] moved to 312"),
    "lg\t%r1, REGS+__PT_PSW_ADDR": ("lg\t%r1, 176", "regs.psw.addr moved to 184"),
    "lmg\t%r2, %r15, REGS+__PT_GPRS+2*8": ("lmg\t%r2, %r15, 200", "regs.gprs[2] moved to 208"),
}


@pytest.mark.parametrize("symbolic", ONE_NUMBER)
def test_one_number_among_names_is_the_only_one_that_is_named(symbolic: str, tmp_path: Path) -> None:
    number, words = ONE_NUMBER[symbolic]
    assert RIGHT.count(symbolic) == 1
    source = written(tmp_path, RIGHT.replace(symbolic, number))
    (finding,) = the_routine(proved_again(source, ERA_3_18)).findings
    assert finding.verdict is Verdict.REFUTED
    line, sentence = bare(finding)
    assert RIGHT.splitlines()[line - 1].count(symbolic) == 1
    assert words in sentence


def test_a_number_from_the_struct_itself_is_its_offset(tmp_path: Path) -> None:
    """The sentence of the issue: nothing has to be explained where the base register points at the struct."""
    code = RIGHT.replace("la\t%r5, REGS(%r15)\n", "la\t%r5, REGS(%r15)\n\tstg\t%r14, 136(%r5)\n")
    source = written(tmp_path, code.replace("stmg\t%r2, %r14,", "stmg\t%r2, %r13,"))
    (finding,) = the_routine(proved_again(source, ERA_3_18)).findings
    assert finding.message == f"{source}:16: 136(%r5) stayed 136 although regs.gprs[14] moved to 144"
    assert finding.where == "`stg %r14,136(%r5)`"


def test_a_number_that_no_claim_rests_on_is_a_remark(tmp_path: Path) -> None:
    """orig_gpr2 is not listed in this era; written first, it is overwritten by what moved to its place."""
    code = RIGHT.replace("\tstg\t%r0, REGS+", "\tstg\t%r2, 312(%r15)\n\tstg\t%r0, REGS+")
    found = the_routine(proved_again(written(tmp_path, code), ERA_3_18))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED]
    (remark,) = (one for one in found.remarks if "stayed" in one)
    assert "312(%r15) stayed 312 although regs.orig_gpr2 moved to 320" in remark
    assert remark.endswith(", and no claim fails for it")


def test_fields_that_are_taken_for_neighbours_are_found(tmp_path: Path) -> None:
    """orig_gpr2 lies behind the registers, and is no register."""
    code = RIGHT.replace("stmg\t%r2, %r14, REGS+__PT_GPRS+2*8", "stmg\t%r2, %r14, REGS+__PT_ORIG_GPR2-14*8")
    (finding,) = the_routine(proved_again(written(tmp_path, code), ERA_3_18)).findings
    assert finding.verdict is Verdict.REFUTED
    assert "200(%r15) stayed 200 although regs.gprs[2] moved to" in finding.message


def test_a_number_in_a_macro_is_named_where_it_stands(tmp_path: Path) -> None:
    macro = "\t.macro\tsave\n\tstg\t%r1, 304(%r15)\n\t.endm\n"
    written(tmp_path, macro, "macros.inc")
    code = RIGHT.replace("\tstg\t%r1, REGS+__PT_GPRS+15*8(%r15)\n", "\tsave\n")
    source = written(tmp_path, '\t.include "macros.inc"\n' + code)
    (finding,) = the_routine(proved_again(source, ERA_3_18, includes=(INCLUDE, tmp_path))).findings
    at = next(n for n, text in enumerate(source.read_text().splitlines(), 1) if text.strip() == "save")
    assert finding.message.startswith(f"{tmp_path}/macros.inc:2 (used at {source}:{at}): 304(%r15) stayed 304 ")


def test_in_31_bit_code_too(tmp_path: Path) -> None:
    """facts/contracts.md, layouts of 31 bits: psw.addr is at 12, behind 96 for the callee."""
    text = (INCLUDE / "body-mcount31-regs.inc").read_text(encoding="utf-8")
    text = text.replace("REGS+\\psw_at+__PT_PSW_ADDR-__PT_PSW_MASK(", "108(")
    assert text.count("108(") == 3
    written(tmp_path, text, "body-mcount31-regs.inc")
    source = written(tmp_path, (TRAMPOLINES / "mcount-31-ftrace_regs_caller.s").read_text(encoding="utf-8"))
    options = pipeline.Options("ftrace_regs_caller", "linux-mcount-31/ftrace_regs_caller")
    offsets = (INCLUDE / "linux-3.12-31.inc",)
    found = the_routine(proved_again(source, offsets, options, includes=(tmp_path, INCLUDE), bits=31))
    assert {one.verdict for one in found.findings} == {Verdict.REFUTED}
    assert len(found.findings) == 3
    for one in found.findings:
        assert re.match(rf"{re.escape(str(tmp_path))}/\S+:\d+", one.message)
        assert "108(%r15) stayed 108 although regs.psw.addr moved to" in one.message


def test_31_bit_objects_have_source_lines(tmp_path: Path) -> None:
    source = assemble.Source(TRAMPOLINES / "mcount-31-_mcount.s", TRAMPOLINES, (INCLUDE,), bits=31)
    assemble.find(bits=31).assemble(source, tmp_path / "made.o")
    lines = source_lines(tmp_path / "made.o")
    assert lines
    assert all("mcount-31-_mcount.s:" in text for text in lines.values())


# What is not decided --------------------------------------------------------------------------------------------------


def test_what_is_not_proved_as_it_is_is_reported_and_not_decided() -> None:
    """The proposal of 2014 itself: its faults as they are, and its numbers as remarks."""
    report = proved_again(TRAMPOLINES / "broken/proposal-2014.s", ERA_3_12, pipeline.Options())
    found = the_routine(report)
    *faults, last = found.findings
    assert {one.property for one in faults} >= {"regs-complete", "regs-honoured", "redirect-entry", "no-stale-read"}
    assert {one.verdict for one in faults} == {Verdict.REFUTED}
    assert (last.property, last.verdict) == ("layout-robust", Verdict.UNKNOWN)
    assert last.message == "not decided: the routine is not proved in the layout as it is"
    numbers = [remark for remark in found.remarks if "stayed" in remark]
    assert len(numbers) == 12
    assert numbers[0].startswith("trampolines/broken/proposal-2014.s:21: -336 stayed -336 although struct pt_regs grew")
    assert not [text for text in map(str, report.findings()) if "/verify-" in text]  # names of the scratch directory
    assert report.exit_code() is Exit.BROKEN


def test_a_layout_in_which_the_source_is_not_assembled_decides_nothing(tmp_path: Path) -> None:
    limit = '\t.if\t__PT_SIZE > 184\n\t.error\t"pt_regs is too large"\n\t.endif\n'
    source = written(tmp_path, RIGHT.replace("\tfunction", limit + "\tfunction"))
    (finding,) = the_routine(proved_again(source, ERA_3_18)).findings
    assert finding.verdict is Verdict.UNKNOWN
    assert re.match(
        r"not decided in 9 of 12 moved layouts; `pt_regs: grown at the end`: not assembled: ", finding.message
    )
    assert "pt_regs is too large" in finding.message
    assert command(source, "--contract", "linux-3.18/ftrace_caller").code == 3


def test_what_is_refuted_in_one_layout_stays_refuted_though_another_decides_nothing(tmp_path: Path) -> None:
    limit = '\t.if\t__PT_SIZE > 184\n\t.error\t"pt_regs is too large"\n\t.endif\n'
    code = RIGHT.replace("\tfunction", limit + "\tfunction").replace("REGS+__PT_GPRS+15*8", "304")
    (finding,) = the_routine(proved_again(written(tmp_path, code), ERA_3_18)).findings
    assert finding.verdict is Verdict.REFUTED


def test_code_that_depends_on_the_layout_is_refuted_without_a_number(tmp_path: Path) -> None:
    """Nothing stayed: for a struct that grew another register is restored."""
    code = RIGHT.replace(
        "\tbr\t%r1\n", "\t.if\t__PT_SIZE > 184\n\tlgr\t%r6, %r7\n\t.endif\n\tbr\t%r1\n"
    )  # fmt: skip
    (finding,) = the_routine(proved_again(written(tmp_path, code), ERA_3_18)).findings
    assert finding.verdict is Verdict.REFUTED
    assert finding.message.startswith(
        "callee-saved fails in the layout `pt_regs: grown at the end`, and no number stayed"
    )
    assert finding.counterexample is not None
    assert finding.counterexample.replayed


def test_a_contract_without_a_struct_has_nothing_to_move() -> None:
    done = command(TRAMPOLINES / "expoline.s", "--symbol", "__s390_indirect_jump_r1")
    assert done.code == 3
    assert "vacuous      layout-robust      the contract speaks of no struct whose fields could move" in done.out


def test_a_struct_that_no_header_names_is_not_decided() -> None:
    source, offsets = TRAMPOLINES / "return_to_handler-6.5.s", (INCLUDE / "switch.inc",)
    done = command(source, "--symbol", "return_to_handler", offsets=offsets)
    assert done.code == 3
    assert f"not decided: no field of struct fgraph_ret_regs has a name in {INCLUDE}/switch.inc" in done.out


def test_prove_cannot_select_it() -> None:
    done = verify("prove", "--select", "layout-robust", TRAMPOLINES / "ftrace-3.18.o")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "layout-robust is a property of a source" in done.err
    assert "`verify robust SOURCE --offsets FILE`" in done.err


# How offsets are found ------------------------------------------------------------------------------------------------

GENERATED = """\
#ifndef __ASM_OFFSETS_H__
#define __ASM_OFFSETS_H__
/* DO NOT MODIFY. */
#define __PT_PSW 8 /* offsetof(struct pt_regs, psw) */
#define __PT_GPRS 24 /* offsetof(struct pt_regs, gprs) */
#define __PT_ORIG_GPR2 0x98 /* offsetof(struct pt_regs, orig_gpr2) */
#define __PT_SIZE 184 /* sizeof(struct pt_regs) */
#define __SF_BACKCHAIN 152 /* offsetof(struct stack_frame, back_chain) */
#define STACK_FRAME_OVERHEAD 160 /* sizeof(struct stack_frame) */
#endif
"""


def preprocessed(include: str, last: str = "REGS+__PT_GPRS+15*8") -> str:
    """The rule's example as the kernel writes it, for the C preprocessor."""
    code = RIGHT.replace('\t.include "linux-3.18.inc"\n', "").replace('\t.include "function.inc"\n', include)
    code = code.replace("\t.equ\tREGS, STACK_FRAME_OVERHEAD\n", "#define REGS (STACK_FRAME_OVERHEAD)\n")
    code = code.replace("\tfunction ftrace_caller\n", "\t.globl\tftrace_caller\nftrace_caller:\n")
    code = code.replace("\tend\tftrace_caller\n", "").replace("__PT_PSW_ADDR", "__PT_PSW+8")
    return code.replace("MCOUNT_INSN_SIZE", "18").replace("REGS+__PT_GPRS+15*8", last)


def kernel_tree(root: Path, text: str) -> tuple[Path, Path]:
    """A tree like the kernel's: <asm/asm-offsets.h> includes the generated header."""
    for name in ("include/generated", "arch/s390/include/asm", "arch/s390/kernel"):
        (root / name).mkdir(parents=True)
    offsets = written(root / "include/generated", GENERATED, "asm-offsets.h")
    written(root / "arch/s390/include/asm", "#include <generated/asm-offsets.h>\n", "asm-offsets.h")
    return written(root / "arch/s390/kernel", text, "mcount.S"), offsets


@pytest.mark.parametrize("tool", TOOLS)
def test_a_kernel_source_goes_through_the_c_preprocessor(tool: str, tmp_path: Path) -> None:
    includes = (tmp_path / "arch/s390/include", tmp_path / "include")
    source, offsets = kernel_tree(tmp_path, preprocessed("#include <asm/asm-offsets.h>\n"))
    found = the_routine(proved_again(source, (offsets,), includes=includes, tool=tool))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED], found.findings
    text = "#ifdef WRONG\n#define LAST 304\n#endif\n" + preprocessed("#include <asm/asm-offsets.h>\n", "LAST")
    written(source.parent, text, source.name)
    found = the_routine(proved_again(source, (offsets,), includes=includes, defines=("WRONG",), tool=tool))
    (finding,) = found.findings
    line, sentence = bare(finding)
    assert "LAST(%r15)" in source.read_text().splitlines()[line - 1]
    assert sentence.startswith("304(%r15) stayed 304 although regs.gprs[15] moved to 312")


@pytest.mark.parametrize(
    ("where", "include"),
    [
        ("", '#include "asm-offsets.h"\n'),
        ("", '#include "other.h"\n'),
        ("generated", '#include "generated/asm-offsets.h"\n'),
        ("../up", '#include "../up/asm-offsets.h"\n'),
        ("linked", '#include "link/asm-offsets.h"\n'),
    ],
)
def test_the_variant_is_found_wherever_the_header_is(where: str, include: str, tmp_path: Path) -> None:
    """Beside the source, beside a file that includes it, below it, through `..`, and through a symbolic link."""
    home = tmp_path / "src"
    directory = home / where
    home.mkdir()
    directory.mkdir(exist_ok=True)
    offsets = written(directory.resolve(), GENERATED, "asm-offsets.h")
    if where == "linked":
        (home / "link").symlink_to(directory, target_is_directory=True)
    written(home, '#include "asm-offsets.h"\n', "other.h")
    source = written(home, preprocessed(include), "mcount.S")
    found = the_routine(proved_again(source, (offsets,), includes=()))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED], found.findings
    assert not [remark for remark in found.remarks if "not included" in remark]


def test_a_relative_include_starts_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inc").mkdir()
    for name in ("pt_regs.inc", "linux-3.18.inc", "kernel.inc", "function.inc"):
        shutil.copy(INCLUDE / name, tmp_path / "inc")
    monkeypatch.chdir(tmp_path)
    source = written(tmp_path, re.sub(r'"(\S+\.inc)"', r'"inc/\1"', RIGHT))
    offsets = (Path("inc/pt_regs.inc"), Path("inc/linux-3.18.inc"))
    found = the_routine(proved_again(Path(source.name), offsets, includes=(Path("inc"),)))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED], found.findings


def test_a_header_that_is_not_included_only_says_what_the_layout_is() -> None:
    found = the_routine(proved_again(NUMBERS, ERA_3_12, pipeline.Options(layout="linux-3.12")))
    assert [remark for remark in found.remarks if "is not included" in remark] == [
        f"{path} is not included: its numbers are the layout, and none of its names is used" for path in ERA_3_12
    ]


def test_the_header_is_the_layout(tmp_path: Path) -> None:
    """184 bytes for the contract's layout, 192 for the kernel that the header is of: 344 is 8 bytes too few."""
    text = (INCLUDE / "linux-3.18.inc").read_text(encoding="utf-8").replace("184", "192")
    offsets = (INCLUDE / "pt_regs.inc", written(tmp_path, text, "linux-3.18.inc"))
    includes = (tmp_path, INCLUDE)
    right = written(tmp_path, RIGHT)
    found = the_routine(proved_again(right, offsets, includes=includes))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED]
    assert found.reason.endswith(", with the offsets of --offsets")
    wrong = written(tmp_path, RIGHT.replace("-(STACK_FRAME_OVERHEAD+__PT_SIZE)", "-344"))
    found = the_routine(proved_again(wrong, offsets, includes=includes))
    assert [(one.property, one.verdict) for one in found.findings] == [
        ("stack-confined", Verdict.REFUTED), ("layout-robust", Verdict.UNKNOWN),
    ]  # fmt: skip
    assert "its 344-byte frame is 8 bytes short for struct pt_regs" in found.findings[0].message


# Objects --------------------------------------------------------------------------------------------------------------


def built(source: Path, output: Path) -> Path:
    assemble.find().assemble(assemble.Source(source, Path.cwd(), (INCLUDE,)), output)
    return output


def test_an_object_is_assembled_again_from_the_source_that_its_dwarf_names(tmp_path: Path) -> None:
    source = written(tmp_path, RIGHT.replace("REGS+__PT_GPRS+15*8", "304"))
    made = built(source, tmp_path / "made.o")
    (finding,) = the_routine(proved_again(made, ERA_3_18)).findings
    assert finding.message.startswith(f"{source}:10: 304(%r15) stayed 304 ")
    assert finding.file == str(made)


def test_the_source_of_an_object_that_was_built_elsewhere_is_found_below_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("build/arch/kernel", "here/arch/kernel"):
        (tmp_path / name).mkdir(parents=True)
    made = built(written(tmp_path / "build/arch/kernel", RIGHT), tmp_path / "here/made.o")
    shutil.move(tmp_path / "build/arch/kernel/ftrace.s", tmp_path / "here/arch/kernel/ftrace.s")
    monkeypatch.chdir(tmp_path / "here")
    found = the_routine(proved_again(made, ERA_3_18))
    assert [one.verdict for one in found.findings] == [Verdict.PROVED]


def test_an_object_of_another_source_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path, RIGHT)
    made = built(source, tmp_path / "made.o")
    written(tmp_path, RIGHT.replace("lgr\t%r3, %r14", "lgr\t%r3, %r0"))
    assert trouble(proved_again(made, ERA_3_18)).startswith(
        f"{made}: is not what {source} gives when it is assembled here"
    )
    source.unlink()
    assert trouble(proved_again(made, ERA_3_18)) == f"{made}: was made of {source}, which is not here: give the source"


def test_an_object_without_dwarf_is_refused() -> None:
    path = TRAMPOLINES / "ftrace-3.18.o"
    assert trouble(proved_again(path, ERA_3_18)) == f"{path}: has no DWARF that names its source: give the source"


def test_a_linked_image_is_refused(tmp_path: Path) -> None:
    linker = shutil.which("s390x-linux-gnu-ld")
    assert linker, "install binutils-s390x-linux-gnu"
    made, linked = built(written(tmp_path, RIGHT), tmp_path / "made.o"), tmp_path / "linked"
    subprocess.run([linker, "--unresolved-symbols=ignore-all", made, "-o", linked], check=True, capture_output=True)
    assert (
        trouble(proved_again(linked, ERA_3_18))
        == f"{linked}: is linked, and cannot be assembled again: give the source"
    )


# Bad input ------------------------------------------------------------------------------------------------------------


def refused(done: Done) -> str:
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    return line.removeprefix("verify: ")


def test_without_an_assembler_three_names_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    line = refused(command(TRAMPOLINES / "ftrace-3.18.s"))
    assert line.startswith("there is no assembler for s390x here: install ")
    for name in ("s390x-linux-gnu-as", "clang", "ziglang"):
        assert name in line


def test_a_clang_that_makes_no_s390x_code_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = written(tmp_path, "#!/bin/sh\nexit 1\n", "clang")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    line = refused(command(TRAMPOLINES / "ftrace-3.18.s", "--assembler", "clang"))
    assert line.startswith("there is no assembler clang here that makes s390x code; install ")
    assert assemble.CLANG not in [one.name for one in assemble.available()]


def test_bare_code_is_not_assembled_again() -> None:
    assert "is not assembled again" in refused(command(TRAMPOLINES / "ftrace-3.18.s", "--raw"))


def test_unknown_assemblers_and_impossible_ones() -> None:
    source = TRAMPOLINES / "ftrace-3.18.s"
    assert refused(command(source, "--assembler", "nasm")) == (
        "there is no assembler 'nasm'; known: s390x-linux-gnu-as, clang, ziglang"
    )
    assert refused(command(source, "--assembler", "ziglang", "-m31")) == (
        "ziglang makes no 31-bit code; s390x-linux-gnu-as does"
    )


def test_headers_that_are_none(tmp_path: Path) -> None:
    source, prose = TRAMPOLINES / "ftrace-3.18.s", written(tmp_path, "words\n", "words.h")
    assert (
        refused(command(source, offsets=(tmp_path / "no.h",)))
        == f"{tmp_path}/no.h: cannot be read: No such file or directory"
    )
    assert refused(command(source, offsets=(prose,))).startswith(f"{prose}: defines no number, neither by `#define ")
    fixed = INCLUDE / "kernel.inc"
    assert (
        refused(command(source, offsets=(fixed,)))
        == f"{fixed}: names no field of a struct that could move, such as __PT_GPRS"
    )


@pytest.mark.parametrize(
    ("source", "offsets", "words"),
    [
        ("none.s", ERA_3_18, "none.s: cannot be read: No such file or directory"),
        ("ftrace-3.18.s", ERA_3_18[:1], "has __PT_SIZE from a file that --offsets does not name: name that one too"),
        ("ftrace-3.18.s", ERA_6_12, "has __PT_SIZE from a file that --offsets does not name"),
        ("ftrace-6.12.s", ERA_3_12, "has __PT_FLAGS from a file that --offsets does not name"),
    ],
)
def test_what_is_wrong_with_one_source_is_in_the_report(source: str, offsets: tuple[Path, ...], words: str) -> None:
    done = command(TRAMPOLINES / source, offsets=offsets)
    assert (done.code, done.err) == (2, "")
    assert words in done.out
    assert "Traceback" not in done.out


def test_a_header_that_contradicts_the_layout_is_refused() -> None:
    done = command(TRAMPOLINES / "ftrace-3.18.s", "--layout", "linux-6.12")
    assert done.code == 2
    assert "linux-3.18.inc: gives struct pt_regs 184 bytes, but in layout linux-6.12 " in done.out
    assert done.out.count("choose the layout that fits with --layout") == 1


def test_what_the_assembler_does_not_take_is_one_sentence(tmp_path: Path) -> None:
    source = written(tmp_path, RIGHT.replace("lgr\t%r1, %r15", "lgr\t%r1, %r16"))
    message = trouble(proved_again(source, ERA_3_18))
    assert message.startswith(f"{source}: {TOOLS[0]} does not take it: {source}:5:")
    assert "\n" not in message
    missing = trouble(proved_again(written(tmp_path, RIGHT), ERA_3_18, includes=()))
    assert "linux-3.18.inc" in missing
    nowhere = trouble(proved_again(source, ERA_3_18, includes=(tmp_path / "nowhere",)))
    assert nowhere == f"{tmp_path}/nowhere: no such directory"


def test_an_assembler_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = written(tmp_path, "#!/bin/sh\nexec sleep 60\n", "s390x-linux-gnu-as")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(assemble, "SECONDS", 0.2)
    message = trouble(proved_again(TRAMPOLINES / "ftrace-3.18.s", ERA_3_18, tool="s390x-linux-gnu-as"))
    assert message.endswith("s390x-linux-gnu-as did not finish within 0.2 seconds")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = {path: path.read_bytes() for path in INCLUDE.iterdir()}
    assert the_routine(proved_again(written(tmp_path, RIGHT), ERA_3_18)).findings
    assert trouble(proved_again(TRAMPOLINES / "ftrace-3.18.o", ERA_3_18))
    assert list(scratch.iterdir()) == []
    assert {path: path.read_bytes() for path in INCLUDE.iterdir()} == before


# Reports --------------------------------------------------------------------------------------------------------------


def test_every_format_renders_it(tmp_path: Path) -> None:
    source = written(tmp_path, RIGHT.replace("REGS+__PT_GPRS+15*8", "304"))
    report = proved_again(source, ERA_3_18)
    for name in formats.FORMATS:
        assert "304(%r15) stayed 304" in formats.renderer(name)(report).replace("%25", "%"), name


def test_sarif_points_at_the_line_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path, RIGHT.replace("REGS+__PT_GPRS+15*8", "304"))
    monkeypatch.chdir(tmp_path)
    done = command(Path(source.name), "--contract", "linux-3.18/ftrace_caller", "--format", "sarif")
    assert done.code == 1
    (run,) = json.loads(done.out)["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == "layout-robust"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "layout-robust"
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("ftrace.s", 10)


def test_the_report_does_not_depend_on_the_number_of_jobs() -> None:
    request = Request(ERA_3_12, (INCLUDE,))
    one, two = (robust([NUMBERS], request, pipeline.Options(layout="linux-3.12"), jobs) for jobs in (1, 2))
    assert one == two


# Moved layouts --------------------------------------------------------------------------------------------------------

STRUCTS = [
    pytest.param(load_layout(library("models"), layout).structs[name], id=f"{layout}-{name}")
    for layout, name in [
        ("linux-3.0", "pt_regs"), ("linux-3.18", "pt_regs"), ("linux-6.12", "pt_regs"), ("linux-3.12-31", "pt_regs"),
        ("linux-6.12", "fgraph_ret_regs"), ("linux-6.12-task", "task_struct"),
    ]
]  # fmt: skip


def spans(struct: Struct) -> dict[str, tuple[int, int]]:
    return {name: (field.at, field.at + field.size * field.count) for name, field in struct.fields.items()}


def moved_structs(struct: Struct) -> Iterator[tuple[variants.Variant, Struct]]:
    layout = load_layout(library("models"), "linux-6.12")
    layout = type(layout)(layout.name, "", {struct.name: struct}, {}, layout.path)
    for one in variants.variants(struct):
        yield one, one.apply(layout).structs[struct.name]


@pytest.mark.parametrize("struct", STRUCTS)
def test_moved_structs_are_structs(struct: Struct) -> None:
    """Fields keep their size and alignment, lie inside, and share bytes only where they did."""
    before = spans(struct)
    for variant, after in moved_structs(struct):
        assert after.size == struct.size + variant.growth
        now = spans(after)
        for name, (at, end) in now.items():
            assert 0 <= at < end <= after.size, (variant.name, name)
            assert (at - before[name][0]) % 8 == 0, (variant.name, name)
            for other, (first, last) in now.items():
                if name < other and at < last and first < end:
                    assert before[name][0] < before[other][1], (variant.name, name, other)
                    assert before[other][0] < before[name][1], (variant.name, name, other)


@pytest.mark.parametrize("struct", STRUCTS)
def test_the_two_words_of_a_psw_stay_together(struct: Struct) -> None:
    for _, after in moved_structs(struct) if "psw.mask" in struct.fields else ():
        mask, address = after.fields["psw.mask"], after.fields["psw.addr"]
        assert address.at == mask.at + mask.size


@pytest.mark.parametrize("struct", STRUCTS)
def test_each_field_moves_alone_and_the_struct_grows_at_both_ends(struct: Struct) -> None:
    alone, grown = set(), set()
    before = spans(struct)
    for variant, after in moved_structs(struct):
        changed = {name for name, span in spans(after).items() if span != before[name]}
        blocks = {block.name for block, at in variant.moved if at != block.at}
        if len(blocks) == 1:
            alone |= changed
        if not changed and variant.growth:
            grown.add("end")
        if changed == set(before) and variant.growth == 8:
            grown.add("beginning")
    assert alone == set(before)
    assert grown == {"end", "beginning"}


@pytest.mark.parametrize("struct", [one for one in STRUCTS if "pt_regs" in str(one.id)])
def test_what_a_number_reaches_is_another_field_in_some_layout(struct: Struct) -> None:
    """A number that is harmless in one variant, since a hole is where it reaches, hits a field in another."""
    for name, (at, _) in spans(struct).items():
        reached = {field_at(after, at) for _, after in moved_structs(struct)}
        assert [one for one in reached if one != name and not one.startswith("offset")], name


def test_a_large_struct_stays_within_reach_of_a_displacement() -> None:
    """A displacement of 12 bits: 4095. Fields move into holes, and the struct is not turned round."""
    fields = {"stack": Field(32), "pid": Field(1504, 4), "thread.ksp": Field(3000)}
    for variant, after in moved_structs(Struct("task_struct", 3900, fields, {})):
        assert variant.growth <= 8
        assert all(end <= 4095 for _, end in spans(after).values())


# Headers --------------------------------------------------------------------------------------------------------------


def test_only_the_numbers_of_a_header_change(tmp_path: Path) -> None:
    text = GENERATED + "#define __FTRACE_REGS_SIZE 184\n#define OTHER (__PT_SIZE + 8)\n#define __PT_FUTURE 24\n"
    header = headers.read(written(tmp_path, text, "asm-offsets.h"))
    struct = load_layout(library("models"), "linux-3.18").structs["pt_regs"]
    (variant,) = (one for one in variants.variants(struct) if one.name == "pt_regs: grown at the beginning")
    wanted = text.replace("PSW 8 ", "PSW 16 ").replace("__PT_GPRS 24 ", "__PT_GPRS 32 ").replace("0x98", "160")
    wanted = wanted.replace("__PT_SIZE 184", "__PT_SIZE 192").replace("REGS_SIZE 184", "REGS_SIZE 192")
    assert headers.moved(header, variant) == wanted


def test_a_field_of_an_inner_struct_moves_with_it() -> None:
    """__THREAD_ksp counts from __TASK_thread, as the kernel has it since 4.3."""
    header = headers.read(INCLUDE / "switch.inc")
    struct = load_layout(library("models"), "linux-6.12-task").structs["task_struct"]
    for variant in variants.variants(struct):
        now = headers._DEFINITION.finditer(headers.moved(header, variant))
        numbers = {name: number for name, number, _ in map(headers._defined, now)}
        assert numbers["__THREAD_ksp"] == 56
        assert numbers["__TASK_thread"] + 56 == variant.offset(3000)


def test_an_overlay_shows_everything_else_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "real/sub").mkdir(parents=True)
    for name in ("a.h", "b.h", "sub/c.h"):
        written(tmp_path / "real", name, name)
    root = tmp_path / "root"
    root.mkdir()
    overlay = Overlay(root, [tmp_path / "real"], [tmp_path / "real/sub/c.h"])
    overlay.write({tmp_path / "real/sub/c.h": "moved"})
    seen = overlay.path(tmp_path / "real")
    assert (seen / "a.h").read_text() == "a.h"
    assert (seen / "sub/c.h").read_text() == "moved"
    assert (seen / "sub/../b.h").read_text() == "b.h"
    assert (tmp_path / "real/sub/c.h").read_text() == "sub/c.h"
