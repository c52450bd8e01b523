"""Kernel versions, which of them a contract is for, and what its file may say of that, with the line of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify import library
from verify.contracts import selection
from verify.contracts.kernels import Fit, Kernels, kernels_of, version
from verify.contracts.load import contract_names, load_contract
from verify.contracts.source import read
from verify.errors import ContractError

MODELS = library.library("models")


@pytest.mark.parametrize(
    ("text", "branch", "patch"),
    [
        ("5.10", (5, 10), None),
        ("5.10.0", (5, 10), 0),
        ("5.10.262", (5, 10), 262),
        ("2.6.31", (2, 6, 31), None),
        ("2.6.32.71", (2, 6, 32), 71),
        ("10.2.1", (10, 2), 1),
        ("6.1.0-49-s390x", (6, 1), None),  # a vendor's: what it carries is not in the number
        ("5.14-rc3", (5, 14), None),
        ("5.14.0-rc3", (5, 14), None),
        ("6.12.94+deb13-s390x", (6, 12), 94),
        ("5.10.0+", (5, 10), 0),
    ],
)
def test_a_version_has_a_branch_and_perhaps_a_patch_level(
    text: str, branch: tuple[int, ...], patch: int | None
) -> None:
    found = version(text)
    assert (found.branch, found.patch, found.text) == (branch, patch, text)


@pytest.mark.parametrize("text", ["", "5", "2.6", "five", "5.x", "5.10.", "5..10", "v5.10", "5.10.1.2", "latest"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a kernel version"):
        version(text)


def kernels(first: str | None, last: str | None, backported: str = "", superseded: str = "") -> Kernels:
    return Kernels(
        None if first is None else version(first),
        None if last is None else version(last),
        tuple(map(version, backported.split())),
        tuple(map(version, superseded.split())),
    )


OLD, NEW = kernels("4.0", "5.3", "", "4.4.215 4.19.105"), kernels("5.5", "5.6", "4.4.215 4.19.105 5.4")


@pytest.mark.parametrize(
    ("kernel", "old", "new"),
    [
        ("3.19", Fit.NO, Fit.NO),
        ("4.0", Fit.YES, Fit.NO),
        ("4.4.214", Fit.YES, Fit.NO),
        ("4.4.215", Fit.NO, Fit.YES),
        ("4.4.302", Fit.NO, Fit.YES),
        ("4.4", Fit.MAYBE, Fit.MAYBE),
        ("4.4.0-210-generic", Fit.MAYBE, Fit.MAYBE),
        ("4.9.300", Fit.YES, Fit.NO),
        ("5.3.18", Fit.YES, Fit.NO),
        ("5.4.10", Fit.NO, Fit.MAYBE),
        ("5.5", Fit.NO, Fit.YES),
        ("5.6.19", Fit.NO, Fit.YES),
        ("5.7", Fit.NO, Fit.NO),
        ("5.10", Fit.NO, Fit.NO),
    ],
)
def test_which_kernels_a_contract_is_for(kernel: str, old: Fit, new: Fit) -> None:
    """5.10 is later than 5.6, though not as a decimal number."""
    assert (OLD.fit(version(kernel)), NEW.fit(version(kernel))) == (old, new)


def test_one_kernel_means_that_one_and_later() -> None:
    found = kernels("6.14", None)
    assert [found.fit(version(one)) for one in ("6.13", "6.14", "7.2.13", "10.0")] == [Fit.NO, *[Fit.YES] * 3]


def test_a_contract_for_stable_releases_alone() -> None:
    found = kernels(None, None, "4.4.215")
    assert [found.fit(version(one)) for one in ("4.4.214", "4.4.215", "4.5", "6.1")] == [
        Fit.NO, Fit.YES, Fit.NO, Fit.NO,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (kernels("3.18", "3.19"), "3.18 to 3.19"),
        (kernels("5.4", "5.4"), "5.4"),
        (kernels("6.14", None, "6.12.94"), "6.14 and later; stable releases from 6.12.94"),
        (OLD, "4.0 to 5.3; not stable releases from 4.4.215, 4.19.105"),
        (kernels(None, None, "4.4.215"), "stable releases from 4.4.215"),
        (kernels("5.4", "5.4", "", "5.4"), "5.4; not later stable releases of 5.4"),
        (NEW, "5.5 to 5.6; stable releases from 4.4.215, 4.19.105; later stable releases of 5.4"),
    ],
)
def test_how_they_are_told(found: Kernels, text: str) -> None:
    assert found.describe() == text


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('kernels = "5.10"\n', 2, "list of strings"),
        ("kernels = [5.10]\n", 2, "list of strings"),
        ("kernels = []\n", 2, "first and the last kernel"),
        ('kernels = ["5.4", "5.5", "5.6"]\n', 2, "first and the last kernel"),
        ('\nkernels = ["5.4", "next"]\n', 3, "'next' is not a kernel version"),
        ('kernels = ["5.4.20", "5.5"]\n', 2, "names branches"),
        ('kernels = ["5.10", "5.9"]\n', 2, "before it begins"),
        ('superseded = ["5.4.20"]\n', 2, "'superseded' says nothing"),
        ('kernels = ["5.4", "5.5"]\nbackported = ["5.4.20"]\n', 3, "is one already"),
        ('kernels = ["5.4", "5.5"]\n\nsuperseded = ["5.10.20"]\n', 4, "is not one"),
        ('kernels = ["5.4"]\nbackported = ["4.x"]\n', 3, "'4.x' is not a kernel version"),
        ('kernels = ["5.4"]\npresent = "x"\n', 3, "list of strings"),
        ('kernel = ["5.4"]\n', 2, "did you mean 'kernels'"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    path = tmp_path / "made/one.toml"
    path.write_text('summary = "made"\n' + text + 'layout = "none"\n', encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        read_all(tmp_path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert words in str(caught.value)


def read_all(models: Path) -> None:
    selection.dated(models)
    for name in contract_names(models):
        load_contract(models, name)


def test_what_extends_a_contract_is_not_for_its_kernels() -> None:
    assert kernels_of(read(MODELS / "linux-mcount/ftrace_caller.toml")) is not None
    assert kernels_of(read(MODELS / "linux-mcount/ftrace_regs_caller.toml")) is None
    assert "linux-mcount/ftrace_regs_caller" not in {one.name for one in selection.dated(MODELS)}


def test_every_ftrace_contract_says_which_kernels_it_is_for() -> None:
    """But for what nobody merged."""
    dated = {one.name for one in selection.dated(MODELS)}
    words = ("ftrace_caller", "_mcount", "return_to_handler", "ftrace_stub")
    assert {name for name in contract_names(MODELS) if any(word in name for word in words)} <= dated
    assert {name for name in contract_names(MODELS) if "ftrace_regs_caller" in name} - dated <= {
        "linux-mcount/ftrace_regs_caller",
        "linux-mcount-31/ftrace_regs_caller",
    }


# Which contract a routine is held to ----------------------------------------------------------------------------------


def chosen(symbol: str, kernel: str, known: set[str], bits: int = 64) -> list[str]:
    found = selection.candidates(MODELS, [symbol], version(kernel), bits, lambda name: name in known)
    return sorted(one.name for one in found)


GRAPH = {"ftrace_caller", "prepare_ftrace_return"}


@pytest.mark.parametrize(
    ("symbol", "kernel", "known", "wanted"),
    [
        ("_mcount", "2.6.29", {"_mcount"}, ["linux-2.6.29/_mcount"]),
        ("_mcount", "2.6.32", {"_mcount"}, ["linux-2.6.31/_mcount"]),
        ("_mcount", "2.6.32", {"_mcount", "prepare_ftrace_return"}, ["linux-2.6.31/_mcount-graph"]),
        ("_mcount", "2.6.32", GRAPH, ["linux-2.6.29/ftrace_stub"]),
        ("_mcount", "3.0", {"_mcount"}, ["linux-2.6.34/ftrace_caller"]),
        ("_mcount", "3.0", GRAPH, ["linux-2.6.29/ftrace_stub"]),
        ("ftrace_caller", "3.0", GRAPH, ["linux-2.6.34/ftrace_caller"]),
        ("ftrace_caller", "3.12", GRAPH, ["linux-mcount/ftrace_caller"]),
        ("ftrace_caller", "3.17", GRAPH, ["linux-3.17/ftrace_caller"]),
        ("ftrace_regs_caller", "3.18.140", GRAPH, ["linux-3.18/ftrace_caller"]),
        ("ftrace_caller", "4.3", GRAPH, ["linux-4.0/ftrace_caller", "linux-4.0/ftrace_caller-mcount"]),
        ("ftrace_caller", "5.10", GRAPH, ["linux-5.7/ftrace_caller", "linux-5.7/ftrace_caller-mcount"]),
        ("ftrace_caller", "5.12", GRAPH, []),
        ("ftrace_caller", "5.15.100", GRAPH, ["linux-5.14/ftrace_caller"]),
        ("ftrace_caller", "6.1", GRAPH, ["linux-6.12/ftrace_caller"]),
        ("ftrace_caller", "6.1", {"ftrace_caller"}, ["linux-6.12/ftrace_caller"]),
        ("ftrace_caller", "6.13", GRAPH, ["linux-6.12/ftrace_caller"]),
        ("ftrace_caller", "6.13", {"ftrace_caller"}, ["linux-6.14/ftrace_caller"]),
        ("ftrace_regs_caller", "7.2", {"ftrace_caller"}, ["linux-6.14/ftrace_regs_caller"]),
        ("return_to_handler", "6.12.107", set(), ["linux-6.14/return_to_handler"]),
        ("return_to_handler", "6.12.93", set(), ["linux-6.5/return_to_handler"]),
        ("return_to_handler", "6.12", set(), ["linux-6.14/return_to_handler", "linux-6.5/return_to_handler"]),
        ("return_to_handler", "2.6.30", set(), []),
        ("__s390_indirect_jump_r9", "6.1", set(), ["linux/expoline"]),
        ("schedule", "6.1", set(), []),
    ],
)
def test_the_contract_for_a_routine(symbol: str, kernel: str, known: set[str], wanted: list[str]) -> None:
    assert chosen(symbol, kernel, known) == wanted


def test_stable_releases_leave_what_they_may_have() -> None:
    assert chosen("ftrace_caller", "4.19.104", GRAPH) == ["linux-4.0/ftrace_caller", "linux-4.0/ftrace_caller-mcount"]
    assert {name.split("/")[0] for name in chosen("ftrace_caller", "4.19.105", GRAPH)} == {"linux-4.4.215", "linux-5.5"}
    assert {name.split("/")[0] for name in chosen("ftrace_caller", "4.19", GRAPH)} == {
        "linux-4.0", "linux-4.4.215", "linux-5.5",
    }  # fmt: skip


# drop, formerly, expolines where they are built -----------------------------------------------------------------------


def test_a_contract_lacks_what_it_drops() -> None:
    last = load_contract(MODELS, "linux-6.14/ftrace_caller")
    assert ([call.name for call in last.calls], last.patches) == (["handler"], ())
    unstopped = load_contract(MODELS, "linux-3.17/ftrace_caller")
    assert (unstopped.early, unstopped.early_claims) == (None, {})
    assert "function_trace_stop" not in unstopped.variables
    assert all(call.when is None for call in unstopped.calls if call.name == "handler")


@pytest.mark.parametrize("dotted", ["call.grap", "call.graph.nothing", "nothing", "call.handler.to.x"])
def test_what_is_not_there_cannot_be_dropped(dotted: str, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    base = '[call.handler]\nto = "any"\n'
    (tmp_path / "made/base.toml").write_text(base, encoding="utf-8")
    path = tmp_path / "made/one.toml"
    path.write_text(f'extends = "made/base"\ndrop = ["{dotted}"]\n', encoding="utf-8")
    with pytest.raises(ContractError, match="to drop in made/base") as caught:
        load_contract(tmp_path, "made/one")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("known", "handler"),
    [
        ({"ftrace_func", "ftrace_trace_function"}, "variable.ftrace_func"),
        ({"ftrace_func"}, "variable.ftrace_func"),
        ({"ftrace_trace_function"}, "variable.ftrace_trace_function"),
        (set(), "variable.ftrace_func"),
    ],
)
def test_a_variable_goes_by_its_former_name_where_only_that_is_known(known: set[str], handler: str) -> None:
    found = load_contract(MODELS, "linux-5.7/ftrace_caller", has=lambda name: name in known)
    assert [call.to.text for call in found.calls if call.name == "handler" and call.to] == [handler]
    later = load_contract(MODELS, "linux-5.14/ftrace_caller", has=lambda name: name in known)
    assert [call.to.text for call in later.calls if call.name == "handler" and call.to] == ["variable.ftrace_func"]


def test_only_a_variable_has_a_former_name(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/one.toml").write_text('[formerly]\nx = "y"\n', encoding="utf-8")
    with pytest.raises(ContractError, match="'x' of .formerly. is not among .variables.") as caught:
        load_contract(tmp_path, "made/one")
    assert caught.value.line == 2


def test_expolines_are_claimed_where_the_object_was_built_with_them() -> None:
    name = "linux-4.0/ftrace_caller"
    assert load_contract(MODELS, name).expoline
    assert load_contract(MODELS, name, has=lambda pattern: pattern.startswith("__s390")).expoline
    assert not load_contract(MODELS, name, has=lambda _: False).expoline
