"""Functions with alternatives as concrete checks of one run (see oracles.py), on a machine with the facility and on one
without. The machine is patched here as the kernel does it, by a reading of `.altinstructions` of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile

from tests.mutation.machine import CODE, LOWCORE, Machine, ObjectFile, Symbol
from tests.mutation.oracles import ORACLES as OWN_ORACLES
from tests.mutation.oracles import Oracle, Trial

_BR_R1 = LOWCORE + 0x400  # where kernels from 4.16 to 5.18 keep a br %r1


@dataclass(frozen=True)
class Entry:
    """Code and its replacement, as (section, offset), and the length of both; `own` bytes are the replacement's."""

    code: tuple[int, int]
    replacement: tuple[int, int]
    length: int
    own: int


def entries(file: ObjectFile) -> list[Entry]:
    """What `.altinstructions` of an object lists, in entries of any size."""
    with file.path.open("rb") as raw:
        elf = ELFFile(raw)
        section = elf.get_section_by_name(".altinstructions")
        if section is None:
            return []
        data, symbols = section.data(), list(elf.get_section_by_name(".symtab").iter_symbols())
        where = {}
        for row in elf.get_section_by_name(".rela.altinstructions").iter_relocations():
            symbol = symbols[row["r_info_sym"]]
            where[row["r_offset"]] = symbol["st_shndx"], symbol["st_value"] + row["r_addend"]
    size = 2 * len(data) // len(where)
    found = []
    for start in range(0, len(data), size):
        if size == 12:
            length, own = struct.unpack_from("BB", data, start + 10)
        else:
            (length,) = struct.unpack_from("B", data, start + size - 1)
            own = length
        found.append(Entry(where[start], where[start + 4], length, own))
    return found


def overwritten(file: ObjectFile) -> set[tuple[int, int]]:
    """The bytes that a replacement takes the place of: what is executed there may be no instruction of the object."""
    return {(one.code[0], one.code[1] + n) for one in entries(file) for n in range(one.length)}


def replaced(file: ObjectFile, symbol: Symbol) -> Iterator[tuple[int, int]]:
    """Where the instructions are that take the place of the routine's own."""
    for entry in entries(file):
        section, at = entry.code
        if section == symbol.section and symbol.value <= at < symbol.value + symbol.size:
            number, offset = entry.replacement
            end = offset + entry.own
            while offset < end:
                yield number, offset
                offset += (2, 4, 4, 6)[file.sections[number].data[offset] >> 6]


def patch(machine: Machine) -> None:
    """Copy the replacements over the code, filled up with what does nothing."""
    for entry in entries(machine.object):
        (to_section, to_offset), (section, offset) = entry.code, entry.replacement
        code = machine.read_bytes(machine.bases[section] + offset, entry.own)
        rest = entry.length - entry.own
        filler = b"\x07\x00" * (rest // 2)
        if rest >= 6:
            filler = b"\xc0\xf4" + struct.pack(">i", rest // 2) + filler[6:]
        machine.poke_code(machine.bases[to_section] + to_offset, code + filler)


@dataclass(frozen=True)
class _Alternative(Oracle):
    """Each run is made twice, on a machine without the facility and on one that has it."""

    def judge(self, machine: Machine, symbol: str, seed: int, *, graph: bool, stop: bool) -> list[str]:
        found = super().judge(machine, symbol, seed, graph=graph, stop=stop)
        before = machine.code
        patch(machine)
        found += super().judge(machine, symbol, seed, graph=graph, stop=stop)
        machine.poke_code(CODE, before)
        return found


def _thunk_r1(trial: Trial, entry: int) -> None:
    """Control goes where r1 says; nothing changes."""
    machine, old = trial.machine, trial.old
    old[1] = trial.code_address()
    machine.set_gprs(old)
    machine.write(_BR_R1, 0x07F1, 2)
    end = trial.run(entry, {})
    trial.finish(writable=0)
    trial.equal(end, old[1], "psw-redirect", "the exit")
    trial.registers(dict(enumerate(old)), "callee-saved")
    trial.check(not machine.writes, "stack-confined", "a store")
    trial.equal(machine.psw_mask(), trial.psw_mask, "mode-preserved", "the PSW mask")
    trial.no_indirect_branch()


_LINUX_6_12 = OWN_ORACLES["6.12/ftrace_caller"]
ORACLES = {
    "alternative/ftrace_caller": _Alternative(_LINUX_6_12.play, _LINUX_6_12.graph_site),
    "alternative/thunk": _Alternative(_thunk_r1),
}
# As in families.py.
WHOLE = [
    ("ftrace-6.12-alternative", "ftrace_caller", "alternative/ftrace_caller"),
    ("expoline-r1", "__s390x_indirect_jump_r1use_r1", "alternative/thunk"),
]
OFFSETS = [("ftrace-6.12-alternative", "__s390_indirect_jump_r1", "thunk/1")]
DELETIONS = [("repaired/alternative-facility", "ftrace_caller", "alternative/ftrace_caller")]
BROKEN = [("alternative-facility", "ftrace_caller", "alternative/ftrace_caller", {"psw-redirect"})]
