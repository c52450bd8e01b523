"""Code that the kernel patches: what may stand at a site of a contract, at a site half written, and at an alternative.

Each routine has one place that is patched, and is right or wrong in one of the states only.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import assembler
from verify import patching, pipeline, routine, sitestates
from verify.contracts import sites
from verify.contracts.load import load_contract
from verify.contracts.schema import Contract, PatchSite
from verify.errors import ContractError, Unsupported
from verify.library import library
from verify.objfile.elf import load
from verify.objfile.image import Image
from verify.prove.decide import Decider
from verify.prove.smt import Solver
from verify.report.report import Finding
from verify.semantics.code import Code, Patch
from verify.verdict import Verdict
from verify.walk.path import Path as Walked

KERNEL = "abi/s390x-linux-kernel"


def built(tmp_path: Path, body: str, *defines: str) -> Path:
    """A function `f` with this body."""
    source = tmp_path / "f.s"
    head = '\t.include "alternative.inc"\n\t.text\n\t.globl f\n\t.type f,@function\nf:\n'
    source.write_text(f"{head}{body}\n\t.size f,.-f\n", encoding="utf-8")
    return assembler.available()[0].assemble(source, tmp_path / "f.o", defines)


def contract(tmp_path: Path, text: str = "", base: str = KERNEL) -> str:
    path = tmp_path / "own.toml"
    path.write_text(f'extends = "{base}"\nsymbols = ["f"]\n{text}', encoding="utf-8")
    return str(path)


def site(states: str, written: str = '"at once"', name: str = "site", at: str = "s") -> str:
    return f'[patch.{name}]\nat = ["{at}"]\nstates = ["as assembled", {states}]\nwritten = {written}\n'


def findings(file: Path, own: str) -> list[Finding]:
    return list(pipeline.prove_file(file, pipeline.Options(symbol="f", contract=own)).findings())


def failures(file: Path, own: str) -> list[Finding]:
    return [one for one in findings(file, own) if one.verdict is not Verdict.PROVED]


def state_of(finding: Finding) -> str:
    """Which state a finding belongs to: the first thing that its path says."""
    return (finding.path or "").split(";")[0]


def walks(image: Image, own: Contract) -> list[tuple[str, ...]]:
    """What each walk was told to stand at the patched places."""
    place = image.symbol("f").place
    assert place is not None
    decider, found = Decider(Solver(), ()), []

    def one(code: Code, choice: object) -> list[Walked]:
        assert isinstance(choice, patching.Patched)
        found.append(choice.texts)
        return list(routine.explore(code, own, place, choice, decider.feasible))

    assert list(patching.every(image, own, place, one))
    return found


def loaded(path: str) -> Contract:
    return load_contract(library("models"), path)


# States ---------------------------------------------------------------------------------------------------------------

SKIPPED = "s: j 1f\nlghi %r6,0\n1: br %r14"
# The routine, what is said of its site, the state in which r6 is lost.
STATES = {
    "nop": (SKIPPED, site('"nop"'), "site switched on"),
    "nop, long": (SKIPPED.replace("j 1f", "jg 1f"), site('"nop"'), "site switched on"),
    "branch": ("s: brc 0,1f\nbr %r14\n1: lghi %r6,0\nbr %r14", site('"branch"'), "site switched on"),
    "bytes": ("s: lgr %r0,%r1\nbr %r14", site('"b9040061"'), "site switched on"),
    "bytes that are kept": ("s: lgr %r0,%r1\nbr %r14", site('"....0061"'), "site switched on"),
    "several instructions": ("s: lr %r0,%r1\nlr %r0,%r1\nbr %r14", site('"a7690000"'), "site switched on"),
    "one of three": ("s: lgr %r0,%r1\nbr %r14", site('"b9040001", "b9040061"'), "site as 'b9040061'"),
    "as assembled": ("s: lgr %r6,%r1\nbr %r14", site('"b9040001"'), "exit at f+0x4"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_the_state_in_which_a_register_is_lost(name: str, tmp_path: Path) -> None:
    body, text, state = STATES[name]
    found = failures(built(tmp_path, body), contract(tmp_path, text))
    assert [(one.property, one.verdict, state_of(one)) for one in found] == [("callee-saved", Verdict.REFUTED, state)]


def test_a_branch_to_a_symbol_of_another_object(tmp_path: Path) -> None:
    """The site becomes a call, which nothing prepares for: r14 is lost."""
    file = built(tmp_path, "s: bras %r14,1f\n1: br %r14")
    found = failures(file, contract(tmp_path, site('"bras helper"')))
    assert {state_of(one) for one in found if one.property == "psw-redirect"} >= {"site switched on"}
    image = load(file)
    (_, (_, patch, on, half)) = sitestates.contents(image, *_site(image, '"bras helper"'))
    assert patch is not None
    assert (on, half, patch.operand) == (True, False, "helper")
    code = Code(image, [patch])
    assert str(code.relative(patch.at, code.fetch(patch.at))) == "&helper"


def test_another_register_for_the_return_address(tmp_path: Path) -> None:
    image = load(built(tmp_path, "s: brcl 0,0\nbr %r14"))
    (_, (_, patch, _, _)) = sitestates.contents(image, *_site(image, '"brasl r0,ftrace_caller"'))
    assert patch is not None
    insn = Code(image, [patch]).fetch(patch.at)
    assert (insn.mnemonic, insn.fields["R1"], patch.operand) == ("BRASL", 0, "ftrace_caller")


def test_a_symbol_of_the_same_section_has_a_known_distance(tmp_path: Path) -> None:
    image = load(built(tmp_path, "s: bras %r14,1f\n1: br %r14\n.globl g\ng: br %r14"))
    (_, (_, patch, _, _)) = sitestates.contents(image, *_site(image, '"bras g"'))
    assert patch is not None
    assert (patch.raw, patch.operand) == ((None, None, None, 3), None)


def _site(image: Image, states: str, written: object = "at once", at: str = "s") -> tuple[PatchSite, object]:
    words = ["as assembled", *[word.strip().strip('"') for word in states.split('", ')]]
    own = PatchSite("site", (at,), tuple(map(sites.state, words)), sites.writing(written))
    return own, patching.places(image, own)[0]


# The routine, what is said of the site, and the complaint.
REFUSED = {
    "no branch": ("s: lgr %r0,%r1\nbr %r14", site('"nop"'), "holds lgr, not brc or brcl"),
    "no link": ("s: j 1f\n1: br %r14", site('"bras g"'), "holds brc, not bras"),
    "another length": ("s: j 1f\n1: br %r14", site('"brasl r0,g"'), "holds 4 bytes, where 'brasl r0,g' has 6"),
    "beyond the section": ("s: br %r14", site('"07fe07fe07fe"'), "reaches beyond the code"),
    "out of reach": (
        "s: bras %r14,1f\n1: br %r14\n.fill 65536,2,0x0700\ng: br %r14", site('"bras g"'), "out of the reach",
    ),
    "more than the mask": ("s: lgr %r0,%r1\nbr %r14", site('"b9040002"', '"mask byte"'), "more than its mask byte"),
    "a byte that nobody writes": ("s: lgr %r0,%r1\nbr %r14", site('"b9140002"', "[[1]]"), "changes in byte 3"),
    "too many orders": (
        "s: lgr %r0,%r1\nlgr %r0,%r1\nlgr %r0,%r1\nbr %r14", site('"070107010701070107010701"', '"byte by byte"'),
        "in any order; 8 are followed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_stand_at_a_site(name: str, tmp_path: Path) -> None:
    body, text, words = REFUSED[name]
    (found,) = failures(built(tmp_path, body), contract(tmp_path, text))
    assert (found.property, found.verdict) == (None, Verdict.UNSUPPORTED)
    assert words in found.message
    assert "patch site site at f" in found.message


ENTRY = "s: brcl 0,hotpatch_record\nlghi %r2,0\nbr %r14"
# What the kernel puts at the entry of a traced function: 5.16 and later; 6.12 and later; and a fault.
ENTRIES = {
    "hotpatch": (site('"branch"', '"mask byte"'), 2, set()),
    "direct": (site('"branch", "brasl r0,ftrace_caller"'), 3, set()),
    "wrong register": (site('"brasl r14,ftrace_caller"'), 2, {"psw-redirect"}),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_the_entry_of_a_traced_function(name: str, tmp_path: Path) -> None:
    """In any state the function keeps what a function keeps, up to where it leaves for the tracer."""
    text, states, wrong = ENTRIES[name]
    file, own = built(tmp_path, ENTRY), contract(tmp_path, text)
    assert len(walks(load(file), loaded(own))) == states
    found = failures(file, own)
    assert {one.property for one in found} >= wrong
    assert {state_of(one) for one in found} == ({"site switched on"} if wrong else set())


def test_a_site_that_is_assembled_in_another_state(tmp_path: Path) -> None:
    """Nothing changes then, and nothing lies in between."""
    file = built(tmp_path, "s: brc 0,1f\n1: br %r14")
    assert not failures(file, contract(tmp_path, site('"nop"', '"mask byte"')))


def test_a_site_must_say_how_it_is_written(tmp_path: Path) -> None:
    own = contract(tmp_path, site('"nop"').replace('written = "at once"\n', ""))
    with pytest.raises(ContractError, match=r"own.toml:5: a patch site must say how it is 'written'"):
        loaded(own)


def test_a_site_that_is_not_executed_is_not_looked_at(tmp_path: Path) -> None:
    file = built(tmp_path, "br %r14\ns: lgr %r0,%r1\nbr %r14")
    assert not failures(file, contract(tmp_path, site('"nop"')))


# Half written ---------------------------------------------------------------------------------------------------------

# lr %r1,%r2 (1812) and bcr 0,%r2 (0702) are harmless; bcr 1,%r2 (0712), between them, goes where r2 says.
HARMLESS = "s: lr %r1,%r2\nbr %r14"
HALF = ("site half written: byte 0 of 2",)
LOST = {"at once": (), "[[0, 1]]": (), "byte by byte": HALF, "[[0], [1]]": HALF, "[[1], [0]]": HALF}


@pytest.mark.parametrize("written", LOST)
def test_what_another_cpu_may_find_in_between(written: str, tmp_path: Path) -> None:
    """In both directions: a site that is written from the right is written from the right on the way back as well."""
    text = site('"0702"', written if "[" in written else f'"{written}"')
    found = failures(built(tmp_path, HARMLESS), contract(tmp_path, text))
    assert tuple(state_of(one) for one in found if one.property == "psw-redirect") == LOST[written]
    assert all(one.verdict is Verdict.REFUTED for one in found if one.property == "psw-redirect")


# A load with one byte of brcl 0,0, which comes first, is no instruction.
UNKNOWN = site('"c00400000000"', "[[5], [0, 1, 2, 3, 4]]")


def test_what_is_no_instruction_in_between_is_unsupported_where_it_is_reached(tmp_path: Path) -> None:
    body = "s: lg %r1,160(%r15)\nbr %r14"
    found = failures(built(tmp_path, body), contract(tmp_path, UNKNOWN))
    assert [(one.verdict, state_of(one)) for one in found] == [(Verdict.UNSUPPORTED, "site half written: byte 5 of 6")]
    assert not failures(built(tmp_path, f"br %r14\n{body}"), contract(tmp_path, UNKNOWN))


def test_a_state_in_between_that_equals_another_is_walked_once(tmp_path: Path) -> None:
    file, text = built(tmp_path, HARMLESS), site('"1802", "1902"', '"byte by byte"')
    assert walks(load(file), loaded(contract(tmp_path, text))) == [
        (), ("site as '1802'",), ("site as '1902'",),
        ("site half written between 'as assembled' and '1902': byte 0 of 2",),
    ]  # fmt: skip


def test_a_part_of_a_distance_is_not_known(tmp_path: Path) -> None:
    file = built(tmp_path, "s: bras %r14,1f\n1: br %r14")
    found = failures(file, contract(tmp_path, site('"bras helper"', "[[2], [3]]")))
    halves = [one for one in found if one.verdict is Verdict.UNSUPPORTED and "half" in state_of(one)]
    assert {state_of(one) for one in halves} == {
        "site half written: byte 2 of 4", "site half written: byte 3 of 4",
    }  # fmt: skip
    assert all("part of the distance to helper" in one.message for one in halves)


def test_a_call_may_be_made_or_not_where_its_site_is_half_written(tmp_path: Path) -> None:
    """The branch over the call, its mask and its distance: with the mask alone written it falls into the call."""
    text = (
        'layout = "s390x-linux-kernel"\n'
        + site('"a7040006"', "[[1], [3]]")
        + '[call.g]\nto = "symbol.g"\npatch = "site"\n'
    )
    body = ("stmg %r6,%r15,72(%r15)\nlgr %r1,%r15\naghi %r15,-160\nstg %r1,152(%r15)\ns: j 1f\nbrasl %r14,g\n"
            "1: nopr\nlmg %r6,%r15,232(%r15)\nbr %r14")  # fmt: skip
    path = contract(tmp_path, text, "linux/trampoline")
    own, image = loaded(path), load(built(tmp_path, body))
    place = image.symbol("f").place
    assert place is not None
    paths = list(routine.walk(image, own, place, Decider(Solver(), ())))
    assert {(path.choice.on, path.choice.half, len(path.calls)) for path in paths} == {
        ((), (), 0), (("site",), (), 1), ((), ("site",), 1), ((), ("site",), 0),
    }  # fmt: skip
    assert not failures(image.path, path)


# How many -------------------------------------------------------------------------------------------------------------


def _many(count: int) -> tuple[str, str]:
    body = "\n".join([*[f"s{n}: j 1f\n1:" for n in range(count)], "br %r14"])
    return body, "".join(site('"nop"', name=f"site{n}", at=f"s{n}") for n in range(count))


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_all_combinations_are_walked_once(count: int, tmp_path: Path) -> None:
    body, text = _many(count)
    found = walks(load(built(tmp_path, body)), loaded(contract(tmp_path, text)))
    assert len(found) == len(set(found)) == 2**count


def test_too_many_combinations_are_given_up_by_name(tmp_path: Path) -> None:
    body, text = _many(7)
    (found,) = failures(built(tmp_path, body), contract(tmp_path, text))
    assert (found.property, found.verdict) == (None, Verdict.UNKNOWN)
    names = ", ".join(f"site{n}" for n in range(7))
    assert found.message == f"more than 64 combinations of what may stand at {names}"


def test_a_site_behind_another_is_found_in_the_state_that_leads_there(tmp_path: Path) -> None:
    """The second site is executed only where the first is switched on; without it there is no second choice."""
    file = built(tmp_path, "s: j 2f\nt: j 1f\nlghi %r6,0\n1: nopr\n2: br %r14")
    own = contract(tmp_path, site('"nop"') + site('"nop"', name="other", at="t"))
    assert walks(load(file), loaded(own)) == [
        (), ("site switched on",), ("site switched on", "other switched on"),
    ]  # fmt: skip
    assert {state_of(one) for one in failures(file, own)} == {"site switched on, other switched on"}


# Relocations ----------------------------------------------------------------------------------------------------------


def test_a_relocation_that_is_kept_stays(tmp_path: Path) -> None:
    image = load(built(tmp_path, "s: brcl 0,other\nbr %r14"))
    (_, (_, patch, _, _)) = sitestates.contents(image, *_site(image, '"branch"'))
    assert patch is not None
    code = Code(image, [patch])
    insn = code.fetch(patch.at)
    assert (insn.fields["M1"], str(code.relative(patch.at, insn))) == (15, "&other")


def test_a_relocation_that_is_written_over_is_gone(tmp_path: Path) -> None:
    image = load(built(tmp_path, "s: jg other\nbr %r14"))
    place = image.symbol("f").place
    assert place is not None
    assert Code(image, [Patch(place, tuple(bytes.fromhex("c00400000000")))]).fetch(place).mnemonic == "BRCL"
    with pytest.raises(Unsupported, match="overwrites a part of R_390_P"):
        Code(image, [Patch(place, tuple(bytes.fromhex("c0040000")))]).fetch(place)


def test_a_later_patch_ends_an_earlier_one(tmp_path: Path) -> None:
    image = load(built(tmp_path, "s: bras %r14,1f\n1: br %r14"))
    (_, (_, patch, _, _)) = sitestates.contents(image, *_site(image, '"bras helper"'))
    assert patch is not None
    with pytest.raises(Unsupported, match="part of the distance to helper"):
        Code(image, [patch, Patch(patch.at, (None, 0x05))]).fetch(patch.at)
    whole = Code(image, [patch, Patch(patch.at, tuple(bytes.fromhex("a7f40002")))])
    assert whole.fetch(patch.at).mnemonic == "BRC"


# Alternatives ---------------------------------------------------------------------------------------------------------

FORMATS = (11, 12, 13)
LOSES = 'alternative "lgr %r0, %r1", "lghi %r6, 0", ALT_FACILITY + 45\nbr %r14'
KEEPS = 'alternative "lgr %r6, %r1", "lghi %r0, 0", ALT_FACILITY + 45\nbr %r14'
Linker = Callable[[Path], Path]


def entries(size: int) -> tuple[str, ...]:
    return f"ALT_ENTRY={size}", f"ALT_FACILITY={1 << 28 if size == 13 else 0}"


def linked(file: Path) -> Path:
    ld = shutil.which("s390x-linux-gnu-ld")
    assert ld is not None, "this test links an image: install binutils for s390x (s390x-linux-gnu-ld)"
    output = file.with_suffix(".elf")
    subprocess.run([ld, "-e", "f", "-o", str(output), str(file)], check=True, capture_output=True)
    return output


def as_it_is(file: Path) -> Path:
    return file


@pytest.mark.parametrize("size", FORMATS)
@pytest.mark.parametrize("how", [as_it_is, linked])
@pytest.mark.parametrize(("body", "side"), [(LOSES, "with facility 45"), (KEEPS, "without facility 45")])
def test_both_sides_in_every_format(body: str, side: str, how: Linker, size: int, tmp_path: Path) -> None:
    found = failures(how(built(tmp_path, body, *entries(size))), contract(tmp_path))
    assert [(one.property, one.verdict, state_of(one)) for one in found] == [("callee-saved", Verdict.REFUTED, side)]


@pytest.mark.parametrize("size", FORMATS)
def test_alternatives_of_one_facility_are_switched_together(size: int, tmp_path: Path) -> None:
    """Both or neither keeps r6; one alone would lose it."""
    body = (
        'alternative "lgr %r0, %r1", "lgr %r0, %r6", ALT_FACILITY + 45\nlghi %r6,1\n'
        'alternative "lghi %r6, 2", "lgr %r6, %r0", ALT_FACILITY + {second}\nbr %r14'
    )
    own = contract(tmp_path)
    apart = failures(built(tmp_path, body.format(second=46), *entries(size)), own)
    together = failures(built(tmp_path, body.format(second=45), *entries(size)), own)
    assert {state_of(one) for one in together} == {"without facility 45"}
    assert state_of(apart[0]).startswith("without facility 45, without facility 46")
    found = walks(load(tmp_path / "f.o"), loaded(own))
    assert found == [(), ("with facility 45",)]


def test_combinations_of_two_facilities(tmp_path: Path) -> None:
    body = "\n".join(f'alternative "lgr %r0, %r1", "lghi %r0, 0", {45 + n}' for n in range(2))
    own = loaded(contract(tmp_path))
    assert walks(load(built(tmp_path, f"{body}\nbr %r14")), own) == [
        (), ("with facility 45",), ("without facility 45", "with facility 46"),
        ("with facility 45", "with facility 46"),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "state"), [("without", "without facility 45"), ("with", "with facility 45")])
def test_the_machine_of_an_alternative_is_the_one_that_has_its_feature(text: str, state: str, tmp_path: Path) -> None:
    """A conditional load is of z196: as assembled it is too much for z10, put in where it is known to be there not."""
    plain, guarded = ("locgre %r0, %r1", "lgr %r0, %r1")[:: 1 if text == "without" else -1]
    file = built(tmp_path, f'alternative "{plain}", "{guarded}", ALT_FACILITY + 45\nbr %r14')
    options = pipeline.Options(symbol="f", contract=contract(tmp_path), arch="z10")
    found = [one for one in pipeline.prove_file(file, options).findings() if one.property == "instruction-level"]
    refuted = [(Verdict.REFUTED, state)] if text == "without" else []
    assert [(one.verdict, state_of(one)) for one in found if one.verdict is not Verdict.PROVED] == refuted


@pytest.mark.parametrize(("text", "state"), [("without", "without facility 45"), ("with", "with facility 45")])
def test_what_the_contract_says_of_the_machine(text: str, state: str, tmp_path: Path) -> None:
    """One side is proved, and the report says that it is only one."""
    file, other = built(tmp_path, LOSES), contract(tmp_path, f'machine = ["{text} facility 45"]\n')
    assert walks(load(file), loaded(other)) == [(state,)]
    assert bool(failures(file, other)) is (text == "with")
    assert f"the machine is one {state}" in findings(file, other)[0].assumptions


@pytest.mark.parametrize("machine", ['["facility 45"]', '["with "]', '["with facility 45", "without facility 45"]'])
def test_what_is_nothing_to_say_of_a_machine(machine: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="'with FEATURE' or 'without FEATURE'"):
        loaded(contract(tmp_path, f"machine = {machine}\n"))


def test_the_later_of_two_replacements_wins(tmp_path: Path) -> None:
    """r6 is lost where the machine has the first feature and not the second."""
    body = 'alternative "lgr %r0, %r1", "lghi %r6, 0", 45, "lghi %r0, 0", 61\nbr %r14'
    found = failures(built(tmp_path, body), contract(tmp_path))
    assert [state_of(one) for one in found] == ["with facility 45, without facility 61"]


@pytest.mark.parametrize("length", range(2, 22, 2))
def test_the_kernel_fills_up_a_shorter_replacement(length: int, tmp_path: Path) -> None:
    """12-byte entries: one no-operation, or a jump over the rest."""
    old = "; ".join(["lr %r6, %r1"] * (length // 2))
    body = f'alternative "{old}; lr %r6, %r1", "lr %r0, %r1", 45\nbr %r14'
    image = load(built(tmp_path, body))
    (one,) = image.alternatives.entries
    rest = one.raw[2:]
    expected = {2: "0700", 4: "47000000", 6: "c00400000000"}.get(length)
    filled = bytes.fromhex("c0f4") + (length // 2).to_bytes(4, "big") + b"\x07\x00" * ((length - 6) // 2)
    assert rest == (bytes.fromhex(expected) if expected else filled)
    assert {state_of(found) for found in failures(image.path, contract(tmp_path))} == {"without facility 45"}


TYPES = {1 << 28 | 45: "facility 45", 2 << 28 | 45: "facility 45", 1 << 28 | 1 << 20 | 2: "feature 2 of type 1"}


@pytest.mark.parametrize("feature", TYPES)
def test_the_features_of_long_entries_have_names(feature: int, tmp_path: Path) -> None:
    body = f'alternative "lgr %r0, %r1", "lghi %r0, 0", {feature}\nbr %r14'
    (one,) = load(built(tmp_path, body, "ALT_ENTRY=13")).alternatives.entries
    assert one.feature == TYPES[feature]


def test_a_relocated_replacement_goes_where_nobody_knows(tmp_path: Path) -> None:
    """The linker counts from .altinstr_replacement, and the kernel copies what it finds there."""
    body = 'alternative "brcl 0, 0", "jg other", 45\nbr %r14'
    (found,) = failures(built(tmp_path, body), contract(tmp_path))
    assert (found.verdict, state_of(found)) == (Verdict.UNSUPPORTED, "with facility 45")
    assert "against other is filled in for the place of the replacement" in found.message


def test_a_relocated_replacement_goes_astray_in_a_linked_image(tmp_path: Path) -> None:
    """There the distance is a number: what it leads to is walked, as the machine would."""
    body = 'alternative "brcl 0, 0", "jg other", 45\nbr %r14\n.globl other\nother: br %r14\n.fill 64,2,0x0700'
    found = failures(linked(built(tmp_path, body)), contract(tmp_path))
    assert found
    assert {state_of(one) for one in found} == {"with facility 45"}


def _damaged(file: Path, old: bytes, new: bytes) -> Path:
    raw = file.read_bytes()
    assert raw.count(old) == 1
    file.write_bytes(raw.replace(old, new))
    return file


def test_entries_of_no_format_leave_nothing_proved(tmp_path: Path) -> None:
    """A linked image whose entry leads out of the code: any routine may be patched."""
    file = linked(built(tmp_path, "br %r14\n" + LOSES))
    ((section,), *_) = ([one for one in load(file).sections if one.name == ".altinstructions"],)
    _damaged(file, section.data, bytes(4) + section.data[4:])
    (found,) = failures(file, contract(tmp_path))
    assert (found.property, found.verdict) == (None, Verdict.UNSUPPORTED)
    assert ".altinstructions cannot be read: its entries make sense in none of the known formats" in found.message


BAD_ENTRIES = {
    "no format": (".long f-., 1b-.\n.short 45", "no distance of a known format"),
    "another relocation": (".quad f\n.short 45\n.byte 4,4", "no distance of a known format"),
    "code of another object": (".long other-., 1b-.\n.short 45\n.byte 4,4", "names code of another object"),
    "odd length": (".long f-., 1b-.\n.short 45\n.byte 3,3", "odd address or length"),
    "no length": (".long f-., 1b-.\n.short 45\n.byte 0,0", "odd address or length, or none"),
    "odd address": (".long f+1-., 1b-.\n.short 45\n.byte 2,2", "odd address or length"),
    "beyond the replacement": (".long f-., 1b-.\n.short 45\n.byte 6,6", "reaches beyond the code"),
    "beyond the code": (".long f-., 1b-.\n.short 45\n.byte 66,4", "reaches beyond the code"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_entries_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    entry, words = BAD_ENTRIES[name]
    body = (f'lgr %r0,%r1\nbr %r14\n.pushsection .altinstr_replacement,"ax"\n1: lghi %r0,0\n.popsection\n'
            f'.pushsection .altinstructions,"a"\n{entry}\n.popsection')  # fmt: skip
    (found,) = failures(built(tmp_path, body), contract(tmp_path))
    assert (found.property, found.verdict) == (None, Verdict.UNSUPPORTED)
    assert words in found.message


def test_code_that_may_be_replaced_is_not_taken_as_it_is(tmp_path: Path) -> None:
    """Whoever asks for code without a choice gets none."""
    image = load(built(tmp_path, LOSES))
    place = image.symbol("f").place
    assert place is not None
    with pytest.raises(Unsupported, match="may be replaced at boot"):
        Code(image).fetch(place)
    assert Code(image, settled=True).fetch(place).mnemonic == "LGR"


def test_a_patch_site_in_an_alternative_is_refused(tmp_path: Path) -> None:
    body = 's: alternative "j 1f", "brc 0, 0", 45\n1: br %r14'
    (found,) = failures(built(tmp_path, body), contract(tmp_path, site('"nop"')))
    assert (found.verdict, "is listed in .altinstructions too" in found.message) == (Verdict.UNSUPPORTED, True)


# Code in the lowcore --------------------------------------------------------------------------------------------------

LOWCORE = '\nlayout = "linux-lowcore"\n[lowcore]\nbr_r1_trampoline = "{}"\n'
EX = "ex %r0,1024\nbr %r14"


def test_what_the_contract_does_not_say_of_the_lowcore(tmp_path: Path) -> None:
    (found,) = failures(built(tmp_path, EX), contract(tmp_path, '\nlayout = "linux-lowcore"\n'))
    assert found.verdict is Verdict.UNSUPPORTED
    assert "ex of code in the lowcore at 0x400: the contract does not say what the lowcore holds there" in found.message


@pytest.mark.parametrize(("raw", "verdict"), [("07fe", None), ("1862", Verdict.REFUTED), ("a7690000", Verdict.REFUTED)])
def test_what_the_lowcore_holds_is_executed(raw: str, verdict: Verdict | None, tmp_path: Path) -> None:
    """And told: the report lists it among what the verdicts assume."""
    found = findings(built(tmp_path, EX), contract(tmp_path, LOWCORE.format(raw)))
    assert {one.verdict for one in found if one.property == "callee-saved"} == {verdict or Verdict.PROVED}
    assert f"the lowcore holds the code {raw} at br_r1_trampoline" in found[0].assumptions


NOT_FROM_AFAR = {"a7f40002": "cannot be executed from afar", "07fe07fe": "cannot be executed from afar",
                 "0000": "cannot be executed from afar", "44000400": "execute exception"}  # fmt: skip


@pytest.mark.parametrize("raw", NOT_FROM_AFAR)
def test_what_cannot_be_executed_in_the_lowcore(raw: str, tmp_path: Path) -> None:
    (found,) = failures(built(tmp_path, EX), contract(tmp_path, LOWCORE.format(raw)))
    assert (found.verdict, NOT_FROM_AFAR[raw] in found.message) == (Verdict.UNSUPPORTED, True)


@pytest.mark.parametrize("raw", ["", "07f", "07F1", "br r1"])
def test_the_lowcore_holds_code_in_digits(raw: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="must be code in hexadecimal digits"):
        loaded(contract(tmp_path, LOWCORE.format(raw)))


@pytest.mark.parametrize(("at", "refused"), [(1016, False), (1017, True), (1025, True), (1026, False)])
def test_a_store_to_the_code_in_the_lowcore(at: int, refused: bool, tmp_path: Path) -> None:
    found = failures(built(tmp_path, f"stg %r0,{at}\n{EX}"), contract(tmp_path, LOWCORE.format("07fe")))
    assert any("changes code in the lowcore" in one.message for one in found) is refused
