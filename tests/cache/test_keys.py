"""The hashes: the same for the same, another one for anything that a verdict depends on."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from verify import library, pipeline
from verify.cache import keys
from verify.config import Override
from verify.contracts.load import contract_names, load_contract
from verify.contracts.schema import Contract

MODELS = library.library("models")
NAME = "linux-6.12/ftrace_caller"


def loaded(name: str = NAME, root: Path = MODELS) -> Contract:
    return load_contract(root, name, None, "ftrace_caller")


def test_parts_do_not_run_into_one_another() -> None:
    assert keys.of_parts("ab", "c") != keys.of_parts("a", "bc")
    assert keys.of_parts("a") != keys.of_parts("a", "")
    assert keys.of_parts(1) == keys.of_parts("1")
    keys.of_parts("\udcff")  # a file name that is no UTF-8


def test_a_contract_has_one_hash_wherever_it_lies(tmp_path: Path) -> None:
    assert keys.of_data(loaded()) == keys.of_data(loaded())
    for path in MODELS.rglob("*.toml"):
        copy = tmp_path / path.relative_to(MODELS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert keys.of_data(loaded(root=tmp_path)) == keys.of_data(loaded())


def test_every_change_of_a_contract_changes_its_hash(tmp_path: Path) -> None:
    seen = {keys.of_data(loaded())}
    for addition in (
        'assume = ["old.r15 % 16 == 0"]',
        'layout = "linux-3.18"\n[struct.regs.complete]\n"psw.addr" = "old.r0 + 0"',
        '[claims]\npsw-redirect = ["pc == old.r0"]',
        '[call.handler]\nmutable = ["regs.gprs[{2..13}]"]',
        'arch = "z10"',
        "unwind = []",
    ):
        own = tmp_path / "own.toml"
        own.write_text(f'extends = "{NAME}"\n{addition}\n')
        try:
            hashed = keys.of_data(loaded(str(own)))
        except Exception as problem:  # a layout without a field: the hash was not asked for
            pytest.fail(f"{addition}: {problem}")
        assert hashed not in seen
        seen.add(hashed)


def test_no_two_contracts_have_one_hash() -> None:
    names = [name for name in contract_names(MODELS) if name.startswith("linux-") and name.endswith("caller")]
    assert len({keys.of_data(load_contract(MODELS, name)) for name in names}) == len(names)


def test_a_value_that_has_no_hash_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no hash here"):
        keys.of_data((1, object()))


def test_every_option_counts(tmp_path: Path) -> None:
    bare = pipeline.Options()
    seen = {keys.of_options(bare)}
    for field in fields(bare):
        changed = replace(bare, **{field.name: ("other",) if isinstance(getattr(bare, field.name), tuple) else "other"})
        assert keys.of_options(changed) not in seen, field.name
        seen.add(keys.of_options(changed))
    header = tmp_path / "asm-offsets.h"
    header.write_text("#define __PT_SIZE 200\n")
    before = keys.of_options(replace(bare, asm_offsets=header))
    header.write_text("#define __PT_SIZE 208\n")
    assert keys.of_options(replace(bare, asm_offsets=header)) != before


def test_a_file_that_an_override_names_counts(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    options = pipeline.Options(overrides=(Override(("a.o",), "so", "verify.toml:1", contract=str(own)),))
    own.write_text('extends = "linux/expoline"\n')
    before = keys.of_options(options)
    own.write_text('extends = "abi/s390x-elf"\n')
    assert keys.of_options(options) != before


def test_a_file_counts_by_its_place_and_its_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "a.o", tmp_path / "b.o"
    hashes = {
        keys.of_file(one, b"1", "p", "o"),
        keys.of_file(one, b"2", "p", "o"),
        keys.of_file(two, b"1", "p", "o"),
        keys.of_file(one, b"1", "q", "o"),
        keys.of_file(one, b"1", "p", "x"),
    }
    assert len(hashes) == 5
    assert keys.of_file(one, b"1", "p", "o") in hashes


def test_the_program_counts_with_its_models_and_proofs() -> None:
    assert keys.of_program() == keys.of_program()
    listed = list(keys.files())
    for name in ("semantics/instructions.tsv", "prove/decide.py", "linux-6.12/ftrace_caller.toml", "trampolines.toml"):
        assert any(path.as_posix().endswith(name) for path in listed), name
