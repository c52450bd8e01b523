"""Which kernel an object says it is of: a vmlinux by its banner, a module by its vermagic."""

from __future__ import annotations

import re

from verify.objfile.image import Image

_BANNER = re.compile(rb"Linux version (\d[\w.+~-]*)")
_VERMAGIC = re.compile(rb"(?:^|\0)vermagic=(\d[\w.+~-]*)")
_LONGEST = 512


def kernel_of(image: Image) -> tuple[str, str] | None:
    """The release that the object names (`6.1.0-49-s390x`), and where: "banner" or "vermagic". None if it names none.

    The banner is the string `linux_banner` (init/version.c, or version-timestamp.c), the vermagic an item of a
    module's section .modinfo (include/linux/vermagic.h).
    """
    for section in image.sections:
        if section.name == ".modinfo" and (found := _VERMAGIC.search(section.data)):
            return found.group(1).decode("ascii"), "vermagic"
    banner = next((s for s in image.symbols if s.name == "linux_banner" and s.place is not None), None)
    if banner is None or banner.place is None:
        return None
    for section in image.sections:
        at = banner.place.offset - section.start
        if section.space == banner.place.space and 0 <= at < len(section.data):
            text = section.data[at : at + _LONGEST].partition(b"\0")[0]
            if found := _BANNER.match(text):
                return found.group(1).decode("ascii"), "banner"
    return None
