"""A concrete z/Architecture machine in this process: unicorn, which shares nothing with the lifter.

It runs in the supervisor state, in the 64-bit addressing mode unless it is told another one, without address
translation; control register 0 allows floating-point and vector instructions. Storage exists where somebody asked for
it.
"""

from __future__ import annotations

from collections.abc import Mapping

import unicorn
from unicorn import s390x_const as names

MODE_64 = 0x1_8000_0000
MODES = {31: 0x8000_0000, 64: MODE_64}
"""PSW bits 31 and 32 (EA, BA) of the addressing modes."""
_AFP_AND_VECTOR = 0x6_0000
_PAGE = 0x1000
_NOWHERE = (1 << 64) - 2
_STATUS = 0x3F << 40  # condition code and program mask inside the PSW mask (bits 18-23)
_PC, _PSWM = names.UC_S390X_REG_PC, names.UC_S390X_REG_PSWM


def _numbered(name: str, pattern: str, count: int) -> dict[str, int]:
    return {name.format(n): getattr(names, f"UC_S390X_REG_{pattern.format(n)}") for n in range(count)}


_REGISTERS = {
    **_numbered("r{}", "R{}", 16), **_numbered("a{}", "A{}", 16), "fpc": names.UC_S390X_REG_FPC,
    **_numbered("v{}.left", "F{}", 32), **_numbered("v{}.right", "F{}_HI", 32),
}  # fmt: skip
PSW = {"cc": (44, 3), "program mask": (40, 15), "system mask": (0, (1 << 64) - 1 ^ _STATUS)}


class Crash(Exception):
    """The machine was interrupted: what it did not like, and where."""


def version() -> str:
    """The emulator and its version, for reports."""
    return f"unicorn {unicorn.__version__}"


class Emulator:
    """One machine, used again for each replay."""

    def __init__(self) -> None:
        self._uc = unicorn.Uc(unicorn.UC_ARCH_S390X, unicorn.UC_MODE_BIG_ENDIAN)
        self._uc.reg_write(_PSWM, MODE_64)  # before anything looks at an address
        self._uc.reg_write(names.UC_S390X_REG_CR0, _AFP_AND_VECTOR)
        self._pages: set[int] = set()

    def reset(self) -> None:
        """Take all storage away, so that nothing of an earlier replay is seen."""
        for page in self._pages:
            self._uc.mem_unmap(page, _PAGE)
        self._pages.clear()

    # Storage

    def ensure(self, address: int, size: int) -> None:
        """Let there be storage. Raises Crash at the end of the address space."""
        for page in range(address & -_PAGE, address + size, _PAGE):
            if page not in self._pages:
                try:
                    self._uc.mem_map(page, _PAGE)
                except unicorn.UcError as problem:
                    raise Crash(f"there can be no storage at {page:#x}") from problem
                self._pages.add(page)

    def write(self, address: int, data: bytes) -> None:
        """Put bytes into storage, which is made if there is none."""
        self.ensure(address, len(data))
        self._uc.mem_write(address, data)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of storage, which is made if there is none."""
        self.ensure(address, size)
        return bytes(self._uc.mem_read(address, size))

    def write_code(self, address: int, data: bytes) -> None:
        """As `write`, and forget what was translated from there."""
        self.write(address, data)
        self._uc.ctl_remove_cache(address, address + len(data))

    # Registers

    def registers(self) -> dict[str, int]:
        """All registers by name; vector registers in halves."""
        found = dict(zip(_REGISTERS, self._uc.reg_read_batch(list(_REGISTERS.values())), strict=True))
        mask = self._uc.reg_read(_PSWM)
        return found | {name: mask >> shift & ones for name, (shift, ones) in PSW.items()}

    def set_registers(self, wanted: Mapping[str, int]) -> None:
        """Set some registers."""
        self._uc.reg_write_batch([(_REGISTERS[name], number) for name, number in wanted.items() if name in _REGISTERS])
        mask = self._uc.reg_read(_PSWM)
        for name, (shift, ones) in PSW.items():
            if name in wanted:
                mask = mask & ~(ones << shift) | (wanted[name] & ones) << shift
        self._uc.reg_write(_PSWM, mask)

    # Running

    def step(self, address: int, *, executes: bool = False) -> int:
        """Execute the instruction at an address (with its target, where `executes`); the next address. Raises Crash.

        Unicorn looks ahead: an exception at the next instruction, where there may be nothing, is none of this one.
        """
        problem = None
        # EPSW reads the condition code from where only a write of the PSW mask puts it.
        self._uc.reg_write(_PSWM, self._uc.reg_read(_PSWM))
        try:
            self._uc.emu_start(address, _NOWHERE, count=2 if executes else 1)
        except unicorn.UcError as error:
            problem = error
        after: int = self._uc.reg_read(_PC)
        if problem is not None and after == address:
            raise Crash(f"{problem} at {address:#x}")
        return after
