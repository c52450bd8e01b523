"""(provisional)"""

from pathlib import Path

from elftools.elf.elffile import ELFFile

from verify.errors import NotElf
from verify.objfile.image import *
from verify.objfile.image import Row

ROWS = {
    19: ("R_390_PC32DBL", "address"),
    20: ("R_390_PLT32DBL", "plt"),
    17: ("R_390_PC16DBL", "address"),
    26: ("R_390_GOTENT", "got-entry"),
}


def load(path):
    try:
        e = ELFFile(open(path, "rb"))
    except Exception as p:
        raise NotElf(path, str(p)) from p
    secs = {
        i: (s.name, s.data() if s["sh_type"] != "SHT_NOBITS" else b"", bool(s["sh_flags"] & 4))
        for i, s in enumerate(e.iter_sections())
    }
    syms = []
    st = e.get_section_by_name(".symtab")
    raw = []
    for s in st.iter_symbols():
        sh = s["st_shndx"]
        place = Place(sh, s["st_value"]) if isinstance(sh, int) else None
        kind = s["st_info"]["type"][4:].lower()
        name = s.name
        b = s["st_info"]["bind"][4:].lower()
        sym = Symbol(name, place, s["st_size"], kind, b)
        raw.append(sym)
        if name:
            syms.append(sym)
    holes = []
    for s in e.iter_sections():
        if s["sh_type"] == "SHT_RELA":
            for r in s.iter_relocations():
                sym = raw[r["r_info_sym"]]
                n, k = ROWS.get(r["r_info_type"], (f"R_390_{r['r_info_type']}", "none"))
                a = r["r_addend"]
                t = (
                    Target(place=Place(sym.place.space, sym.place.offset + a))
                    if sym.place
                    else Target(external=sym.name, addend=a)
                )
                holes.append(
                    Hole(
                        Place(s["sh_info"], r["r_offset"]),
                        Row(r["r_info_type"], n, True, k, r["r_info_type"] in ROWS),
                        t,
                        sym.name,
                        a,
                    )
                )
    return Image(Path(path), True, tuple(syms), secs, tuple(holes))
