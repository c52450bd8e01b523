"""Handler models: what each takes away from what a contract lets a handler change, and that every report says so."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from tests import assembler
from tests.command import ROOT, verify
from verify import library, pipeline
from verify.contracts.handlers import handler_names, listed, load_handler
from verify.report.report import FileReport
from verify.verdict import Exit, Verdict

MODELS = library.library("models")
GOOD = ROOT / "trampolines/ftrace-6.12.o"
MCOUNT = ROOT / "trampolines/mcount-ftrace_regs_caller.o"
EXPOLINE = ROOT / "trampolines/expoline.o"
CALLER = "linux-6.12/ftrace_caller"
ALL = [f"gprs[{number}]" for number in range(16)]
NARROWER = ["direct", "fprobe", "graph", "inert", "kprobe", "livepatch"]

# By hand from the sources that the models name: what each changes (None: everything).
CHANGES = {
    "direct": ["orig_gpr2"],
    "fprobe": ["gprs[14]"],
    "graph": ["gprs[14]"],
    "hostile": None,
    "inert": [],
    "kprobe": ["psw.addr", "psw.mask", *ALL],
    "livepatch": ["psw.addr"],
}


@cache
def report(handler: str | None, path: Path = GOOD, symbol: str | None = "ftrace_caller") -> FileReport:
    return pipeline.prove_file(path, pipeline.Options(symbol=symbol, handler=handler))


def verdicts(found: FileReport, prop: str) -> set[Verdict]:
    return {one.verdict for one in found.findings() if one.property == prop}


def assumptions(found: FileReport) -> set[str]:
    return {text for one in found.findings() for text in one.assumptions}


def assembled(tmp_path: Path, at_exit: str, at_entry: str = "") -> Path:
    """ftrace_caller of 6.12 with instructions before its first one, and before its last branch."""
    source = tmp_path / "changed.s"
    source.write_text(
        f'\t.include "body-6.12.inc"\n\t.include "select-z196.inc"\n\tenter ftrace_caller, 0, 0, "{at_entry}"\n'
        f'\tcall_handler_and_leave ftrace_caller, at_exit="{at_exit}"\n\tthunk 1\n',
        encoding="utf-8",
    )
    return assembler.available()[0].assemble(source, tmp_path / "changed.o")


def proved(path: Path, handler: str) -> dict[str, set[Verdict]]:
    options = pipeline.Options(symbol="ftrace_caller", contract=CALLER, handler=handler)
    found = pipeline.prove_file(path, options)
    return {str(one.property): verdicts(found, str(one.property)) for one in found.findings()}


# The models -----------------------------------------------------------------------------------------------------------


def test_each_model_changes_what_its_handler_changes() -> None:
    assert handler_names(MODELS) == sorted(CHANGES)
    for name, fields in CHANGES.items():
        changes = load_handler(MODELS, name).changes
        assert (None if changes is None else list(changes)) == fields


def test_only_the_direct_caller_always_leaves_something() -> None:
    found = {name: [expr.text for expr in load_handler(MODELS, name).sets] for name in CHANGES}
    assert found == {name: ["orig_gpr2 != 0"] if name == "direct" else [] for name in CHANGES}


def test_list_handlers() -> None:
    done = verify("list", "handlers")
    assert (done.code, done.err) == (0, "")
    assert [line.split(maxsplit=1)[0] for line in done.out.splitlines()] == sorted(CHANGES)
    assert all(len(line.split(maxsplit=1)) == 2 for line in done.out.splitlines())


def test_an_unknown_model_is_a_usage_error_with_the_known_ones() -> None:
    done = verify("prove", "--handler", "livepach", GOOD)
    assert (done.code, done.out) == (Exit.BAD_INPUT, "")
    (line,) = done.err.splitlines()
    assert "'livepach'" in line
    assert "did you mean livepatch?" in line
    assert all(name in line for name in CHANGES)


def test_a_model_is_no_contract() -> None:
    assert "handlers/inert" in verify("prove", "--contract", "handlers/inert", GOOD).err
    assert not any(line.startswith("handlers/") for line in verify("list", "contracts").out.splitlines())


# What a proof under a model says --------------------------------------------------------------------------------------

SAYS = {
    "livepatch": ["handler livepatch: changes regs.psw.addr and nothing else of the struct"],
    "inert": ["handler inert: changes nothing of the struct"],
    "graph": ["handler graph: changes regs.gprs[14] and nothing else of the struct"],
    "fprobe": ["handler fprobe: changes regs.gprs[14] and nothing else of the struct"],
    "direct": ["handler direct: changes regs.orig_gpr2 and nothing else of the struct, and leaves orig_gpr2 != 0"],
    "kprobe": [
        "handler kprobe: changes regs.psw.addr, regs.gprs[2..14] and nothing else of the struct",
        "handler kprobe: the contract does not let it change psw.mask, gprs[0..1], gprs[15]",
    ],
}


@pytest.mark.parametrize("handler", NARROWER)
def test_the_good_caller_is_proved_and_every_finding_rests_on_the_model(handler: str) -> None:
    found = report(handler)
    (routine,) = found.routines
    assert {one.verdict for one in found.findings()} == {Verdict.PROVED}
    assert routine.reason.endswith(f"; only for handler {handler}")
    for one in found.findings():
        assert [text for text in one.assumptions if text.startswith("handler ")] == SAYS[handler]


def test_a_proof_without_a_model_is_one_of_the_hostile_handler() -> None:
    assert report("hostile") == report(None)
    assert not any(text.startswith("handler hostile") for text in assumptions(report(None)))
    assert any(text.startswith("handler changes of the struct only") for text in assumptions(report(None)))


def test_the_report_in_text_and_json_says_so() -> None:
    text = verify("prove", "--handler", "livepatch", "--symbol", "ftrace_caller", GOOD)
    assert text.code == 0
    assert "only for handler livepatch" in text.out
    assert SAYS["livepatch"][0] in text.out
    document = json.loads(verify("prove", "--handler", "livepatch", "--format", "json", GOOD).out)
    assert all("only for handler livepatch" in one["reason"] for one in document["routines"])
    for one in document["findings"]:
        assert any(text.startswith("handler livepatch: ") for text in one["assumptions"])


def test_a_contract_that_hands_nothing_out_says_that_the_model_takes_nothing_away() -> None:
    found = pipeline.prove_file(EXPOLINE, pipeline.Options(symbol="__s390_indirect_jump_r7", handler="livepatch"))
    assert "handler livepatch: this contract hands out nothing that a handler may change" in assumptions(found)
    assert {one.verdict for one in found.findings()} == {Verdict.PROVED}


# What a model may and may not prove -----------------------------------------------------------------------------------


def test_a_lost_direct_caller_shows_to_those_who_set_one(tmp_path: Path) -> None:
    """r1, where control goes, is psw.addr whatever orig_gpr2 holds: right for all that set no direct caller."""
    path = assembled(tmp_path, "lgr %r1, %r0")
    for handler in CHANGES:
        wrong = handler in ("direct", "hostile")
        assert proved(path, handler)["psw-redirect"] == {Verdict.REFUTED if wrong else Verdict.PROVED}, handler


def test_a_lost_register_shows_to_those_who_change_it(tmp_path: Path) -> None:
    """r9 ends as it was at entry, whatever its field holds: right for all that leave that field alone."""
    path = assembled(tmp_path, "lg %r9, 96(%r15)", at_entry="stg %r9, 96(%r15)")
    for handler in CHANGES:
        wrong = handler in ("kprobe", "hostile")
        assert proved(path, handler)["callee-saved"] == {Verdict.REFUTED if wrong else Verdict.PROVED}, handler


def test_a_lost_redirection_shows_to_those_who_redirect(tmp_path: Path) -> None:
    """r0, with which a direct caller goes on, is that of the entry: right for all that leave psw.addr alone."""
    path = assembled(tmp_path, "lg %r0, 104(%r15)", at_entry="stg %r0, 104(%r15)")
    for handler in CHANGES:
        wrong = handler in ("kprobe", "livepatch", "hostile")
        assert proved(path, handler)["regs-honoured"] == {Verdict.REFUTED if wrong else Verdict.PROVED}, handler


def test_what_is_lost_whoever_runs_shows_under_every_model(tmp_path: Path) -> None:
    path = assembled(tmp_path, "lgr %r2, %r15")
    for handler in CHANGES:
        assert proved(path, handler)["callee-saved"] == {Verdict.REFUTED}, handler


def test_direct_assumes_that_there_is_an_address() -> None:
    """psw-redirect: `pc == (orig_gpr2 if orig_gpr2 != 0 else psw.addr)`; only orig_gpr2 is left."""
    from verify import routine
    from verify.objfile.elf import load
    from verify.prove.decide import Decider
    from verify.prove.smt import Solver
    from verify.semantics.code import Code

    image = load(GOOD)
    (choice,) = pipeline.choose(image, pipeline.Options(symbol="ftrace_caller", handler="direct"))
    assert choice.symbol.place is not None
    terms = routine.assumptions(choice.contract, Code(image), choice.symbol.place)
    paths = list(routine.walk(image, choice.contract, choice.symbol.place, Decider(Solver(), terms)))
    assert all(any("orig_gpr2" in str(one) for one in path.state.conditions) for path in paths)


# Claims that say nothing of a model -----------------------------------------------------------------------------------

REMARK = "redirect-entry: no verdict on 'r14 == regs.gprs[14], whenever regs.psw.addr != "


@pytest.mark.parametrize("handler", NARROWER)
def test_a_claim_about_what_a_handler_never_does_is_a_remark_and_no_verdict(handler: str) -> None:
    found = report(handler)
    (routine,) = found.routines
    redirects = "psw.addr" in (CHANGES[handler] or ())
    assert verdicts(found, "redirect-entry") == ({Verdict.PROVED} if redirects else set())
    remarks = [remark for remark in routine.remarks if remark.startswith(REMARK)]
    assert len(remarks) == (0 if redirects else 1)
    assert all(remark.endswith(f"handler {handler} leaves regs.psw.addr as it is") for remark in remarks)


def test_where_nothing_that_was_chosen_applies_nothing_is_proved() -> None:
    done = verify("prove", "--handler", "inert", "--select", "redirect-entry", "--symbol", "ftrace_caller", GOOD)
    assert done.code == Exit.NOT_PROVED
    assert "vacuous" in done.out
    assert "nothing of what was chosen is claimed of handler inert" in done.out
    assert REMARK in done.out


def test_a_claim_that_is_empty_for_every_handler_stays_vacuous(tmp_path: Path) -> None:
    """Its `when` names no field that the model leaves alone, so the model is no excuse."""
    path = tmp_path / "mine.toml"
    claim = 'return-value = [{ when = "old.r2 != old.r2", that = "r2 == 0" }]'
    path.write_text(f'extends = "{CALLER}"\n[claims]\n{claim}\n', encoding="utf-8")
    for handler in (None, "inert"):
        options = pipeline.Options(symbol="ftrace_caller", contract=str(path), handler=handler)
        assert verdicts(pipeline.prove_file(GOOD, options), "return-value") == {Verdict.VACUOUS}


def test_the_r14_protocol_too() -> None:
    found = report("inert", MCOUNT, "ftrace_regs_caller")
    assert {one.verdict for one in found.findings()} == {Verdict.PROVED}
    assert not verdicts(found, "redirect-entry")
    assert {one.verdict for one in report("graph", MCOUNT, "ftrace_caller").findings()} == {Verdict.PROVED}


# Mistakes in a model --------------------------------------------------------------------------------------------------


MISTAKES = {
    "unknown key": ('changes = ["psw.addr"]', 'change = ["psw.addr"]', "'changes'"),
    "unknown field": ('changes = ["psw.addr"]', 'changes = ["psw.adr"]', "did you mean 'psw.addr'?"),
    "no list": ('changes = ["psw.addr"]', 'changes = "psw.addr"', "list"),
    "a number": ('changes = ["psw.addr"]', "changes = [4]", "list"),
    "a range that runs backwards": ('changes = ["psw.addr"]', 'changes = ["gprs[{3..2}]"]', "backwards"),
    "syntax": ('changes = ["psw.addr"]', 'changes = ["psw.addr"', ""),
    "sets what it does not change": (
        'changes = ["psw.addr"]', 'changes = []\nsets = ["psw.addr != 0"]', "not among its 'changes'"),
    "sets no statement": ('changes = ["psw.addr"]', 'changes = ["psw.addr"]\nsets = ["psw.addr"]', "statement"),
    "sets no expression": ('changes = ["psw.addr"]', 'changes = ["psw.addr"]\nsets = ["psw.addr =="]', "expression"),
    "sets something elsewhere": (
        'changes = ["psw.addr"]', 'changes = ["psw.addr"]\nsets = ["mem[psw.addr] != 0"]', "nothing else"),
    "sets nothing": ('changes = ["psw.addr"]', 'changes = ["psw.addr"]\nsets = ["1 == 1"]', "must speak of fields"),
    "sets that is no list": ('changes = ["psw.addr"]', 'changes = ["psw.addr"]\nsets = "psw.addr != 0"', "list"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_model_is_told_with_file_and_line(name: str, models: Path) -> None:
    old, new, word = MISTAKES[name]
    path = models / "handlers/livepatch.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
    done = verify("prove", "--handler", "livepatch", GOOD)
    assert (done.code, done.out) == (Exit.BAD_INPUT, "")
    (line,) = done.err.splitlines()
    where = text[: text.index(old)].count("\n") + 1 + new.count("\n")
    assert line.startswith(f"verify: {path}:{where}: " if name != "syntax" else f"verify: {path}:")
    assert word in line


def test_a_model_without_changes_is_a_mistake(models: Path) -> None:
    path = models / "handlers/livepatch.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("changes", "# changes"), encoding="utf-8")
    assert f"{path}: " in verify("prove", "--handler", "livepatch", GOOD).err


def test_runs_of_fields_read_as_ranges() -> None:
    assert listed(["a", "g[2]", "g[3]", "g[4]", "g[7]", "b"]) == "a, b, g[2..4], g[7]"
    assert listed([]) == ""
