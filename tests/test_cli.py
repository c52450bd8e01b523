"""The command line: commands, options, exit codes, and mistakes in contracts told with file and line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import elf
from tests.command import ROOT, Done, verify
from tests.elf import Reloc, Sym
from verify import library
from verify.contracts.load import contract_names, layout_names
from verify.properties import PROPERTIES
from verify.verdict import Verdict

TRAMPOLINES = ROOT / "trampolines"
GOOD = TRAMPOLINES / "ftrace-6.12.o"
BROKEN = TRAMPOLINES / "broken/mcount-ip-adjust.o"
PROVED, REFUTED, BAD, NOT_PROVED = 0, 1, 2, 3


@cache
def prove(*arguments: object) -> Done:
    return verify("prove", *arguments)


def document(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prove("--format", "json", *arguments).out)
    return found


def outcomes(*arguments: object) -> set[tuple[str, ...]]:
    keys = ("file", "routine", "contract", "property", "verdict", "message", "address")
    return {tuple(str(finding[key]) for key in keys) for finding in document(*arguments)["findings"]}


def complaint(done: Done) -> str:
    """The one line on stderr of a command that could not be carried out."""
    assert (done.code, done.out) == (BAD, "")
    (line,) = done.err.splitlines()
    assert line.startswith("verify: ")
    return line.removeprefix("verify: ")


@pytest.fixture(scope="module")
def unsupported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "unsupported.o"
    path.write_bytes(elf.function("e310000000040" + "7fe", [Reloc(2, 57, "sym")], [Sym("sym")]))
    return path


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "bad.o"
    path.write_bytes(b"no object")
    return path


# Exit codes -----------------------------------------------------------------------------------------------------------


def test_exit_code_0_when_all_is_proved() -> None:
    done = prove(GOOD)
    assert (done.code, done.err) == (PROVED, "")
    assert "39 proved" in done.out.splitlines()[-1]


def test_exit_code_1_when_something_is_refuted_or_unconfirmed() -> None:
    done = prove(BROKEN)
    assert (done.code, done.err) == (REFUTED, "")
    assert "handler-arguments" in done.out


def test_exit_code_3_when_something_is_not_proved(unsupported: Path) -> None:
    done = prove(unsupported)
    assert (done.code, done.err) == (NOT_PROVED, "")
    assert "unsupported" in done.out


@pytest.mark.parametrize("order", [1, -1])
def test_the_first_code_that_applies_is_used(order: int, bad: Path, unsupported: Path) -> None:
    assert prove(*[GOOD, unsupported][::order]).code == NOT_PROVED
    assert prove(*[unsupported, BROKEN][::order]).code == REFUTED
    assert prove(*[BROKEN, GOOD][::order]).code == REFUTED
    assert prove(*[BROKEN, bad, unsupported, GOOD][::order]).code == BAD


def test_a_bad_file_does_not_hide_the_others(bad: Path) -> None:
    alone, together = outcomes(GOOD), outcomes(bad, GOOD, BROKEN)
    assert alone < together
    assert outcomes(BROKEN) < together
    assert [finding["file"] for finding in document(bad, GOOD)["findings"] if finding["verdict"] == "error"] == [
        str(bad)
    ]
    assert prove(bad, GOOD).code == BAD


def test_the_order_of_files_changes_no_verdict() -> None:
    files = [GOOD, BROKEN, TRAMPOLINES / "ftrace-3.18.o"]
    assert outcomes(*files) == outcomes(*files[::-1])
    assert [finding["file"] for finding in document(*files)["findings"]] == sorted(
        (finding["file"] for finding in document(*files[::-1])["findings"]), key=[str(file) for file in files].index
    )


def test_the_same_file_twice_is_reported_twice() -> None:
    assert len(document(GOOD, GOOD)["findings"]) == 2 * len(document(GOOD)["findings"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_jobs_change_nothing(form: str, bad: Path) -> None:
    files = (GOOD, bad, BROKEN, TRAMPOLINES / "ftrace-3.18.o")
    done = subprocess.run(
        [sys.executable, "-m", "verify", "prove", "--jobs", "2", "--format", form, *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert Done(done.returncode, done.stdout, done.stderr) == prove("--format", form, *files)


def test_a_second_run_gives_the_same_report() -> None:
    assert verify("prove", BROKEN) == verify("prove", BROKEN)


# Reports --------------------------------------------------------------------------------------------------------------


def test_json_has_the_keys_of_schema_2(bad: Path, unsupported: Path) -> None:
    found = document(GOOD, BROKEN, bad, unsupported)
    assert found["schema"] == 2
    assert set(found) >= {"schema", "tool", "findings", "summary"}
    for finding in found["findings"]:
        assert set(finding) >= {
            "file",
            "routine",
            "contract",
            "property",
            "verdict",
            "message",
            "address",
            "assumptions",
        }
        assert isinstance(finding["file"], str)
        assert finding["message"]
        assert finding["verdict"] in {str(verdict) for verdict in Verdict}
        assert isinstance(finding["assumptions"], list)
        assert all(isinstance(assumption, str) for assumption in finding["assumptions"])
        assert finding["property"] is None or finding["property"] in {prop.name for prop in PROPERTIES}


def test_json_names_the_versions_that_the_verdicts_rest_on() -> None:
    tool = document(GOOD)["tool"]
    assert tool["name"] == "verify"
    assert {"version", "pyvex", "cle", "z3-solver"} <= set(tool)
    assert all(re.fullmatch(r"\d+(\.\w+)*", value) for key, value in tool.items() if key != "name")


def test_the_summary_counts_every_verdict(bad: Path, unsupported: Path) -> None:
    found = document(GOOD, BROKEN, bad, unsupported)
    verdicts = [finding["verdict"] for finding in found["findings"]]
    assert found["summary"] == {str(verdict): verdicts.count(str(verdict)) for verdict in Verdict}
    assert found["summary"]["error"] == found["summary"]["unsupported"] == 1
    assert found["summary"]["proved"] > 39
    assert found["summary"]["refuted"] >= 1


def test_trouble_with_a_routine_has_no_property(bad: Path, unsupported: Path) -> None:
    (finding,) = document(unsupported)["findings"]
    assert (finding["routine"], finding["property"], finding["verdict"]) == ("f", None, "unsupported")
    assert finding["contract"] == "abi/s390x-elf"
    assert finding["address"] == ".text+0x0"
    (finding,) = document(bad)["findings"]
    assert (finding["routine"], finding["contract"], finding["property"], finding["address"]) == (None,) * 4


def test_text_has_a_line_for_each_routine_and_property() -> None:
    lines = prove(GOOD).out.splitlines()
    for routine in document(GOOD)["routines"]:
        (line,) = (line for line in lines if line.startswith(f"{GOOD}: {routine['routine']} under "))
        assert routine["contract"] in line
    assert sum(line.startswith("  proved ") for line in lines) == document(GOOD)["summary"]["proved"]


def test_text_lists_every_assumption() -> None:
    out = prove(GOOD).out
    assumptions = {text for finding in document(GOOD)["findings"] for text in finding["assumptions"]}
    assert "old.r15 % 8 == 0" in assumptions
    assert all(text in out for text in assumptions)


def test_text_tells_a_counterexample() -> None:
    lines = prove(BROKEN).out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  refuted      handler-arguments"))
    words = " ".join(lines[at : at + 7])
    for word in ("expected:", "found:", "where:", "path:", "r2", ".text+0x"):
        assert word in words


def test_text_has_no_colour_where_there_is_no_terminal() -> None:
    assert "\x1b" not in prove(GOOD).out + prove(BROKEN).out


def test_quiet_leaves_out_what_is_proved() -> None:
    loud, quiet = prove(GOOD, BROKEN), prove("--quiet", GOOD, BROKEN)
    assert quiet.code == loud.code == REFUTED
    assert "  proved " not in quiet.out
    assert str(GOOD) not in quiet.out
    wrong = [line for line in loud.out.splitlines() if line.startswith("  refuted")]
    assert wrong
    assert set(wrong) <= set(quiet.out.splitlines())
    assert len(prove("--quiet", GOOD).out.splitlines()) == 1


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    for form in ("text", "json"):
        path = tmp_path / f"report.{form}"
        done = prove("--format", form, "--output", path, BROKEN)
        assert (done.code, done.out, done.err) == (REFUTED, "", "")
        assert path.read_text(encoding="utf-8") == prove("--format", form, BROKEN).out


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path / "no/such/report", tmp_path):
        assert complaint(verify("prove", "--output", path, GOOD)).startswith(f"{path}: cannot be written")


# Options --------------------------------------------------------------------------------------------------------------


def properties(*arguments: object) -> set[str]:
    return {finding["property"] for finding in document(*arguments)["findings"]}


def test_select_and_ignore() -> None:
    everything = properties(GOOD)
    assert properties("--select", "callee-saved", GOOD) == {"callee-saved"}
    assert properties("--select", "callee-saved, backchain", GOOD) == {"callee-saved", "backchain"}
    assert properties("--ignore", "callee-saved,backchain", GOOD) == everything - {"callee-saved", "backchain"}
    assert properties("--select", "backchain,expoline", "--ignore", "backchain", GOOD) == {"expoline"}


def test_what_is_not_selected_does_not_fail() -> None:
    assert prove("--select", "stack-balanced", BROKEN).code == PROVED
    assert prove("--ignore", "handler-arguments", BROKEN).code == PROVED


def test_a_property_that_a_contract_does_not_state_is_not_proved() -> None:
    done = prove("--select", "return-value", GOOD)
    assert done.code == NOT_PROVED
    assert document("--select", "return-value", GOOD)["summary"]["proved"] == 0


def test_select_and_ignore_that_leave_nothing() -> None:
    assert "leave no property" in complaint(verify("prove", "--select", "expoline", "--ignore", "expoline", GOOD))
    names = ",".join(prop.name for prop in PROPERTIES)
    assert "leave no property" in complaint(verify("prove", "--ignore", names, GOOD))


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_unknown_property(option: str) -> None:
    line = complaint(verify("prove", option, "callee-saved,stack-ballanced", GOOD))
    assert "'stack-ballanced'" in line
    assert "stack-balanced" in line


@pytest.mark.parametrize("option", ["--select", "--symbol", "--contract", "--layout"])
def test_an_option_with_nothing_in_it_is_no_silent_default(option: str) -> None:
    assert verify("prove", option, "", GOOD).code == BAD


def test_symbol_chooses_one_routine() -> None:
    routines = {finding["routine"] for finding in document("--symbol", "ftrace_regs_caller", GOOD)["findings"]}
    assert routines == {"ftrace_regs_caller"}


def test_an_unknown_symbol_is_named() -> None:
    done = prove("--symbol", "ftrace_callr", GOOD)
    assert (done.code, done.err) == (BAD, "")
    (line,) = (line for line in done.out.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {GOOD}: ")
    assert "'ftrace_callr'" in line


def test_a_symbol_of_data_is_no_routine(tmp_path: Path) -> None:
    path = tmp_path / "data.o"
    path.write_bytes(
        elf.function("07fe", symbols=[Sym("v", 2, 0, elf.OBJECT)], sections=[elf.Sec(".data", bytes(8), elf.DATA)])
    )
    done = verify("prove", "--symbol", "v", path)
    assert done.code == BAD
    assert f"error: {path}: " in done.out


def test_an_unknown_contract_with_a_suggestion() -> None:
    line = complaint(verify("prove", "--contract", "linux-6.12/ftrace_calller", GOOD))
    assert "'linux-6.12/ftrace_calller'" in line
    assert "did you mean linux-6.12/ftrace_caller?" in line


@pytest.mark.parametrize("name", ["nothing", "../models/abi/s390x-elf", "/etc/passwd", "layouts/linux-6.12", "linux"])
def test_what_is_no_contract(name: str) -> None:
    line = complaint(verify("prove", "--contract", name, GOOD))
    assert name in line


def test_a_base_is_no_contract_to_apply() -> None:
    line = complaint(verify("prove", "--contract", "linux/ftrace_r0", GOOD))
    assert "linux/ftrace_r0" in line
    assert "base" in line


def test_an_unknown_layout() -> None:
    line = complaint(verify("prove", "--layout", "linux-6.13", GOOD))
    assert "'linux-6.13'" in line


def test_a_layout_without_the_struct_that_the_contract_needs() -> None:
    line = complaint(verify("prove", "--layout", "s390x-linux-kernel", "--symbol", "ftrace_caller", GOOD))
    assert "pt_regs" in line


def test_a_contract_for_other_symbols_needs_a_choice() -> None:
    done = prove("--contract", "linux-6.5/return_to_handler", GOOD)
    (line,) = (line for line in done.out.splitlines() if line.startswith(f"error: {GOOD}: "))
    assert done.code == BAD
    assert "--symbol" in line
    assert "ftrace_caller" in line


def test_a_contract_for_a_family_needs_a_name_of_that_family() -> None:
    assert verify("prove", "--contract", "linux/expoline", "--symbol", "ftrace_caller", GOOD).code == BAD


def test_the_report_says_which_contract_was_applied_and_why(unsupported: Path) -> None:
    reasons = {routine["routine"]: routine["reason"] for routine in document(GOOD)["routines"]}
    assert "proofs/trampolines.toml" in reasons["ftrace_caller"]
    (routine,) = document(unsupported)["routines"]
    assert routine["contract"] == "abi/s390x-elf"
    assert "no claim" in routine["reason"]
    (routine,) = document("--contract", "abi/s390x-linux-kernel", unsupported)["routines"]
    assert "--contract" in routine["reason"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("prove",),
        ("prove", "--jobs", "0", GOOD),
        ("prove", "--jobs", "many", GOOD),
        ("prove", "--format", "xml", GOOD),
        ("prove", "--no-such-option", GOOD),
        ("list",),
        ("list", "everything"),
        ("show",),
        ("no-such-command",),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:3])),
)
def test_bad_usage_is_exit_code_2(arguments: tuple[object, ...]) -> None:
    done = verify(*arguments)
    assert (done.code, done.out) == (BAD, "")
    assert "Error: " in done.err


def test_help_and_version() -> None:
    assert verify("--version").out.startswith("verify, version ")
    for command in ("prove", "list", "show"):
        done = verify(command, "--help")
        assert done.code == 0
        assert "Usage: " in done.out
        assert command in verify("--help").out


# list and show --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("contracts", lambda: contract_names(library.library("models"))),
        ("properties", lambda: [prop.name for prop in PROPERTIES]),
        ("layouts", lambda: layout_names(library.library("models"))),
    ],
    ids=["contracts", "properties", "layouts"],
)
def test_list_names_and_explains(what: str, names: Callable[[], list[str]]) -> None:
    done = verify("list", what)
    assert (done.code, done.err) == (0, "")
    listed = [line.split(maxsplit=1) for line in done.out.splitlines()]
    assert [line[0] for line in listed] == names()
    assert all(len(line) == 2 for line in listed)


def test_list_knows_the_contracts_and_properties_of_the_issue() -> None:
    contracts = verify("list", "contracts").out
    for name in (
        "linux-mcount/ftrace_caller linux-mcount/ftrace_regs_caller linux-3.18/ftrace_caller linux-6.12/ftrace_caller "
        "linux-6.12/ftrace_regs_caller linux-6.5/return_to_handler linux-6.14/return_to_handler linux/expoline "
        "abi/s390x-elf abi/s390x-linux-kernel"
    ).split():
        assert re.search(rf"^{re.escape(name)} ", contracts, re.MULTILINE)
    found = {line.split()[0] for line in verify("list", "properties").out.splitlines()}
    assert found >= set(
        "callee-saved stack-balanced stack-confined memory-frame psw-redirect redirect-entry regs-complete "
        "regs-honoured handler-arguments call-abi backchain return-value mode-preserved vector-preserved expoline "
        "no-stale-read".split()
    )


def test_show_prints_disassembly_and_a_graph() -> None:
    done = verify("show", GOOD, "--symbol", "ftrace_regs_caller")
    assert (done.code, done.err) == (0, "")
    text, _, dot = done.out.partition("digraph ")
    assert text.startswith("ftrace_regs_caller:\n")
    for mnemonic in ("stg", "epsw", "lgrl", "lmg"):
        assert re.search(rf"^ +[0-9a-f]+: [0-9a-f]+ +{mnemonic}\b", text, re.MULTILINE), mnemonic
    assert "ftrace_func" in text
    assert dot.startswith('"ftrace_regs_caller" {')
    assert " -> " in dot
    assert "__s390_indirect_jump_r1:" not in done.out


def test_show_shows_all_routines() -> None:
    out = verify("show", GOOD).out
    for routine in ("ftrace_caller", "ftrace_regs_caller", "__s390_indirect_jump_r1"):
        assert re.search(rf"^{routine}:$", out, re.MULTILINE)
        assert f'digraph "{routine}"' in out


def test_show_dot_is_nothing_but_a_graph() -> None:
    out = verify("show", "--dot", "--symbol", "ftrace_caller", GOOD).out
    assert out.startswith('digraph "ftrace_caller" {\n')
    assert out.rstrip().endswith("}")
    assert out.count("{") == out.count("}") == 1
    nodes = set(re.findall(r"^  (b\d+) \[label=", out, re.MULTILINE))
    ends = set(re.findall(r"^  (b\d+) -> ", out, re.MULTILINE)) | set(re.findall(r" -> (b\d+) ", out))
    assert nodes
    assert ends <= nodes


def test_show_names_what_it_cannot_decode(tmp_path: Path) -> None:
    path = tmp_path / "odd.o"
    path.write_bytes(elf.function("1711" + "0000" + "07fe"))
    done = verify("show", path)
    assert done.code == 0
    assert "no instruction is known for 0000" in done.out


def test_show_of_a_symbol_that_is_not_there() -> None:
    assert complaint(verify("show", GOOD, "--symbol", "nothing")).startswith(f"{GOOD}: ")


# Mistakes in models and proofs ----------------------------------------------------------------------------------------


def edit(path: Path, old: str, new: str) -> int:
    """Make a mistake, once; the line it stands in."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{path.name} has no {old!r}"
    at = text.index(old)
    path.write_text(text[:at] + new + text[at + len(old) :], encoding="utf-8")
    return text[:at].count("\n") + 1


CALLER, MCOUNT, R0 = "linux-6.12/ftrace_caller", "linux-mcount/ftrace_caller", "linux/ftrace_r0"
SPLIT, R14, R14_STOP = "linux/ftrace_split", "linux/ftrace_r14", "linux/ftrace_r14_stop"
# Contract asked for, file with the mistake, what is replaced by what, and a word of the complaint.
MISTAKES = {
    "unknown key": (CALLER, SPLIT, "thunks   =", "thunk   =", "'thunks'"),
    "unknown key in a base": (CALLER, R0, "stale    =", "stael    =", "'stale'"),
    "unknown key of a call": (CALLER, SPLIT, "mutable =", "mutabel =", "'mutable'"),
    "unknown key of a patch site": (CALLER, R0, "states  =", "state   =", "'states'"),
    "unknown table": (CALLER, SPLIT, "[struct.regs.complete]", "[structs.regs.complete]", "'struct'"),
    "unknown key of a struct": (CALLER, SPLIT, "[struct.regs.complete]", "[struct.regs.complet]", "complete"),
    "unknown key of a claim": (CALLER, SPLIT, "{ when =", "{ whne =", "whne"),
    "unknown key of early": (MCOUNT, R14_STOP, "[early.claims]", "[early.claim]", "claims"),
    "syntax of TOML": (CALLER, CALLER, 'layout  = "linux-6.12"', 'layout  = "linux-6.12', ""),
    "no value": (CALLER, SPLIT, "thunks   = true", "thunks   =", ""),
    "twice": (CALLER, SPLIT, "thunks   = true", "thunks   = true\nthunks = true", ""),
    "register out of range": (MCOUNT, R14, '"r2-r13"', '"r2-r17"', "r2-r17"),
    "no register": (MCOUNT, R14, '"r2-r13"', '"q2"', "q2"),
    "registers backwards": (MCOUNT, R14, '"r2-r13"', '"r13-r2"', "r13-r2"),
    "argument register": (CALLER, R0, "r5 = ", "r16 = ", "r16"),
    "argument in a float register": (CALLER, R0, "r5 = ", "f5 = ", "f5"),
    "register in an expression": (CALLER, R0, '"old.r14"', '"old.r16"', "old.r16"),
    "unknown field": (CALLER, SPLIT, "orig_gpr2 =", "orig_gpr3 =", "orig_gpr3"),
    "unknown field in an expression": (CALLER, SPLIT, "regs.gprs[15]", "regs.gprs[16]", "gprs[16]"),
    "unknown mutable field": (CALLER, SPLIT, '"regs.orig_gpr2"]', '"regs.orig_gpr3"]', "orig_gpr3"),
    "unknown slot": (CALLER, "linux/trampoline", "stack_frame.back_chain", "stack_frame.backchain", "backchain"),
    "unknown variable": (CALLER, SPLIT, "variable.ftrace_func", "variable.ftrace_fnuc", "ftrace_fnuc"),
    "unknown type of a variable": (CALLER, SPLIT, 'ftrace_func = "pointer"', 'ftrace_func = "ptr"', "pointer"),
    "unknown constant": (CALLER, R0, "const.MCOUNT_INSN_SIZE", "const.MCOUNT_INSN", "MCOUNT_INSN"),
    "unknown call": (CALLER, R0, "called(handler)", "called(handlr)", "handlr"),
    "unknown struct": (CALLER, R0, "pointer(regs)", "pointer(reg)", "reg"),
    "unknown struct type": (CALLER, R0, 'type = "pt_regs"', 'type = "pt_reg"', "pt_reg"),
    "unknown function": (CALLER, R0, "pointer(regs)", "address(regs)", "address(regs)"),
    "unknown patch site": (CALLER, R0, 'patch    = "graph"', 'patch    = "grph"', "grph"),
    "unknown state of a patch site": (CALLER, R0, '"nop"]', '"nopr"]', "nopr"),
    "odd bytes of a patch site": (CALLER, R0, '"nop"]', '"a704.."]', "halfwords"),
    "patch site with one state": (CALLER, R0, '["as assembled", "nop"]', '["as assembled"]', "list another one"),
    "patch site that begins otherwise": (CALLER, R0, '["as assembled", "nop"]', '["nop", "as assembled"]', "begin"),
    "unknown way of writing": (CALLER, R0, '"mask byte"', '"mask bite"', "mask bite"),
    "byte of a patch site written twice": (CALLER, R0, '"mask byte"', "[[0, 1], [1]]", "once"),
    "byte beyond a patch site": (CALLER, R0, '"mask byte"', "[[0, 64]]", "from 0 to 63"),
    "number for a way of writing": (CALLER, R0, '"mask byte"', "1", "lists of bytes"),
    "lowcore that a layout lacks": (CALLER, R0, 'stale    = ["r2-r15"]', 'lowcore = { nothing = "07f1" }', "nothing"),
    "unknown replaced value": (CALLER, R0, '"regs.gprs[14]"', '"regs.gprs[44]"', "gprs[44]"),
    "unknown mode": (CALLER, "linux/trampoline", '"psw-mask"', '"psw-maks"', "psw-maks"),
    "unknown separation": (CALLER, "linux/trampoline", '"lowcore"', '"locore"', "locore"),
    "unknown property": (CALLER, SPLIT, "psw-redirect   =", "psw-redirct   =", "'psw-redirect'"),
    "expression that is none": (CALLER, SPLIT, '"r0 == regs.psw.addr"', '"r0 == == 1"', "not an expression"),
    "expression in another language": (CALLER, SPLIT, '"r0 == regs.psw.addr"', '"[r0]"', "List"),
    "empty expression": (CALLER, SPLIT, '"r0 == regs.psw.addr"', '""', ""),
    "ranges that differ": (CALLER, SPLIT, "r{2..14} == regs", "r{2..13} == regs", "differ in length"),
    "text for a switch": (CALLER, SPLIT, 'expoline = "where-built"', 'expoline = "yes"', "expoline"),
    "text for a list": (CALLER, CALLER, 'symbols = ["ftrace_caller"]', 'symbols = "ftrace_caller"', "symbols"),
    "number for an expression": (CALLER, SPLIT, 'flags     = "0"', "flags     = 0", "quotes"),
    "extends nothing": (CALLER, SPLIT, '"linux/ftrace_r0"', '"linux/ftrace_r9"', "ftrace_r9"),
    "extends itself": (CALLER, SPLIT, '"linux/ftrace_r0"', f'"{CALLER}"', "extends itself"),
    "extends in a circle": (CALLER, R0, '"linux/trampoline"', f'"{CALLER}"', "extends itself"),
    "unknown layout": (CALLER, CALLER, '"linux-6.12"', '"linux-6.11"', "linux-6.11"),
    "struct without size": (CALLER, "layouts/linux-6.12", "size         = 200", "", "size"),
    "field that is no number": (CALLER, "layouts/linux-6.12", "flags        = 176", 'flags = "176"', "number"),
    "key of a field": (CALLER, "layouts/linux-6.12", "count = 16", "cuont = 16", "'count'"),
    "layout in a circle": (
        CALLER, "layouts/s390x-linux-kernel", "summary = ", 'extends = "linux-6.12"\nsummary = ', "extends itself"),
    "syntax of a layout": (CALLER, "layouts/linux-6.12", "[pt_regs]", "[pt_regs", ""),
}  # fmt: skip
# Where the mistake shows only in another line than its own, or in another file that uses it.
ELSEWHERE = {"unknown layout", "struct without size", "layout in a circle", "empty expression", "twice"}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_contract_is_told_with_file_and_line(name: str, models: Path) -> None:
    contract, file, old, new, word = MISTAKES[name]
    path = models / f"{file}.toml"
    line = edit(path, old, new)
    told = complaint(verify("prove", "--contract", contract, "--symbol", "ftrace_caller", GOOD))
    assert word in told
    if name in ELSEWHERE:
        assert re.match(rf"{re.escape(str(models))}/\S+\.toml(:\d+)?: ", told)
    else:
        assert told.startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("name", ["unknown key", "unknown key in a base", "syntax of TOML", "expression that is none"])
def test_a_mistake_in_a_claimed_contract_is_told_too(name: str, models: Path) -> None:
    _, file, old, new, word = MISTAKES[name]
    line = edit(models / f"{file}.toml", old, new)
    told = complaint(verify("prove", GOOD))
    assert told.startswith(f"{models / file}.toml:{line}: ")
    assert word in told


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("contract =", "contrat =", "'contract'"),
        ("[[claim]]", "[[claims]]", "'claim'"),
        ("symbols  = [", "symbols  = [[", ""),
        ('symbols  = ["ftrace_caller"]', 'symbols  = "ftrace_caller"', "list"),
        ("why      =", "why      ", ""),
    ],
)
def test_a_mistake_in_a_claim_is_told_with_file_and_line(old: str, new: str, word: str, models: Path) -> None:
    path = models.parent / "proofs/trampolines.toml"
    edit(path, old, new)
    told = complaint(verify("prove", GOOD))
    assert re.match(rf"{re.escape(str(path))}:\d+: ", told)
    assert word in told


def test_a_claim_of_a_contract_that_is_not_there(models: Path) -> None:
    edit(models.parent / "proofs/trampolines.toml", '"linux-mcount/ftrace_caller"', '"linux-mcount/ftrace_calle"')
    told = complaint(verify("prove", TRAMPOLINES / "mcount-ftrace_caller.o"))
    assert "linux-mcount/ftrace_calle" in told


def test_a_contract_that_is_not_text(models: Path) -> None:
    (models / "linux-6.12/ftrace_caller.toml").write_bytes(b"\xff\xfe")
    told = complaint(verify("prove", "--symbol", "ftrace_caller", GOOD))
    assert told.startswith(f"{models / 'linux-6.12/ftrace_caller.toml'}: ")


def test_list_tells_a_mistake_as_well(models: Path) -> None:
    path = models / "linux-6.12/ftrace_caller.toml"
    line = edit(path, 'layout  = "linux-6.12"', 'layout  = "linux-6.12')
    assert complaint(verify("list", "contracts")).startswith(f"{path}:{line}: ")


def test_the_copy_without_a_mistake_proves_as_before(models: Path) -> None:
    assert models.is_dir()
    assert verify("prove", GOOD) == prove(GOOD)
