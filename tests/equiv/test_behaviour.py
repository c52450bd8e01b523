"""Two bodies of one function: alike, or what differs, or what is left open and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.equiv.snippets import KERNEL, USER, compared, framed
from verify.equiv import pairs
from verify.verdict import Verdict

RODATA = "larl %r2,v\n br %r14\n .section .rodata\n .globl v\n .type v,@object\nv:\n .quad {}\n .size v,8\n .text"
DATA = "lgrl %r2,v\n br %r14\n .data\n .globl v\n{}\nv:\n .quad 5\n .text"
POOL = "larl %r1,1f\n lg %r2,0(%r1)\n br %r14\n .align 8\n1: .quad {}"

ALIKE = {
    "nothing in it": ("br %r14", "br %r14"),
    "a scratch register": ("lghi %r1,1\n br %r14", "lghi %r1,2\n br %r14"),
    "the condition code": ("br %r14", "ltgr %r2,%r2\n br %r14"),
    "a branch and a conditional load": (
        "ltgr %r2,%r2\n je 1f\n lgr %r2,%r3\n1: br %r14", "ltgr %r2,%r2\n locgrne %r2,%r3\n br %r14",
    ),
    "a branch and a conditional store": (
        "ltgr %r2,%r2\n stocge %r4,0(%r3)\n br %r14", "ltgr %r2,%r2\n jne 1f\n stg %r4,0(%r3)\n1: br %r14",
    ),
    "a loop and its unrolling": (
        "lghi %r1,3\n1: agr %r2,%r2\n brctg %r1,1b\n br %r14", "agr %r2,%r2\n agr %r2,%r2\n agr %r2,%r2\n br %r14",
    ),
    "a loop and a shift": ("lghi %r1,3\n1: agr %r2,%r2\n brctg %r1,1b\n br %r14", "sllg %r2,%r2,3\n br %r14"),
    "a loop of one to eight rounds and an addition": (
        "lghi %r1,7\n ngr %r3,%r1\n aghi %r3,1\n1: aghi %r2,1\n brctg %r3,1b\n br %r14",
        "lghi %r1,7\n ngr %r3,%r1\n aghi %r3,1\n agr %r2,%r3\n br %r14",
    ),
    "stores to two places in another order": (
        "stg %r4,0(%r3)\n stg %r5,8(%r3)\n br %r14", "stg %r5,8(%r3)\n stg %r4,0(%r3)\n br %r14",
    ),
    "a store in two halves": (
        "stg %r4,0(%r3)\n br %r14", "srlg %r1,%r4,32\n st %r1,0(%r3)\n st %r4,4(%r3)\n br %r14",
    ),
    "reads in another order": (
        "lg %r1,0(%r3)\n lg %r2,0(%r4)\n sgr %r2,%r1\n br %r14",
        "lg %r2,0(%r4)\n lg %r1,0(%r3)\n sgr %r2,%r1\n br %r14",
    ),
    "one instruction and four": (
        "laag %r2,%r4,0(%r3)\n br %r14", "lg %r2,0(%r3)\n lgr %r1,%r2\n agr %r1,%r4\n stg %r1,0(%r3)\n br %r14",
    ),
    "frames of different sizes": (framed("lghi %r2,1\n brasl %r14,g"), framed("lghi %r2,1\n brasl %r14,g", size=200)),
    "how it returns": (
        framed("brasl %r14,g"),
        "stmg %r6,%r15,48(%r15)\n aghi %r15,-176\n brasl %r14,g\n lg %r4,176+112(%r15)\n lmg %r6,%r13,176+48(%r15)\n"
        "aghi %r15,176\n br %r4",
    ),
    "a local that is handed out": 2 * (framed("lghi %r1,1\n stg %r1,160(%r15)\n la %r2,160(%r15)\n brasl %r14,g"),),
    "a literal and an immediate operand": (POOL.format(5), "lghi %r2,5\n br %r14"),
    "the address of the routine itself": ("larl %r2,f\n br %r14", "nopr\n larl %r2,f\n br %r14"),
    "a variable of this object and of another": (DATA.format(""), "lgrl %r2,v\n br %r14"),
    "a variable that lies elsewhere": (DATA.format(""), DATA.format(" .quad 3")),
    "a constant with a global name": 2 * (RODATA.format(5),),
    "what the contract's assumption excludes": ("tmll %r15,7\n jz 1f\n lghi %r6,0\n1: br %r14", "br %r14"),
}  # fmt: skip

DIFFERENT = {
    "the result": ("lghi %r2,1\n br %r14", "lghi %r2,2\n br %r14", "r2 at the exit"),
    "the result of a floating-point function": ("ldgr %f0,%r2\n br %r14", "ldgr %f0,%r3\n br %r14", "f0 at the exit"),
    "a register that was saved": ("br %r14", "lghi %r6,0\n br %r14", "r6 at the exit"),
    "the stack pointer": ("br %r14", "aghi %r15,-16\n br %r14", "r15 at the exit"),
    "where it returns to": ("br %r14", "br %r13", "pc at the exit"),
    "the function that is called last": ("jg g", "jg h", "pc at the exit"),
    "the condition of a load": (
        "ltgr %r2,%r2\n je 1f\n lgr %r2,%r3\n1: br %r14", "ltgr %r2,%r2\n locgre %r2,%r3\n br %r14", "r2 at the exit",
    ),
    "the condition of a store": (
        "ltgr %r2,%r2\n stocge %r4,0(%r3)\n br %r14", "ltgr %r2,%r2\n je 1f\n stg %r4,0(%r3)\n1: br %r14",
        "what is stored before the exit",
    ),
    "what is stored": ("stg %r4,0(%r3)\n br %r14", "stg %r5,0(%r3)\n br %r14", "the store to old.r3 before the exit"),
    "where it is stored": (
        "stg %r4,0(%r3)\n br %r14", "stg %r4,8(%r3)\n br %r14", "the address of the store to old.r3 before the exit",
    ),
    "that anything is stored": ("br %r14", "stg %r4,0(%r3)\n br %r14", "what is stored before the exit"),
    "that something is stored on a condition": (
        "br %r14", "ltgr %r2,%r2\n stocge %r4,0(%r3)\n br %r14", "what is stored before the exit",
    ),
    "the caller's frame": ("br %r14", "stg %r2,168(%r15)\n br %r14", "the 8 bytes at old.r15+168 at the exit"),
    "how often a variable is read": (
        "lgrl %r2,v\n lgr %r1,%r2\n sgr %r2,%r1\n br %r14", "lgrl %r2,v\n lgrl %r1,v\n sgr %r2,%r1\n br %r14",
        "r2 at the exit",
    ),
    "a read before and after a store to what may be the same": (
        "lg %r2,0(%r3)\n stg %r5,0(%r4)\n br %r14", "stg %r5,0(%r4)\n lg %r2,0(%r3)\n br %r14", "r2 at the exit",
    ),
    "a read before and after a call": (
        framed("lgrl %r1,v\n stg %r1,160(%r15)\n brasl %r14,g\n lg %r2,160(%r15)"),
        framed("lghi %r1,0\n stg %r1,160(%r15)\n brasl %r14,g\n lgrl %r2,v"), "r2 at the exit",
    ),
    "the function that is called": (
        framed("brasl %r14,g"), framed("brasl %r14,h"), "the target at the call of callee (call 1)",
    ),
    "the number of calls": (framed("brasl %r14,g"), framed("brasl %r14,g\n brasl %r14,g"), "call 2"),
    "a call and a jump": ("jg g", framed("brasl %r14,g"), "call 1"),
    "the rounding mode": ("br %r14", "lghi %r1,0\n sfpc %r1\n br %r14", "the FPC's rounding modes at the exit"),
    "what nothing wrote": (2 * ("lg %r2,32(%r15)\n br %r14",) + ("r2 at the exit",)),
    "a literal": (POOL.format(5), POOL.format(6), "r2 at the exit"),
}  # fmt: skip

OPEN = {
    "it never exits": ("j .", "br %r14", "old routine: a loop through f does not end in 64 rounds"),
    "the new one never exits": ("br %r14", "j .", "new routine: a loop through f does not end in 64 rounds"),
    "no semantics": ("br %r14", "sam31\n br %r14", "new routine: sam31"),
    "a supervisor call": (*2 * ("svc 4\n br %r14",), "what a supervisor call does is not compared"),
    "arguments that no contract lists": (
        framed("lghi %r2,1\n brasl %r14,g"), framed("lghi %r2,2\n brasl %r14,g"), "no contract says",
    ),
    "arguments of the function called last": ("lghi %r3,1\n jg g", "lghi %r3,2\n jg g", "no contract says"),
    "a local that is handed out": (
        framed("lghi %r1,1\n stg %r1,160(%r15)\n la %r2,160(%r15)\n brasl %r14,g"),
        framed("lghi %r1,2\n stg %r1,160(%r15)\n la %r2,160(%r15)\n brasl %r14,g"), "no contract says",
    ),
    "a local that a callee may have written": (
        *2 * (framed("la %r2,160(%r15)\n brasl %r14,g\n lg %r2,160(%r15)"),), "callee_wrote",
    ),
    "stores in another order to what may be the same": (
        "stg %r4,0(%r3)\n stg %r5,0(%r2)\n br %r14", "stg %r5,0(%r2)\n stg %r4,0(%r3)\n br %r14",
        "they may go to the same storage",
    ),
    "stores in another order and a read between them": (
        "stg %r4,0(%r3)\n lg %r1,0(%r2)\n stg %r5,8(%r3)\n lgr %r2,%r1\n br %r14",
        "stg %r5,8(%r3)\n lg %r1,0(%r2)\n stg %r4,0(%r3)\n lgr %r2,%r1\n br %r14", "reads may look between them",
    ),
    "stores that do not happen before a read": (
        "ltgr %r2,%r2\n jne 1f\n stocgne %r4,0(%r3)\n lg %r2,0(%r5)\n stg %r4,0(%r3)\n1: br %r14",
        "ltgr %r2,%r2\n jne 1f\n stg %r4,0(%r3)\n lg %r2,0(%r5)\n1: br %r14", "some do not happen",
    ),
    "a variable without a global name": (
        *2 * ("larl %r2,1f\n br %r14\n .data\n1: .quad 5\n .text",), "which may be the same on the other side, or not",
    ),
    "an address inside the routine": (
        "larl %r2,1f\n br %r14\n1: .quad 5", "larl %r2,1f\n br %r14\n1: .quad 6", "&.text",
    ),
    "a constant of the same name": (RODATA.format(5), RODATA.format(6), "&v"),
    "a literal that the linker fills in": (POOL.format("g"), POOL.format("h"), "&.text"),
    "a clock": (*2 * ("stckf 16(%r15)\n lg %r2,16(%r15)\n br %r14",), "clock"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_they_are_alike(name: str, tmp_path: Path) -> None:
    (finding,) = compared(tmp_path, *ALIKE[name])
    assert (finding.verdict, finding.property) == (Verdict.PROVED, "equivalent"), finding.message


@pytest.mark.parametrize("name", ALIKE)
def test_they_are_alike_the_other_way_round(name: str, tmp_path: Path) -> None:
    old, new = ALIKE[name]
    assert {finding.verdict for finding in compared(tmp_path, new, old)} == {Verdict.PROVED}


@pytest.mark.parametrize("name", DIFFERENT)
def test_they_differ_and_both_are_replayed(name: str, tmp_path: Path) -> None:
    old, new, what = DIFFERENT[name]
    found = {finding.claim: finding for finding in compared(tmp_path, old, new)}
    finding = found[f"{what} is the same"]
    assert finding.verdict is Verdict.REFUTED, finding.counterexample
    assert finding.counterexample is not None
    assert finding.counterexample.emulator.startswith("both replayed on unicorn")
    assert Verdict.PROVED not in {one.verdict for one in found.values()}


@pytest.mark.parametrize("name", OPEN)
def test_it_is_left_open_and_why(name: str, tmp_path: Path) -> None:
    old, new, why = OPEN[name]
    found = compared(tmp_path, old, new)
    assert {finding.verdict for finding in found} <= {Verdict.UNKNOWN, Verdict.UNSUPPORTED}, found
    assert any(why in finding.message for finding in found), [finding.message for finding in found]


RETURN = "linux-6.5/return_to_handler"
RETURN_BODY = (
    "stmg %r2,%r5,32(%r15)\n lgr %r1,%r15\n aghi %r15,-176\n {chain}\n"
    "stg %r2,160(%r15)\n stg %r1,168(%r15)\n {struct}\n"
    "brasl %r14,ftrace_return_to_handler\n aghi %r15,176\n lgr %r14,%r2\n lmg %r2,%r5,32(%r15)\n br %r14"
)
CHAIN, STRUCT = "stg %r1,152(%r15)", "la %r2,160(%r15)"


def handed(chain: str = CHAIN, struct: str = STRUCT) -> str:
    return RETURN_BODY.format(chain=chain, struct=struct)


def test_a_struct_that_is_not_in_the_frame_is_an_address_like_any_other(tmp_path: Path) -> None:
    assert compared(tmp_path, handed(), handed(), RETURN)[0].verdict is Verdict.PROVED
    (finding,) = compared(tmp_path, handed(struct="la %r2,8(%r3)"), handed(struct="la %r2,16(%r3)"), RETURN)
    assert (finding.verdict, finding.claim) == (Verdict.REFUTED, "r2 at the call of handler is the same")


def test_a_back_chain_that_leads_nowhere_leads_to_the_same_nowhere(tmp_path: Path) -> None:
    nowhere = "lghi %r0,0\n stg %r0,152(%r15)"
    assert compared(tmp_path, handed(nowhere), handed(nowhere), RETURN)[0].verdict is Verdict.PROVED
    (finding,) = compared(tmp_path, handed(nowhere), handed("stg %r14,152(%r15)"), RETURN)
    assert (finding.verdict, finding.claim) == (
        Verdict.REFUTED, "the word that should lead to frame 1 of the back chain at the call of handler is the same",
    )  # fmt: skip


def test_a_record_behind_the_code_is_common_where_the_objects_leave_it_blank(tmp_path: Path) -> None:
    body = "lgrl %r0,1f\n lgrl %r1,2f\n br %r1\n .align 8\n1: .quad {}\n2: .quad {}"
    blank = body.format(0, 0)
    assert compared(tmp_path, blank, blank, "linux-6.3/bpf_plt")[0].verdict is Verdict.PROVED
    for other in (body.format(0, 8), body.format("g", 0)):
        found = compared(tmp_path, blank, other, "linux-6.3/bpf_plt")
        assert {finding.verdict for finding in found} == {Verdict.UNKNOWN}


def test_storage_does_not_hold_two_things_at_once(tmp_path: Path) -> None:
    """Eight bytes that one reads at once and the other in two halves have two names, and no machine shows that."""
    halves = "l %r1,0(%r3)\n l %r2,4(%r3)\n llgfr %r2,%r2\n sllg %r1,%r1,32\n ogr %r2,%r1\n br %r14"
    (finding,) = compared(tmp_path, "lg %r2,0(%r3)\n br %r14", halves)
    assert finding.verdict is Verdict.UNCONFIRMED
    assert finding.counterexample is not None
    assert "would have to hold two values" in finding.counterexample.emulator


def test_without_replay_a_difference_stays_unconfirmed(tmp_path: Path) -> None:
    (finding,) = compared(tmp_path, "lghi %r2,1\n br %r14", "lghi %r2,2\n br %r14", replay=False)
    assert finding.verdict is Verdict.UNCONFIRMED
    assert finding.counterexample is None


@pytest.mark.parametrize(
    ("new", "what"), [("lghi %r1,2\n br %r14", "r1"), ("ltgr %r2,%r2\n br %r14", "the condition code")]
)
def test_strict_compares_scratch_registers_too(new: str, what: str, tmp_path: Path) -> None:
    (finding,) = compared(tmp_path, "br %r14", new, strict=True)
    assert (finding.verdict, finding.claim) == (Verdict.REFUTED, f"{what} at the exit is the same")
    assert compared(tmp_path, "br %r14", new)[0].verdict is Verdict.PROVED


def test_control_registers_are_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, "br %r14", "lctlg %c9,%c9,16(%r2)\n br %r14", KERNEL)
    assert [(one.verdict, one.claim) for one in found] == [(Verdict.REFUTED, "c9 at the exit is the same")]


def test_a_difference_that_the_solver_cannot_decide_is_unknown(tmp_path: Path) -> None:
    """A product of 64 bits and the same from halves, with something beside it that is decided."""
    old = "msgr %r2,%r3\n lghi %r6,0\n br %r14"
    halves = "llgfr %r0,%r2\n llgfr %r1,%r3\n srlg %r2,%r2,32\n srlg %r4,%r3,32\n msgr %r2,%r1\n msgr %r4,%r0\n"
    new = f"{halves}agr %r2,%r4\n sllg %r2,%r2,32\n msgr %r0,%r1\n agr %r2,%r0\n lghi %r6,1\n br %r14"
    found = {finding.claim: finding for finding in compared(tmp_path, old, new)}
    assert found["r6 at the exit is the same"].verdict is Verdict.REFUTED
    undecided = found["r2 at the exit is the same"]
    assert undecided.verdict is Verdict.UNKNOWN
    assert "the solver gave up" in undecided.message


def test_too_many_pairs_of_paths_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_PAIRS", 1)
    body = "ltgr %r2,%r2\n je 1f\n lghi %r2,1\n1: br %r14"
    (finding, *_) = compared(tmp_path, body, body)
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.message.startswith("more than 1 pairs of paths")


def test_many_differences_are_cut_and_the_cut_is_told(tmp_path: Path) -> None:
    body = (
        "\n".join(f"lghi %r{n},1" for n in (2, *range(6, 14))) + "\n" + "\n".join(f"ldgr %f{n},%r3" for n in range(16))
    )
    found = compared(tmp_path, "br %r14", f"{body}\nbr %r14", USER)
    assert found[-1].message.endswith("more differences are not told")
    assert len(found) == 17


def test_exits_that_no_start_state_takes_prove_nothing(tmp_path: Path) -> None:
    """There both agree on everything."""
    never = "tmll %r15,7\n jnz 1f\n j .\n1: br %r14"
    found = compared(tmp_path, never, never)
    assert Verdict.PROVED not in {one.verdict for one in found}
