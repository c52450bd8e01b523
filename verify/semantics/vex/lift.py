"""One instruction's bytes to VEX statements: one at a time, unoptimised, never anything relative to its address.

The address given to the lifter is arbitrary, since no allow-listed form depends on it; lifting is therefore a pure
function of the bytes, and cached.
"""

from __future__ import annotations

from functools import lru_cache

import archinfo
import pyvex

from verify.errors import Unsupported

ADDRESS = 0x1000
_ARCH = archinfo.ArchS390X()


@lru_cache(maxsize=4096)
def lift(raw: bytes) -> pyvex.IRSB:
    """Lift exactly one instruction. Raises Unsupported when the lifter does not know it or goes elsewhere."""
    try:
        block = pyvex.lift(raw, ADDRESS, _ARCH, max_inst=1, max_bytes=len(raw), opt_level=0)
    except pyvex.PyVEXError as problem:
        raise Unsupported(f"the lifter refuses {raw.hex()}: {problem}") from problem
    if block.jumpkind != "Ijk_Boring" or block.size != len(raw) or block.instructions != 1:
        raise Unsupported(f"the lifter does not know {raw.hex()} ({block.jumpkind})")
    return block
