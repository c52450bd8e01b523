"""Who may import whom: floors of the house, and what the prove path leaves unloaded."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

PACKAGE = ROOT / "verify"

# Charter, section 5. A room imports rooms below its floor, and itself; the neighbours on its own floor that it may
# import besides are named. Rooms that are not built yet stand here too: their floor is known.
FLOORS = {
    "verdict": 0,
    "errors": 0,
    "library": 0,
    "assemble": 1,
    "objfile": 1,
    "machine": 2,
    "semantics": 3,
    "contracts": 3,
    "walk": 4,
    "properties": 5,
    "prove": 6,
    "explain": 7,
    "report": 8,
    "cache": 9,
    "config": 4,
    "sitestates": 8,
    "equiv": 9,
    "patching": 9,
    "routine": 9,
    "structs": 9,
    "telling": 9,
    "options": 10,
    "versions": 1,
    "changed": 1,
    "gate": 13,
    "choice": 11,
    "pipeline": 12,
    "equivalence": 13,
    "ledger": 13,
    "robust": 13,
    "cli": 14,
    "__main__": 15,
}
NEIGHBOURS = {
    ("contracts", "semantics"),
    ("routine", "patching"),
    ("equiv", "routine"),
    ("telling", "patching"),
    ("routine", "telling"),
    ("equiv", "telling"),
}
# Lower floors that a room must not know: registers and storage are no business of the object file's, nor the reverse.
APART = {("machine", "objfile"), ("properties", "prove"), ("walk", "prove"), ("semantics", "contracts")}
# Libraries and the only places that may import them.
OWNERS = {
    "pyvex": {"semantics/vex"},
    "cle": {"objfile/elf.py"},
    "elftools": {"objfile/dwarf.py", "objfile/elf.py", "objfile/lines.py"},
    "z3": {"prove"},
    "networkx": {"walk/cfg.py"},
    "click": {"cli"},
    "rich": {"report/progress.py"},
    "unicorn": {"explain/emulator.py"},
    "jinja2": {"report/html"},
    "platformdirs": {"cli/shared.py"},
    "tomli_w": {"report/contract.py"},
    "angr": set(),
    "archinfo": {"semantics/vex"},
    "claripy": set(),
}
LAZY = ("angr", "claripy", "networkx", "rich", "jinja2", "tomli_w", "hypothesis", "pytest")

MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or later, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                below = ROOT / node.module.replace(".", "/") / alias.name
                inner = below.is_dir() or below.with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if inner else node.module


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_has_its_floor() -> None:
    assert {room(path) for path in MODULES} - {"__init__"} <= set(FLOORS)
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_each_floor_imports_only_those_below(path: Path) -> None:
    own = room(path)
    for name in imported(path):
        package, _, rest = name.partition(".")
        if package != "verify" or not rest:
            continue
        other = rest.split(".")[0]
        if own == "__init__":
            assert other not in ("cli", "__main__"), f"{named(path)} imports {name}"
            continue
        below = FLOORS[other] < FLOORS[own] or other == own or (own, other) in NEIGHBOURS
        assert below, f"{named(path)} (floor {FLOORS[own]}) imports {name} (floor {FLOORS[other]})"
        assert (own, other) not in APART, f"{named(path)} imports {name}"


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_one_importer(library: str) -> None:
    importers = {
        str(path.relative_to(PACKAGE)) for path in MODULES for name in imported(path) if name.split(".")[0] == library
    }
    assert all(any(one == owner or one.startswith(f"{owner}/") for owner in OWNERS[library]) for one in importers)
    assert bool(importers) == bool(OWNERS[library])


def test_the_check_sees_an_import_that_goes_up(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("def f():\n    from verify import report\n    import verify.cli\n    from verify.errors import X\n")
    assert list(imported(path)) == ["verify.report", "verify.cli", "verify.errors"]


def modules_after(*arguments: str) -> tuple[int, set[str]]:
    """What is loaded when the command ends."""
    code = (
        "import json, sys\n"
        "from verify import cli\n"
        f"sys.argv = ['verify', *{list(arguments)!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    code = int(end.code or 0)\nelse:\n    code = 0\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    code_, found = json.loads(done.stderr.splitlines()[-1])
    return int(code_), {str(name) for name in found}


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_prove_path_leaves_slow_libraries_unloaded(form: str) -> None:
    code, loaded = modules_after("prove", "--format", form, "trampolines/ftrace-6.12.o")
    assert code == 0
    assert {"cle", "pyvex"} <= loaded  # z3 comes when a question needs it, in the process that has the question
    assert not set(LAZY) & loaded


def test_the_list_of_contracts_needs_neither_lifter_nor_solver() -> None:
    code, loaded = modules_after("list", "contracts")
    assert code == 0
    assert not {"cle", "pyvex", "z3", *LAZY} & loaded


def test_show_uses_networkx_and_no_solver() -> None:
    code, loaded = modules_after("show", "trampolines/ftrace-6.12.o", "--symbol", "ftrace_caller")
    assert code == 0
    assert "networkx" in loaded
    assert not {"z3", "angr", "claripy"} & loaded


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = "import json, sys, verify; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"cle", "pyvex", "z3", "click", *LAZY} & set(json.loads(done.stdout))


def test_the_package_exports_six_names_and_imports_nothing_for_them() -> None:
    code = "import sys, verify; print(sorted(m for m in sys.modules if m.startswith('verify')), len(verify.__all__))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['verify'] 6"
    # Twice: importing a room of the house must not put another thing in a name's place.
    code = "import verify; print(all(callable(getattr(verify, n)) for n in verify.__all__ * 2))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
