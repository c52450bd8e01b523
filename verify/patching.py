"""Run-time patch sites: every combination of their states, as code to prove."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from verify.contracts.schema import Contract, PatchSite
from verify.errors import Unsupported
from verify.objfile.image import Image, Place
from verify.semantics.code import Code, Patch

_MASK_BYTE = 1


def states(image: Image, contract: Contract) -> Iterator[tuple[tuple[str, ...], Code]]:
    """Yield (names of the sites switched on, code) for each combination; as assembled first.

    Raises Unsupported when a site does not hold the instruction that the contract says is patched.
    """
    sites = [(site, places(image, site)) for site in contract.patches]
    present = [(site, found) for site, found in sites if found]
    for chosen in itertools.product((False, True), repeat=len(present)):
        patches: dict[Place, Patch] = {}
        names = []
        for (site, found), on in zip(present, chosen, strict=True):
            if on:
                names.append(site.name)
                patches |= {place: switched_on(image, site, place) for place in found}
        yield tuple(names), Code(image, patches)


def places(image: Image, site: PatchSite) -> tuple[Place, ...]:
    """Where the site's symbols stand in this image, if at all."""
    found = {
        symbol.place
        for symbol in image.symbols
        if symbol.name in site.symbols and symbol.place is not None and image.code(symbol.place, 2)
    }
    return tuple(sorted(found))


def switched_on(image: Image, site: PatchSite, place: Place) -> Patch:
    """The code that the kernel writes at the site. Raises Unsupported."""
    insn = Code(image).fetch(place)
    if insn.mnemonic not in _FORMS[site.assembled]:
        raise Unsupported(
            f"patch site {site.name} at {image.label(place)} holds {insn.mnemonic.lower()}, "
            f"not {site.assembled.lower()}"
        )
    if site.on is None:  # a branch becomes a no-operation: its mask is cleared
        raw = bytearray(insn.raw)
        raw[_MASK_BYTE] &= 0x0F
        return Patch(bytes(raw))
    return Patch(insn.raw, operand=site.on)


_FORMS = {"BRC": ("BRC", "BRCL"), "BRAS": ("BRAS", "BRASL")}
