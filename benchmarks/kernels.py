"""Prove the trampolines inside real kernels: Debian's s390x packages, with the layout from each kernel's own DWARF.

    python benchmarks/kernels.py [--kernel RELEASE ...] [--mirror URL ...] [--modules N] [--functions N]

The packages are those of kernels.tsv, by name, version and hash. They come from the archives that apt on this machine
knows (or --mirror), and stay under $VERIFY_CACHE, or the user's cache: 1.5 GB packed, 1.3 GB unpacked. A version that
no archive has any more is named, and the exit code is 1 then.

One line a routine: contract, verdicts, seconds. Routines that have a contract of other kernels only are named, and not
proved. At the end stand the share of what was not decided, and what a user waits for one routine of an image.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_suffix(".tsv")
sys.path.insert(0, str(ROOT))

from verify import library, pipeline  # noqa: E402
from verify.contracts import kernels, selection  # noqa: E402
from verify.errors import VerifyError  # noqa: E402
from verify.objfile.elf import load  # noqa: E402
from verify.objfile.image import Image  # noqa: E402
from verify.verdict import Verdict  # noqa: E402

CHUNK = 1 << 20
UNPACKED = 600 << 20  # bytes that an image and its modules take
TIMEOUT = 30.0  # seconds for one routine
BARE = "import cle, pyvex, z3"
OPEN = (Verdict.UNKNOWN, Verdict.UNSUPPORTED)


@dataclass(frozen=True)
class Package:
    """A row of kernels.tsv; `holds` is `image` (vmlinux with its DWARF) or `modules`."""

    release: str
    holds: str
    name: str
    version: str
    path: str
    size: int
    sha256: str


class Missing(Exception):
    """A package that cannot be had, with the reason."""


def packages(table: Path = TABLE) -> list[Package]:
    rows = (line.split("\t") for line in table.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return [Package(*row[:5], int(row[5]), row[6]) for row in rows]


# Getting packages -----------------------------------------------------------------------------------------------------


def cache() -> Path:
    named = os.environ.get("VERIFY_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "s390x-verify"


def archives() -> list[str]:
    """The archives that apt is set up for."""
    try:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return list(dict.fromkeys(done.stdout.split()))


def fetched(package: Package, mirrors: Sequence[str], store: Path) -> Path:
    """The package as a file with the right hash. Raises Missing."""
    path = store / Path(package.path).name
    if path.is_file() and digest(path) == package.sha256:
        return path
    store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store).free
    if free < package.size + UNPACKED:
        raise Missing(f"{store} has {free >> 20} MB free, too little for {package.name}")
    reasons = []
    for mirror in mirrors:
        try:
            download(f"{mirror.rstrip('/')}/{package.path}", path)
        except (OSError, urllib.error.URLError) as problem:
            reasons.append(f"{mirror}: {problem}")
            continue
        if digest(path) == package.sha256:
            return path
        reasons.append(f"{mirror}: other contents than {package.sha256[:16]}..")
        path.unlink()
    raise Missing(
        f"{package.name} {package.version}: " + ("; ".join(reasons) or "no archive is known: name a --mirror")
    )


def download(url: str, path: Path) -> None:
    part = path.with_suffix(".part")
    with urllib.request.urlopen(url, timeout=60) as answer, part.open("wb") as file:
        shutil.copyfileobj(answer, file, CHUNK)
    part.replace(path)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def members(package: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The files in a Debian package: an ar archive, one of whose members is the tar archive of them (deb(5))."""
    with package.open("rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise Missing(f"{package} is no Debian package")
        while head := file.read(60):
            name, size = head[:16].decode().rstrip(" /"), int(head[48:58])
            if name.startswith("data.tar"):
                with tarfile.open(fileobj=file, mode="r|*") as archive:
                    for member in archive:
                        content = archive.extractfile(member) if member.isfile() else None
                        if content is not None:
                            yield member.name, content
                return
            file.seek(size + size % 2, 1)
    raise Missing(f"{package} has no data")


def unpacked_image(package: Path, where: Path) -> Path:
    """The vmlinux of a debug package."""
    done = where / "vmlinux"
    if not done.is_file():
        where.mkdir(parents=True, exist_ok=True)
        for name, content in members(package):
            if Path(name).name.startswith("vmlinux"):
                part = where / "part"
                with part.open("wb") as file:
                    shutil.copyfileobj(content, file, CHUNK)
                part.replace(done)
                break
        else:
            raise Missing(f"{package} has no vmlinux")
    return done


def unpacked_modules(package: Path, where: Path, count: int) -> list[Path]:
    """Some modules, evenly spread over the tree, uncompressed."""
    if not (where / "done").is_file():
        where.mkdir(parents=True, exist_ok=True)
        names = sorted(name for name, _ in members(package) if ".ko" in Path(name).name)
        chosen = set(names[:: max(1, len(names) // 24)])
        for name, content in members(package):
            if name in chosen:
                data = content.read()
                packed = data.startswith(b"\xfd7zXZ")
                (where / Path(name).name.removesuffix(".xz")).write_bytes(lzma.decompress(data) if packed else data)
        (where / "done").touch()
    return sorted(where.glob("*.ko"))[:count]


# Proving --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What came of one routine."""

    kernel: str
    routine: str
    contract: str
    verdicts: Counter[Verdict]
    seconds: float
    note: str = ""

    def text(self) -> str:
        where = f"{self.kernel:<22} {self.routine:<38} {self.contract:<30}"
        return f"{where} {counted(self.verdicts):<30} {self.seconds:6.2f}  {self.note}"


def counted(verdicts: Counter[Verdict]) -> str:
    return ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict])


def known(image: Image, number: str) -> tuple[list[str], list[str]]:
    """The routines of an image for which there is a contract of its kernel, and those of other kernels only."""
    dated, kernel = selection.dated(library.library("models")), kernels.version(number)
    names = {symbol.name for symbol in image.symbols if symbol.place is not None and image.code(symbol.place, 1)}
    own = {one for one in dated if one.kernels.fit(kernel) is not kernels.Fit.NO}
    found = {name for name in names if any(one.covers((name,)) for one in own)}
    others = {name for name in names - found if any(one.covers((name,)) for one in dated)}
    return sorted(found), sorted(others)


def proved(label: str, path: Path, options: pipeline.Options) -> Row:
    """What comes of the routine `options.symbol`, in a process of its own and within TIMEOUT."""
    start, name = time.perf_counter(), options.symbol or ""
    try:
        (found,) = pipeline.prove([path], options, timeout=TIMEOUT).files
    except VerifyError as problem:
        return Row(label, name, "-", Counter({Verdict.ERROR: 1}), time.perf_counter() - start, str(problem)[:160])
    took = time.perf_counter() - start
    findings = [*found.troubles, *(finding for one in found.routines for finding in one.findings)]
    wrong = next((f"{f.property or 'routine'}: {f.message}" for f in findings if f.verdict is not Verdict.PROVED), "")
    contract = next((one.contract for one in found.routines), "-")
    return Row(label, name, contract, Counter(f.verdict for f in findings), took, wrong.partition("\n")[0][:160])


def kernel(release: str, number: str, image: Path, modules: Sequence[Path], functions: int) -> Iterator[Row]:
    """The trampolines of one kernel and of its modules, and `functions` plain functions of each module."""
    for path in (image, *modules):
        loaded, label = load(path), release if path == image else path.name
        names, others = known(loaded, number)
        if others:
            print(f"{label}: for {', '.join(others)} there are contracts of other kernels only")
        for name in names:
            options = pipeline.Options(symbol=name, kernel=number, dwarf=image)
            yield proved(label, path, options)
        plain = [symbol.name for symbol in loaded.routines() if symbol.name not in names] if path != image else []
        for name in plain[:functions]:
            yield proved(label, path, pipeline.Options(symbol=name, dwarf=image))


def version(package: Package) -> str:
    """The kernel's own version: releases of Debian need not follow the stable ones (6.1.0-50 is 6.1.176)."""
    return package.version.partition("-")[0]


def waiting(image: Path, number: str) -> tuple[float, float]:
    """Seconds of the bare imports, and of one routine of an image: medians of three."""
    times: dict[str, list[float]] = {"bare": [], "whole": []}
    prove = [sys.executable, "-m", "verify", "prove", "--no-cache", str(image), "--symbol", "ftrace_caller", "--quiet",
             "--kernel", number]  # fmt: skip
    for _ in range(3):
        for name, command in (("bare", [sys.executable, "-c", BARE]), ("whole", prove)):
            start = time.perf_counter()
            subprocess.run(command, check=False, cwd=ROOT, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    return statistics.median(times["bare"]), statistics.median(times["whole"])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kernel", action="append", help="only this release of kernels.tsv")
    parser.add_argument("--mirror", action="append", default=[], help="an archive, before those that apt knows")
    parser.add_argument("--modules", type=int, default=12, help="modules of each kernel")
    parser.add_argument("--functions", type=int, default=0, help="plain functions of each module, by the ABI")
    asked = parser.parse_args(arguments)
    table = packages()
    releases = [one for one in dict.fromkeys(p.release for p in table) if not asked.kernel or one in asked.kernel]
    mirrors, store = [*asked.mirror, *archives()], cache() / "kernels"
    rows: list[Row] = []
    missing: list[str] = []
    images: dict[str, Path] = {}
    numbers = {p.release: version(p) for p in table if p.holds == "image"}
    for release in releases:
        try:
            held = {p.holds: fetched(p, mirrors, store) for p in table if p.release == release}
            images[release] = unpacked_image(held["image"], store / release)
            modules = unpacked_modules(held["modules"], store / release / "modules", asked.modules)
        except Missing as problem:
            missing.append(str(problem))
            continue
        for one in kernel(release, numbers[release], images[release], modules, asked.functions):
            print(one.text(), flush=True)
            rows.append(one)
    verdicts = sum((one.verdicts for one in rows), Counter[Verdict]())
    undecided = sum(any(verdict in OPEN for verdict in one.verdicts) for one in rows)
    if rows:
        share = f"{undecided} unsupported or unknown ({undecided / len(rows):.1%})"
        print(f"{len(rows)} routines: {counted(verdicts)}; {share}")
    for release, image in images.items():
        bare, whole = waiting(image, numbers[release])
        print(f"{release}: verify prove vmlinux ({image.stat().st_size >> 20} MB) --symbol ftrace_caller: "
              f"{whole:.2f} s, {whole - bare:.2f} beyond the imports")  # fmt: skip
    for one in missing:
        print(f"not proved: {one}", file=sys.stderr)
    return int(bool(missing) or not rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
