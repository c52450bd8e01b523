"""Settings of a project: where they are found, what they change, and mistakes in them told with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command import ROOT, Done, verify
from verify import config

OBJECTS = ROOT / "trampolines"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, with two objects, and the current directory in it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "build").mkdir()
    for name in ("expoline.o", "broken/bare-branch.o"):
        shutil.copy(OBJECTS / name, tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(project: Path, text: str) -> None:
    (project / "verify.toml").write_text(text)


# Where ----------------------------------------------------------------------------------------------------------------


def test_without_settings_and_files_there_is_a_sentence(project: Path) -> None:
    done = verify("prove")
    assert (done.code, done.out) == (2, "")
    assert "no files to prove" in done.err
    assert verify("config").out.startswith("no settings: ")


def test_objects_are_proved_where_the_command_line_names_none(project: Path) -> None:
    settings(project, 'objects = ["build/exp*.o"]\nselect = ["stack-balanced"]\n')
    done = verify("prove")
    assert done == verify("prove", "build/expoline.o", "--select", "stack-balanced")
    assert "build/expoline.o: " in done.out


def test_the_command_line_comes_first(project: Path) -> None:
    settings(project, 'objects = ["build/bare*.o"]\nselect = ["stack-balanced"]\n')
    done = verify("prove", "build/expoline.o", "--select", "psw-redirect")
    assert "psw-redirect" in done.out
    assert "stack-balanced" not in done.out
    assert "bare-branch" not in done.out


def test_settings_above_hold_below_and_paths_are_relative_to_them(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(project, 'objects = ["build/exp*.o"]\n')
    (project / "deep/down").mkdir(parents=True)
    monkeypatch.chdir(project / "deep/down")
    assert "../../build/expoline.o: " in verify("prove").out


def test_the_repository_is_as_far_as_settings_reach(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(project, 'objects = ["build/*.o"]\n')
    (project / "inner/.git").mkdir(parents=True)
    monkeypatch.chdir(project / "inner")
    assert config.nearest(Path.cwd()) == config.Config()


def test_pyproject_has_them_too_and_is_passed_over_where_it_has_none(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pyproject.toml").write_text('[tool.verify]\nobjects = ["build/exp*.o"]\n')
    (project / "sub").mkdir()
    (project / "sub/pyproject.toml").write_text("[project]\n")
    monkeypatch.chdir(project / "sub")
    assert [path.name for path in config.nearest(Path.cwd()).objects()] == ["expoline.o"]


def test_the_own_file_comes_before_pyproject(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.verify]\njobs = 3\n")
    settings(project, "jobs = 2\n")
    assert config.nearest(project).values == {"jobs": 2}


def test_every_option_that_a_project_may_set_reaches_the_command(project: Path) -> None:
    settings(
        project,
        'objects = ["build/bare*.o"]\nfail-on = ["unknown"]\nformat = ["text=t.txt", "json=r.json"]\nquiet = true\n'
        'no-replay = true\ntimeout = 100\njobs = 2\nignore = ["expoline"]\n',
    )
    done = verify("prove")
    assert (done.code, done.out) == (0, "")  # refuted and unconfirmed do not fail
    text = (project / "t.txt").read_text()
    assert "unconfirmed" in text
    assert "proved  " not in text
    assert (project / "r.json").is_file()


# Overrides ------------------------------------------------------------------------------------------------------------

OVERRIDE = """objects = ["build/exp*.o"]
[[override]]
files = ["expoline.o"]
symbols = ["__s390_indirect_jump_r1"]
contract = "linux/expoline"
ignore = ["mode-preserved"]
reason = "it is a thunk"
"""


def test_an_override_holds_some_routines_to_something_else_and_says_why(project: Path) -> None:
    settings(project, OVERRIDE)
    done = verify("prove")
    head, *rest = done.out.split("\n\n")
    assert head.startswith(
        "build/expoline.o: __s390_indirect_jump_r1 under linux/expoline (verify.toml:7: it is a thunk)"
    )
    assert "psw-redirect" in head
    assert "mode-preserved" not in head
    assert "abi/s390x-elf" in rest[0]
    assert "mode-preserved" in rest[0]


def test_a_contract_on_the_command_line_comes_before_overrides(project: Path) -> None:
    settings(project, OVERRIDE)
    assert "asked for with --contract" in verify("prove", "--contract", "abi/s390x-elf").out
    assert "it is a thunk" not in verify("prove", "--contract", "abi/s390x-elf").out


def test_an_override_may_change_less_than_the_contract(project: Path) -> None:
    settings(project, OVERRIDE.replace('contract = "linux/expoline"', 'arch = "z10"'))
    assert "no claim; user code" in verify("prove").out
    assert "; verify.toml:7: it is a thunk)" in verify("prove").out


def test_an_override_of_a_property_that_is_none(project: Path) -> None:
    settings(project, OVERRIDE.replace("mode-preserved", "mode-preservd"))
    done = verify("prove")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("verify: verify.toml:7: there is no property 'mode-preservd'")


def test_an_override_with_a_contract_that_is_none(project: Path) -> None:
    settings(project, OVERRIDE.replace("linux/expoline", "linux/expolin"))
    assert "did you mean linux/expoline?" in verify("prove").err


# Mistakes -------------------------------------------------------------------------------------------------------------

MISTAKES = {
    "a key that is none": ('objekts = ["a.o"]', 1, "did you mean 'objects'?"),
    "not a list": ('objects = "a.o"', 1, "'objects' must be a list of paths"),
    "not text": ("kernel = 6.1", 1, "'kernel' must be a string, not 6.1"),
    "not a number": ("jobs = true", 1, "'jobs' must be a number"),
    "not a flag": ("\nquiet = 1", 2, "'quiet' must be true or false"),
    "no TOML": ("jobs = ]", 1, "Invalid value"),
    "an override without a reason": ('[[override]]\nfiles = ["a.o"]', 1, "an override without 'reason'"),
    "an override without files": ('[[override]]\nreason = "so"', 1, "an override without 'files'"),
    "an unknown key of an override": ('[[override]]\nfile = ["a.o"]', 2, "did you mean 'files'?"),
    "an override that is none": ("override = 1", 1, "overrides are tables"),
    "a pattern that nothing fits": ('objects = ["build/*.obj"]', 1, "no file fits 'build/*.obj'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_file_and_line(name: str, project: Path) -> None:
    text, line, words = MISTAKES[name]
    settings(project, text)
    done = verify("prove")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"verify: {project / 'verify.toml'}:{line}: ")
    assert words in done.err


def test_a_value_that_the_option_refuses_is_refused(project: Path) -> None:
    settings(project, 'objects = ["build/*.o"]\nfail-on = ["nonsense"]\n')
    assert verify("prove").code == 2
    settings(project, 'objects = ["build/*.o"]\nselect = ["callee-savd"]\n')
    done = verify("prove")
    assert done.code == 2
    assert "callee-savd" in done.err


# config and init ------------------------------------------------------------------------------------------------------


def explained(done: Done) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in done.out.splitlines()}


def test_config_explains_where_each_value_comes_from(project: Path) -> None:
    settings(project, 'kernel = "6.12"\n\nselect = ["expoline", "backchain"]\n')
    rows = explained(verify("config", "--explain"))
    assert rows["kernel"] == ["6.12", f"{project / 'verify.toml'}:1"]
    assert rows["select"] == ["expoline,", "backchain", f"{project / 'verify.toml'}:3"]
    assert rows["jobs"] == ["1", "default"]
    assert rows["layout"] == ["-", "default"]
    assert set(rows) == set(config.KEYS)
    assert set(explained(verify("config"))) == {"kernel", "select"}


@pytest.mark.parametrize("kind", ["kernel", "library"])
def test_init_writes_settings_that_hold(kind: str, project: Path) -> None:
    assert verify("init", "--for", kind).code == 0
    found = config.nearest(project)
    assert found.values["objects"]
    # what stands there as a comment is right too, once it is taken in
    text = (project / "verify.toml").read_text()
    lines = [line.removeprefix("# ") if "=" in line or "[[" in line else line for line in text.splitlines()]
    settings(project, "\n".join(line for line in lines if not line.startswith("`")).replace('".."', '"backchain"'))
    assert len(config.nearest(project).overrides) == 1
    assert set(config.nearest(project).values) > {"objects", "handler", "baseline", "timeout"}


def test_init_overwrites_nothing(project: Path) -> None:
    settings(project, "jobs = 2\n")
    done = verify("init")
    assert done.code == 2
    assert "there is one already" in done.err
    assert (project / "verify.toml").read_text() == "jobs = 2\n"
