"""Instructions whose result only the machine knows, and those that set what the verifier does not hold.

FRESH: the bytes that are stored, and whether the condition code is set as well. ONLY_LOADS: the bytes that are read.
"""

from __future__ import annotations

FRESH: dict[str, tuple[int, bool]] = {
    "STCK": (8, True),
    "STCKF": (8, True),
    "STCKE": (16, True),
    "STCKC": (8, False),
    "STPT": (8, False),
    "STIDP": (8, False),
    "STAP": (2, False),
    "STPX": (4, False),
    "STBEAR": (8, False),
}
ONLY_LOADS: dict[str, int] = {"SPT": 8, "SCKC": 8, "LPP": 8, "LBEAR": 8}
