"""The contract language: what each operator means, which names an expression uses, and what is refused, in words."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import library
from verify.contracts.expr import Expr, ExprError, Undefined, expand, parse
from verify.contracts.load import load_contract
from verify.errors import ContractError
from verify.machine import term as t
from verify.machine.term import Origin, Term

TOP = 1 << 63
ALL = (1 << 64) - 1
VALUES = {"a": 12, "b": 10, "zero": 0, "one": 1, "top": TOP, "all": ALL}


@dataclass
class Names:
    """A scope with fixed numbers; memory answers with the address, marked."""

    values: Mapping[str, Term] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def name(self, path: str) -> Term:
        self.asked.append(path)
        if path not in self.values:
            raise Undefined(path)
        return self.values[path]

    def memory(self, address: Term, *, old: bool) -> Term:
        return t.add(address, t.const(0x1000 if old else 0x2000, 64))


NUMBERS = Names({name: t.const(value, 64) for name, value in VALUES.items()})
FREE = {name: t.leaf(name, 64, Origin.ENTRY) for name in ("r1", "r2", "r3", "old.r1", "regs.gprs[14]", "regs.psw.addr")}
FREE |= {"cc": t.leaf("cc", 2, Origin.ENTRY), "int": t.leaf("int", 32, Origin.ENTRY)}


def anything(_name: str) -> None:
    return None


def value(text: str) -> int | bool:
    found = parse(text, anything).term(NUMBERS)
    assert found.is_const
    return bool(found.value) if found.width == t.BOOL else int(found.value)


def free(text: str) -> Term:
    return parse(text, anything).term(Names(FREE))


# Meaning --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", 22),
        ("all + one", 0),
        ("a - b", 2),
        ("b - a", ALL - 1),
        ("a * b", 120),
        ("top * 2", 0),
        ("a % 8", 4),
        ("all % 4096", 4095),
        ("a % 1", 0),
        ("a & b", 8),
        ("a | b", 14),
        ("a ^ b", 6),
        ("a << 4", 192),
        ("top << 1", 0),
        ("a << 64", 0),
        ("a >> 2", 3),
        ("top >> 63", 1),
        ("all >> 64", 0),
        ("-one", ALL),
        ("~zero", ALL),
        ("~a & 0xff", 0xF3),
        ("0x10", 16),
        ("0b11", 3),
        ("a + b * 2", 32),
        ("(a + b) * 2", 44),
        ("a | b ^ b", 12),
        ("1 + a << 1", 26),
        ("a == 12", True),
        ("a == b", False),
        ("a != b", True),
        ("a != a", False),
        ("b < a", True),
        ("a < a", False),
        ("one < top", True),
        ("all < one", False),
        ("a <= a", True),
        ("top <= one", False),
        ("a > b", True),
        ("top > one", True),
        ("a > a", False),
        ("a >= a", True),
        ("one >= all", False),
        ("b < a < all", True),
        ("b < a < one", False),
        ("zero == b - 10 == zero", True),
        ("not a == b", True),
        ("not a == a", False),
        ("a == 12 and b == 10", True),
        ("a == 12 and b == 11", False),
        ("a == 1 or b == 10", True),
        ("a == 1 or b == 1", False),
        ("a == 1 or b == 10 and a == 2", False),
        ("a if a == 12 else b", 12),
        ("a if a == 1 else b", 10),
        ("True", True),
        ("a == b or True", True),
        ("a & 0xff == 12", True),
    ],
)
def test_each_operator_means_what_it_says(text: str, expected: int | bool) -> None:
    """& binds closer than ==, as in Python and unlike C."""
    found = value(text)
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


@settings(derandomize=True, database=None, max_examples=200)
@given(a=st.integers(0, ALL), b=st.integers(0, ALL), shift=st.integers(0, 70))
def test_arithmetic_is_unsigned_and_modulo_two_to_the_64(a: int, b: int, shift: int) -> None:
    scope = Names({"a": t.const(a, 64), "b": t.const(b, 64), "n": t.const(shift, 64)})

    def run(text: str) -> int:
        return int(parse(text, anything).term(scope).value)

    assert run("a + b") == (a + b) & ALL
    assert run("a - b") == (a - b) & ALL
    assert run("a * b") == (a * b) & ALL
    assert run("a << n") == (a << shift) & ALL
    assert run("a >> n") == a >> shift
    assert run("a < b") == (a < b)
    assert run("a >= b") == (a >= b)
    assert run("a % 4096") == a % 4096


def test_names_become_the_terms_of_the_scope() -> None:
    assert free("r1") is FREE["r1"]
    assert free("old.r1 + 8") is t.plus(FREE["old.r1"], 8)
    assert free("r1 == regs.gprs[14]") is t.eq(FREE["r1"], FREE["regs.gprs[14]"])
    assert free("r1 if r1 == r2 else r3") is t.ite(t.eq(FREE["r1"], FREE["r2"]), FREE["r1"], FREE["r3"])


def test_memory_is_asked_for_an_address() -> None:
    assert free("mem[old.r1 + 8]") is t.plus(FREE["old.r1"], 8 + 0x2000)
    assert free("old.mem[old.r1 + 8]") is t.plus(FREE["old.r1"], 8 + 0x1000)
    assert free("mem[mem[r1]]") is t.plus(FREE["r1"], 0x4000)


def test_functions_are_asked_for_as_names() -> None:
    scope = Names({"pointer(regs)": t.const(1, 64), "called(graph)": t.TRUE, "is_symbol(pc)": t.FALSE})
    assert parse("pointer(regs) == 1 and called(graph)", anything).term(scope) is t.TRUE
    assert parse("is_symbol(pc)", anything).term(scope) is t.FALSE
    assert scope.asked == ["pointer(regs)", "called(graph)", "is_symbol(pc)"]


def test_a_narrower_value_is_widened_with_zeros() -> None:
    assert free("int + r1") is t.add(t.zero_extend(FREE["int"], 64), FREE["r1"])
    assert free("cc == r1") is t.eq(t.zero_extend(FREE["cc"], 64), FREE["r1"])


def test_a_number_takes_the_width_of_the_other_side() -> None:
    assert free("cc == 3") is t.eq(FREE["cc"], t.const(3, 2))
    assert free("int == 0") is t.eq(FREE["int"], t.const(0, 32))


def test_a_number_that_does_not_fit_the_other_side_is_not_cut() -> None:
    """The condition code is never 7, and must not be compared with the two bits that 7 has in common with 3."""
    assert free("cc == 7") is t.FALSE
    assert free("int == 0x100000000") is t.FALSE
    assert free("cc < 4") is t.TRUE


def test_what_is_not_needed_need_not_mean_anything() -> None:
    """`called(graph) and graph.result == r1`: where there was no call there is no result."""
    scope = Names({"called(yes)": t.TRUE, "called(no)": t.FALSE, "x": FREE["r1"]})
    assert parse("called(no) and missing == 1", anything).term(scope) is t.FALSE
    assert parse("called(yes) or missing == 1", anything).term(scope) is t.TRUE
    assert parse("x if called(yes) else missing", anything).term(scope) is FREE["r1"]
    assert parse("missing if called(no) else x", anything).term(scope) is FREE["r1"]
    assert "missing" not in scope.asked


def test_what_is_needed_and_means_nothing_is_undefined() -> None:
    scope = Names({"called(yes)": t.TRUE, "called(no)": t.FALSE})
    evaluated = ("called(yes) and missing == 1", "called(no) or missing == 1")
    for text in ("missing == 1", *evaluated, "mem[missing]", "not missing == 1"):
        with pytest.raises(Undefined):
            parse(text, anything).term(scope)


# Names and sides ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pc == old.r14", ("pc", "old.r14")),
        ("mem[old.r15 + stack_frame.parent] == regs.gprs[14]", ("old.r15", "stack_frame.parent", "regs.gprs[14]")),
        ("old.mem[old.r15 + 8]", ("old.r15",)),
        ("r1 if called(graph) else graph.result", ("called(graph)", "r1", "graph.result")),
        ("is_symbol(pc) and r14 == old.r14", ("is_symbol(pc)", "r14", "old.r14")),
        ("pointer(regs) + const.N", ("pointer(regs)", "const.N")),
        ("variable.flag & 1 == 0", ("variable.flag",)),
        ("regs.psw.addr - 8 < symbol.end", ("regs.psw.addr", "symbol.end")),
        ("not cc == 0", ("cc",)),
        ("17", ()),
    ],
)
def test_names_are_those_that_an_expression_uses(text: str, names: tuple[str, ...]) -> None:
    asked: list[str] = []

    def known(name: str) -> None:
        asked.append(name)

    found = parse(text, known)
    assert sorted(found.names) == sorted(names)
    assert sorted(asked) == sorted(names)
    assert found.text == text


def test_the_sides_of_an_equality() -> None:
    sides = parse("r2 == old.r14 - 8", anything).sides()
    assert sides is not None
    assert (sides[0].text, sides[1].text) == ("r2", "old.r14 - 8")
    assert sides[1].names == ("old.r14",)


@pytest.mark.parametrize("text", ["r2", "r2 != r3", "r2 == r3 == r4", "r1 == r2 or r1 == r3", "not r1 == r2"])
def test_only_an_equality_has_sides(text: str) -> None:
    assert parse(text, anything).sides() is None


def test_white_space_does_not_matter() -> None:
    assert parse("  r1  ==  r2 ", anything).text == "r1  ==  r2"
    assert free("  r1  ==  r2 ") is free("r1 == r2")


# Braces ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "pairs"),
    [
        (("r2",), [("r2",)]),
        (("r{2..4}",), [("r2",), ("r3",), ("r4",)]),
        (("r{5..5}",), [("r5",)]),
        (("r{2..3} == old.r{2..3}",), [("r2 == old.r2",), ("r3 == old.r3",)]),
        (("gprs[{2..3}]", "old.r{2..3}"), [("gprs[2]", "old.r2"), ("gprs[3]", "old.r3")]),
        (("gprs[{0..1}]", "old.r{8..9}"), [("gprs[0]", "old.r8"), ("gprs[1]", "old.r9")]),
        (("r{9..11}", "same"), [("r9", "same"), ("r10", "same"), ("r11", "same")]),
        (("r{N}",), [("r{N}",)]),
    ],
)
def test_braces_expand_in_step(texts: tuple[str, ...], pairs: list[tuple[str, ...]]) -> None:
    assert list(expand(*texts)) == pairs


@pytest.mark.parametrize("texts", [("r{2..4}", "old.r{2..3}"), ("r{2..3} == old.r{2..13}",)])
def test_braces_of_different_lengths_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(ExprError, match="differ in length"):
        list(expand(*texts))


def test_a_range_that_runs_backwards_is_refused() -> None:
    """It would expand to nothing, and a claim of nothing is proved by itself."""
    with pytest.raises(ExprError):
        list(expand("r{13..2} == old.r{13..2}"))


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "r1 ==",
        "== r1",
        "r1 = r2",
        "r1; r2",
        "(r1",
        "r1 r2",
        "r1 == r2\nr3",
        "[r1, r2]",
        "(r1, r2)",
        "{r1}",
        "{'a': 1}",
        "lambda: r1",
        "[x for x in r1]",
        "f'{r1}'",
        "r1 := 2",
        "(x := 2)",
        "mem[1:2]",
        "mem[*r1]",
        "await r1",
        "r1[r2]",
        "regs.gprs[r1]",
        "f(1)(2)",
        "f()",
        "f(r1, r2)",
        "f(x=1)",
        "r1.f(2)",
        "old.mem",
    ],
)
def test_what_is_not_part_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ExprError) as caught:
        parse(text, lambda name: None if name != "old.mem" else "takes an address")
    assert str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "r1 / r2",
        "r1 // r2",
        "r1 ** 2",
        "r1 @ r2",
        "r1 is r2",
        "r1 is not r2",
        "r1 in r2",
        "r1 not in r2",
        "+r1",
        "1.5 == r1",
        "'text' == r1",
        "r1 == None",
        "r1 == ...",
        "b'x' == r1",
        "2j == r1",
        "r1 % r2 == 0",
        "r1 % 3 == 0",
        "r1 % 0 == 0",
        "r1 == 0x10000000000000000",
        "r1 if 1 else r2",
    ],
)
def test_what_has_no_meaning_is_refused_when_read_and_not_when_proved(text: str) -> None:
    """A contract's mistake is the loader's to tell, with its line; evaluated it would crash or mean something else."""
    with pytest.raises(ExprError) as caught:
        parse(text, anything)
    assert str(caught.value)


@pytest.mark.parametrize(
    "claim",
    [
        "r1",
        "17",
        "r1 + 8",
        "r1 and r2",
        "r1 == r2 or r3",
        "not r1",
        "r1 == r3 if r2 else r1 == r2",
        "(r1 == r2) + 1 == r3",
        "r1 == (r2 == r3)",
        "r1 < (r2 < r3)",
        "-(r1 == r2) == r3",
        "mem[r1 == r2] == r3",
        "r1 == (r2 if r1 == r2 else r1 == r3)",
        "r1 == called(handler)",
        "handler.result and r1 == r2",
        "r{13..2} == old.r{13..2}",
    ],
)
def test_a_claim_that_mixes_numbers_and_statements_is_refused_with_its_line(claim: str, tmp_path: Path) -> None:
    """The loader knows which names are numbers and which are true or false."""
    root = tmp_path / "models"
    shutil.copytree(library.library("models"), root)
    path = root / "linux/mistake.toml"
    path.write_text(
        f'extends = "linux-6.5/return_to_handler"\nabstract = false\n\n[claims]\nregs-honoured = ["{claim}"]\n',
        encoding="utf-8",
    )
    with pytest.raises(ContractError) as caught:
        load_contract(root, "linux/mistake")
    assert (caught.value.path, caught.value.line) == (str(path), 5)


@pytest.mark.parametrize(
    "claim", ["r1 == r2", "called(handler)", "is_symbol(pc)", "not called(handler)", "True", "r1 < r2 < r3"]
)
def test_a_claim_that_is_a_statement_is_loaded(claim: str, tmp_path: Path) -> None:
    root = tmp_path / "models"
    shutil.copytree(library.library("models"), root)
    (root / "linux/right.toml").write_text(
        f'extends = "linux-6.5/return_to_handler"\n[claims]\nregs-honoured = ["{claim}"]\n', encoding="utf-8"
    )
    (found,) = load_contract(root, "linux/right").claims["regs-honoured"]
    assert found.that.text == claim


def test_a_complaint_about_a_name_carries_the_expression() -> None:
    with pytest.raises(ExprError) as caught:
        parse("pc == old.r16", lambda name: "no such register" if name == "old.r16" else None)
    assert str(caught.value) == "'pc == old.r16': no such register"


def test_an_expression_of_a_real_contract_is_checked_against_its_names() -> None:
    contract = load_contract(library.library("models"), "linux-6.12/ftrace_caller", None, "ftrace_caller")
    claims = [claim.that for claims in contract.claims.values() for claim in claims]
    assert all(isinstance(claim, Expr) for claim in claims)
    assert {"pc", "regs.orig_gpr2", "regs.psw.addr"} <= {name for claim in claims for name in claim.names}
