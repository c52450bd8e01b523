"""`verify prove --since REV`: only what changed in git, and everything where the contracts may have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import ROOT, Done, verify

NAMES = ("expoline.o", "ftrace-3.18.o")


def git(*arguments: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "trampolines" / name, tmp_path / "sub")
    git("init", "-q", ".")
    git("add", "-A")
    git("commit", "-q", "-m", "objects")
    return tmp_path


def since(revision: str = "HEAD") -> Done:
    return verify("prove", *[f"sub/{name}" for name in NAMES], "--since", revision, "--quiet", "--no-replay")


def test_nothing_changed(repository: Path) -> None:
    assert (since().code, since().out) == (0, "none of 2 files has changed since HEAD\n")
    assert repository.is_dir()


def test_reports_that_were_asked_for_are_there_all_the_same(repository: Path) -> None:
    done = verify("prove", "sub/expoline.o", "--since", "HEAD", "--format", "sarif=r.sarif", "--format", "json")
    assert (done.code, done.out) == (0, "none of 1 files has changed since HEAD\n")
    assert '"results": []' in (repository / "r.sarif").read_text()


def test_only_what_changed(repository: Path) -> None:
    shutil.copy(ROOT / "trampolines/ftrace_plt.o", repository / "sub/expoline.o")
    assert "1 routine: " in since().out
    git("commit", "-qam", "another thunk")
    assert "none of 2 files" in since().out
    assert "1 routine: " in since("HEAD~1").out


def test_a_new_file_has_changed(repository: Path) -> None:
    shutil.copy(ROOT / "trampolines/ftrace_plt.o", repository / "sub/new.o")
    assert "none of" not in verify("prove", "sub/new.o", "--since", "HEAD").out


@pytest.mark.parametrize("name", ["models/x/y.toml", "proofs/p.toml", "verify.toml"])
def test_where_contracts_may_have_changed_all_is_proved(name: str, repository: Path) -> None:
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text("")
    assert "16 routines: " in since().out


@pytest.mark.parametrize("revision", ["no-such-revision", "--output=x", ""])
def test_a_revision_that_is_none(revision: str, repository: Path) -> None:
    done = since(revision)
    assert (done.code, done.out) == (2, "")
    assert f"{revision!r} is no revision here" in done.err
    assert sorted(path.name for path in repository.iterdir()) == [".git", "sub"]


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    shutil.copy(ROOT / "trampolines/expoline.o", tmp_path)
    done = verify("prove", tmp_path / "expoline.o", "--since", "HEAD")
    assert (done.code, done.out) == (2, "")
    assert "not a git repository" in done.err


def test_files_of_two_repositories(repository: Path) -> None:
    done = verify("prove", repository / "sub/expoline.o", ROOT / "trampolines/expoline.o", "--since", "HEAD")
    assert done.code == 2
    assert "wants files of one repository" in done.err


def test_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert "--since needs git" in since().err
