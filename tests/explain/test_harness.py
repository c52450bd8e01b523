"""Counterexamples as static executables: what is in the file, and that qemu-s390x comes to the same end with it."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.command import ROOT, verify
from tests.elf import Reloc, Sym, function
from verify import pipeline, routine
from verify.explain import again, harness, rerun, usermode
from verify.explain.elfwriter import PAGE, Segment, Symbol, executable
from verify.explain.placed import Unplaced
from verify.explain.recorded import Recorded
from verify.objfile.elf import load
from verify.verdict import Exit

BROKEN = ROOT / "trampolines/broken"
# g is called twice and its results are added; r6 is not what it was.
TWICE = "eb6ff0300024 e3f0ff60ff71 c0e500000000 b9040072 c0e500000000 b9080027 eb6ff0d00004 a7690001 07fe"
CALLS = [Reloc(at, 19, "g", 2) for at in (0xE, 0x18)]
FUNCTIONS = {
    "twice": (TWICE, CALLS, [Sym("g")]),
    "lowcore": ("e31002000004 a7690001 07fe", [], []),  # lg %r1,0x200
    "pointers": ("e31020080004 e31020100024 e33010000004 28811a66 a7690001 07fe", [], []),
    "vectors": ("e74500000c56 2881 07fe", [], []),  # vlr %v20,%v21; ldr %f8,%f1
}
needs_qemu = pytest.mark.skipif(usermode.version() is None, reason=usermode.MISSING)


@dataclass
class Case:
    replay: Recorded
    made: harness.Harness
    path: Path

    def elf(self) -> ELFFile:
        return ELFFile(io.BytesIO(self.made.file))

    def storage(self, at: int, size: int) -> bytes:
        segments = [(one["p_vaddr"], one.data()) for one in self.elf().iter_segments()]
        return next(data[at - start :][:size] for start, data in segments if start <= at < start + len(data))

    def symbols(self) -> dict[str, int]:
        return {one.name: one["st_value"] for one in self.elf().get_section_by_name(".symtab").iter_symbols()}


def failures(path: Path, options: pipeline.Options) -> Iterator[again.Found]:
    image = load(path)
    for choice in pipeline.choose(image, options):
        yield from again.failures(
            image, choice.symbol, choice.contract, options.properties(), routine.walk, routine.assumptions
        )


def case(path: Path, place: Path, symbol: str | None = None, select: tuple[str, ...] = ()) -> Case:
    replayed = again.replay(next(failures(path, pipeline.Options(symbol=symbol, select=select))))
    made = harness.build(replayed)
    target = place / "harness"
    target.write_bytes(made.file)
    target.chmod(0o755)
    return Case(replayed, made, target)


def written(place: Path, name: str) -> Path:
    code, relocs, symbols = FUNCTIONS[name]
    path = place / f"{name}.o"
    path.write_bytes(function(code, relocs, symbols, name=name))
    return path


# The file -------------------------------------------------------------------------------------------------------------


def test_the_writer_makes_what_elftools_reads() -> None:
    code, data = Segment(0x10000, b"\x07\x07", True), Segment(0x20000, b"data", False)
    raw = executable(0x10000, [code, data], [Symbol("one", 0x10000), Symbol("two", 0x20002, False), Symbol("far", 8)])
    elf = ELFFile(io.BytesIO(raw))
    assert (elf.elfclass, elf.little_endian, elf["e_machine"], elf["e_type"]) == (64, False, "EM_S390", "ET_EXEC")
    assert elf["e_entry"] == 0x10000
    found = [(one["p_type"], one["p_vaddr"], one["p_flags"], one.data()) for one in elf.iter_segments()]
    assert found == [("PT_LOAD", 0x10000, 7, b"\x07\x07"), ("PT_LOAD", 0x20000, 6, b"data")]
    assert all(one["p_offset"] % PAGE == one["p_vaddr"] % PAGE for one in elf.iter_segments())
    symbols = {one.name: one.entry for one in elf.get_section_by_name(".symtab").iter_symbols()}
    assert symbols["one"]["st_info"]["type"] == "STT_FUNC"
    assert symbols["two"]["st_shndx"] == 2
    assert symbols["far"]["st_shndx"] == "SHN_ABS"


def test_the_harness_has_the_code_the_storage_and_the_names(tmp_path: Path) -> None:
    one = case(written(tmp_path, "twice"), tmp_path)
    symbols, elf = one.symbols(), one.elf()
    assert {"_start", "twice", "g", "verify_end"} <= symbols.keys()
    assert elf["e_entry"] == symbols["_start"]
    assert one.storage(symbols["twice"], 12) == bytes.fromhex(TWICE)[:12]
    assert one.storage(symbols["g"], 2) == bytes.fromhex("c0f4")  # to the stub of the first call
    assert symbols["verify_end"] == one.made.end
    assert one.storage(one.made.end, 2) == bytes(2)
    stack = one.replay.registers["r15"]
    assert one.storage(stack, 0x200) == one.replay.storage[stack][:0x200]


def test_each_call_has_its_own_stub(tmp_path: Path) -> None:
    one = case(written(tmp_path, "twice"), tmp_path)
    assert [callee.name for callee in one.replay.callees] == ["g", "g"]
    first, second = (callee.registers["r2"] for callee in one.replay.callees)
    assert first != second  # so that the order matters to the sum of one and the other
    assert sum(name.startswith("verify_g_") for name in one.symbols()) == 2


def test_what_user_mode_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unplaced, match=r"user mode has no stosm, which the path executes at ftrace_regs_caller\+0x4a"):
        case(BROKEN / "psw-mask-ipm.o", tmp_path)


def test_a_byte_that_changes_on_its_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unplaced, match="another CPU changes the byte at function_trace_op"):
        case(BROKEN / "matrix-linux-6.12-ftrace_caller.o", tmp_path, symbol="memory_frame", select=("memory-frame",))


# The run --------------------------------------------------------------------------------------------------------------


@needs_qemu
@pytest.mark.parametrize("name", FUNCTIONS)
def test_qemu_comes_to_the_same_end(tmp_path: Path, name: str) -> None:
    one = case(written(tmp_path, name), tmp_path)
    assert not usermode.differences(one.path, one.made)


@needs_qemu
@pytest.mark.parametrize("name", ["caller-slot-r14", "mcount-no-backchain", "regs-incomplete", "rethook-v15"])
def test_qemu_comes_to_the_same_end_with_trampolines(tmp_path: Path, name: str) -> None:
    one = case(BROKEN / f"{name}.o", tmp_path)
    assert not usermode.differences(one.path, one.made)


@needs_qemu
def test_another_end_is_seen(tmp_path: Path) -> None:
    one = case(written(tmp_path, "twice"), tmp_path)
    registers = {**one.made.registers, "r2": one.made.registers["r2"] ^ 1}
    (difference,) = usermode.differences(one.path, replace(one.made, registers=registers))
    assert difference.startswith("r2 is ")
    (difference,) = usermode.differences(one.path, replace(one.made, end=one.made.end + 2))
    assert difference.startswith("control leaves to ")


@needs_qemu
def test_by_hand_the_exit_code_says_whether_the_end_is_the_same(tmp_path: Path) -> None:
    one = case(written(tmp_path, "twice"), tmp_path)
    done = subprocess.run([usermode.NAME, str(one.path)], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    spoilt = bytearray(one.made.file)
    at = spoilt.index(bytes.fromhex("a769000107fe"))
    spoilt[at + 4 : at + 6] = b"\0\0"
    one.path.write_bytes(spoilt)
    assert subprocess.run([usermode.NAME, str(one.path)], capture_output=True, check=False).returncode == 1


@needs_qemu
def test_a_debugger_finds_the_start_state_at_the_routine(tmp_path: Path) -> None:
    one = case(written(tmp_path, "twice"), tmp_path)
    with debugger(one.path, tmp_path) as ask:
        assert ask(f"Z0,{one.symbols()['twice']:x},2") == "OK"
        assert ask("c").startswith("T05")
        general = ask("g")[32 : 32 + 16 * 16]
        assert [int(general[16 * n : 16 * n + 16], 16) for n in range(16)] == [
            one.replay.registers[f"r{n}"] for n in range(16)
        ]
        assert ask(f"m{one.symbols()['twice']:x},6") == TWICE[:12]
        ask("k", answered=False)


@contextmanager
def debugger(path: Path, place: Path) -> Iterator[object]:
    """GDB's remote protocol with QEMU's stub: a function that sends a packet and returns the answer."""
    listening = place / "gdb"
    process = subprocess.Popen([usermode.NAME, "-g", str(listening), str(path)])
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            _connect(link, listening)
            yield lambda packet, answered=True: _asked(link, packet, answered)
    finally:
        process.kill()
        process.wait()


def _connect(link: socket.socket, listening: Path) -> None:
    import time

    for _ in range(100):
        try:
            link.connect(str(listening))
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("qemu's debugger stub does not listen")


def _asked(link: socket.socket, packet: str, answered: bool) -> str:
    link.sendall(f"${packet}#{sum(packet.encode()) & 255:02x}".encode())
    received = b""
    while answered and not (b"$" in received and received[-3:-2] == b"#"):
        received += link.recv(1 << 16)
    if answered:
        link.sendall(b"+")
    return received.partition(b"$")[2][:-3].decode()


# The command ----------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    target = tmp_path / "harness"
    done = verify("replay", written(tmp_path, "twice"), "--property", "callee-saved", "--output", target)
    assert (done.code, done.err) == (Exit.PROVED, "")
    lines = done.out.splitlines()
    assert lines[0].endswith(": twice: callee-saved: r6 is restored")
    assert lines[1].startswith("replayed on unicorn 2.")
    assert lines[1].endswith(", which is old.r14")
    assert lines[2].startswith(f"{target}: step it with `qemu-s390x -g 1234 ")
    version = usermode.version()
    assert lines[3] == (usermode.MISSING if version is None else f"qemu-s390x {version}: same end")
    assert target.stat().st_mode & 0o111


def test_a_missing_qemu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "twice")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    lines, code = rerun.run(path, failures(path, pipeline.Options()), 1, tmp_path / "harness")
    assert (lines[-1], code) == (usermode.MISSING, Exit.PROVED)
    assert (tmp_path / "harness").stat().st_size


def test_no_harness_is_exit_code_3(tmp_path: Path) -> None:
    target = tmp_path / "harness"
    done = verify("replay", BROKEN / "psw-mask-ipm.o", "--output", target)
    assert done.code == Exit.NOT_PROVED
    assert "no harness: user mode has no stosm" in done.out
    assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((ROOT / "trampolines/ftrace-6.12.o",), "the solver finds no counterexample"),
        ((BROKEN / "caller-slot-r14.o", "--number", "7"), "the solver finds 2 counterexamples, not 7"),
        ((BROKEN / "caller-slot-r14.o", "--property", "expoline"), "finds no counterexample to what was chosen"),
        ((BROKEN / "caller-slot-r14.o", "--symbol", "nope"), "defines no routine named 'nope'"),
        ((BROKEN / "caller-slot-r14.o", "--property", "nope"), "there is no property 'nope'"),
        ((BROKEN / "caller-slot-r14.o", "--output", "/nonexistent/harness"), "cannot be written"),
        ((BROKEN / "caller-slot-r14.s",), "caller-slot-r14.s"),
    ],
)
def test_bad_usage_is_one_sentence(arguments: tuple[object, ...], sentence: str) -> None:
    done = verify("replay", *arguments)
    assert (done.code, done.out) == (Exit.BAD_INPUT, "")
    assert sentence in done.err
    assert done.err.count("\n") == 1
