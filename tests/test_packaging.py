"""The wheel, and the locks: what is installed, and from what."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.command import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(?P<version>[\w.+!-]+)(?: *; *(?P<marker>[^\\]+?))?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout by the locked build backend; nothing is downloaded."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = target.glob("*.whl")
    return found


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


def test_only_verify_is_importable(wheel: Path) -> None:
    top = {name.split("/")[0] for name in names(wheel)}
    (metadata,) = (name for name in top if name.endswith(".dist-info"))
    assert top == {"verify", metadata}


def test_the_wheel_carries_every_module(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "verify").rglob("*.py")}
    assert "verify/cli/prove.py" in modules
    assert modules <= names(wheel)


@pytest.mark.parametrize("directory", ["models", "proofs"])
def test_the_wheel_carries_the_library(directory: str, wheel: Path) -> None:
    wanted = {
        f"verify/_library/{path.relative_to(ROOT)}" for path in (ROOT / directory).rglob("*") if path.suffix == ".toml"
    }
    assert wanted
    assert wanted <= names(wheel)
    with zipfile.ZipFile(wheel) as file:
        for name in wanted:
            assert file.read(name) == (ROOT / name.removeprefix("verify/_library/")).read_bytes()


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    for name in names(wheel):
        assert (
            name.endswith((".py", ".toml", ".tsv", "py.typed", ".json", ".j2", ".css", ".js", "INDEX.txt"))
            or ".dist-info/" in name
        ), name


def test_the_installed_package_finds_its_own_library(wheel: Path, tmp_path: Path) -> None:
    """Unpacked somewhere else, far from any checkout, it proves with what it carries."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import verify, verify.library\n"
        "print(verify.__file__); print(verify.library.library('models')); print(verify.library.library('proofs'))\n"
        f"sys.argv = ['verify', 'prove', '--quiet', {str(ROOT / 'trampolines/ftrace-6.12.o')!r}]\n"
        "from verify.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    package, models, proofs, summary = done.stdout.splitlines()
    assert package == str(tmp_path / "site/verify/__init__.py")
    assert models == str(tmp_path / "site/verify/_library/models")
    assert proofs == str(tmp_path / "site/verify/_library/proofs")
    assert "39 proved" in summary


def test_the_wheel_installs_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (points,) = (name for name in file.namelist() if name.endswith("entry_points.txt"))
        assert "verify = verify.cli:main" in file.read(points).decode()


def test_metadata_names_licence_and_version(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        (licence,) = (name for name in file.namelist() if name.endswith("LICENSE"))
        metadata = file.read(name).decode()
        assert "BSD" in file.read(licence).decode() or "Redistribution" in file.read(licence).decode()
    assert "License-Expression: BSD-2-Clause" in metadata
    assert re.search(r"^Version: \d+\.\d+", metadata, re.MULTILINE)
    assert re.search(r"^Requires-Python: >=3\.11$", metadata, re.MULTILINE)


# Locks ----------------------------------------------------------------------------------------------------------------


def requirements(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Each requirement of a lock: version and hashes."""
    text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    found = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        head, *rest = re.split(r"\s*\\\n\s*", entry.strip())
        pin = PIN.fullmatch(head.strip())
        assert pin is not None, f"{path.name}: {head!r} is not pinned"
        assert rest, f"{path.name}: {head} has no hash"
        assert all(HASH.fullmatch(line.strip()) for line in rest), f"{path.name}: {head}"
        found[pin["name"].lower()] = (pin["version"], rest)
    return found


def test_there_are_three_locks() -> None:
    assert [path.name for path in LOCKS] == ["build.txt", "main.txt", "test.txt"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_with_its_hash(path: Path) -> None:
    assert len(requirements(path)) >= 5


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_locks_name_no_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ ", "file:"):
        assert word not in text


def test_the_test_lock_agrees_with_the_main_lock() -> None:
    main, test = requirements(ROOT / "requirements/main.txt"), requirements(ROOT / "requirements/test.txt")
    assert set(main) <= set(test)
    assert all(test[name] == pin for name, pin in main.items())


@pytest.mark.parametrize("path", LOCKS[1:], ids=lambda path: path.name)
def test_the_packages_that_break_angr_are_held_back(path: Path) -> None:
    pins = requirements(path)
    assert int(pins["bitstring"][0].split(".")[0]) < 5
    assert pins["pycparser"][0] == "3.0"
    assert {pins[name][0] for name in ("angr", "cle", "pyvex", "archinfo", "claripy")} == {"9.2.213"}
    assert pins["z3-solver"][0] == "4.13.0.0"


def test_the_project_constrains_them_for_those_who_do_not_use_the_locks() -> None:
    dependencies = {re.split(r"[<>=!~]", one)[0]: one for one in PROJECT["project"]["dependencies"]}
    assert "<5" in dependencies["bitstring"]
    assert dependencies["pycparser"] == "pycparser==3.0"
    assert dependencies["z3-solver"] == "z3-solver==4.13.0.0"
    for name in ("angr", "cle", "pyvex", "archinfo"):
        assert dependencies[name] == f"{name}==9.2.213"


def test_the_locks_hold_what_the_project_asks_for() -> None:
    pins = requirements(ROOT / "requirements/main.txt")
    for one in PROJECT["project"]["dependencies"]:
        assert re.split(r"[<>=!~]", one)[0].lower() in pins
    build = requirements(ROOT / "requirements/build.txt")
    for one in PROJECT["build-system"]["requires"]:
        name, _, version = one.partition("==")
        assert build[name][0] == version
    test = requirements(ROOT / "requirements/test.txt")
    for extra in PROJECT["project"]["optional-dependencies"].values():
        for one in extra:
            assert re.split(r"[<>=!~]", one)[0].lower() in test


def test_the_version_is_written_once() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    text = (ROOT / "verify/__init__.py").read_text(encoding="utf-8")
    assert len(re.findall(r'__version__ = "\d+\.\d+\.\d+\w*"', text)) == 1


def test_the_readme_shows_what_the_command_prints() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command, *shown = [line.removeprefix("    ") for line in text[text.index("    $ verify") :].splitlines()]
    words = [sys.executable, "-m", "verify", *command.removeprefix("$ verify ").split()]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.rstrip().splitlines()
    assert printed
    assert shown[: len(printed)] == printed
