"""benchmarks/kernels.py: its table, and how packages are had, checked and unpacked; no package is fetched here."""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import tarfile
from pathlib import Path

import pytest

from benchmarks import kernels
from benchmarks.kernels import Missing, Package


def deb(files: dict[str, bytes]) -> bytes:
    """A Debian package with these files."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    made = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", tar.getvalue())):
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return made


def package(data: bytes) -> Package:
    return Package(
        "6.1", "image", "linux-image", "6.1-1", "pool/l/linux-image.deb", len(data), hashlib.sha256(data).hexdigest()
    )


def archive(tmp_path: Path, name: str, data: bytes) -> str:
    path = tmp_path / name / "pool/l/linux-image.deb"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return (tmp_path / name).as_uri()


def test_the_table_names_each_kernel_twice_by_version_and_hash() -> None:
    rows = kernels.packages()
    for release in {one.release for one in rows}:
        assert sorted(one.holds for one in rows if one.release == release) == ["image", "modules"]
    for one in rows:
        assert re.fullmatch(r"[0-9a-f]{64}", one.sha256)
        assert one.version in one.path
        assert one.path.startswith("pool/")
    assert any(one.version.startswith("6.1.") for one in rows)
    assert any(one.version.startswith("6.12.") for one in rows)


def test_a_package_is_fetched_once_and_checked(tmp_path: Path) -> None:
    data = deb({"./boot/vmlinux-6.1": b"image"})
    one, store = package(data), tmp_path / "store"
    wrong, right = archive(tmp_path, "wrong", b"other"), archive(tmp_path, "right", data)
    path = kernels.fetched(one, [(tmp_path / "none").as_uri(), wrong, right], store)
    assert path.read_bytes() == data
    assert kernels.fetched(one, [], store) == path  # no archive is asked again
    path.write_bytes(b"damaged")
    with pytest.raises(Missing, match=r"linux-image 6\.1-1: no archive is known"):
        kernels.fetched(one, [], store)


def test_a_version_that_vanished_is_named(tmp_path: Path) -> None:
    one = package(deb({}))
    with pytest.raises(Missing, match=r"linux-image 6\.1-1: .*none"):
        kernels.fetched(one, [(tmp_path / "none").as_uri()], tmp_path / "store")
    with pytest.raises(Missing, match="other contents"):
        kernels.fetched(one, [archive(tmp_path, "wrong", b"other")], tmp_path / "store")
    assert not list((tmp_path / "store").iterdir())


def test_too_little_room_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    one = Package("6.1", "image", "huge", "1", "pool/huge.deb", 1 << 60, "0" * 64)
    with pytest.raises(Missing, match="MB free, too little for huge"):
        kernels.fetched(one, [tmp_path.as_uri()], tmp_path / "store")


def test_the_image_and_some_modules_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.deb"
    files = {f"./lib/modules/6.1/kernel/m{n:02}.ko": f"module {n}".encode() for n in range(30)}
    files["./lib/modules/6.1/kernel/m00.ko.xz"] = lzma.compress(b"packed")
    path.write_bytes(deb({"./doc": b"text", "./boot/vmlinux-6.1": b"image", **files}))
    assert kernels.unpacked_image(path, tmp_path / "out").read_bytes() == b"image"
    modules = kernels.unpacked_modules(path, tmp_path / "out/modules", 12)
    assert len(modules) == 12
    assert all(one.read_bytes().startswith((b"module ", b"packed")) for one in modules)
    path.write_bytes(deb({"./doc": b"text"}))
    with pytest.raises(Missing, match="no vmlinux"):
        kernels.unpacked_image(path, tmp_path / "other")
    path.write_bytes(b"text")
    with pytest.raises(Missing, match="no Debian package"):
        kernels.unpacked_image(path, tmp_path / "other")


def test_a_vanished_version_is_reported_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERIFY_CACHE", str(tmp_path))
    monkeypatch.setattr(kernels, "archives", list)
    assert kernels.main(["--kernel", kernels.packages()[0].release]) == 1
    assert f"not proved: {kernels.packages()[0].name} " in capsys.readouterr().err


def test_the_version_is_the_kernels_own_and_not_that_of_debians_releases() -> None:
    found = {one.release: kernels.version(one) for one in kernels.packages()}
    assert re.fullmatch(r"6\.1\.\d{3}", found["6.1.0-50-s390x"])
