"""Receipts: a committed ledger that binds the verdicts on the claims to what they were reached from.

`proofs/receipts/` holds, for each file of claims, a line a routine: the hash of the object, the hash of the contract
with its layout, and the verdicts; and one file with the hashes of the program that reached them. `verify check` proves
nothing: it says what has changed since. `proofs/INDEX.txt` lists all claims, for review.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from verify import pipeline
from verify.cache import keys
from verify.contracts.claims import ProofClaim, load_claims
from verify.errors import InputError
from verify.report.report import Report, RoutineReport

INDEX, RECEIPTS, PROGRAM = "INDEX.txt", "receipts", "program.tsv"
_SHORT = 16  # hexadecimal digits of a hash that are written
_HEAD = ("file", "routine", "contract", "object", "model", "verdicts")


@dataclass(frozen=True)
class Receipt:
    """What one verdict rests on: object and model are hashes."""

    file: str
    routine: str
    contract: str
    object: str
    model: str
    verdicts: str

    def name(self) -> tuple[str, str]:
        """File and routine."""
        return self.file, self.routine


Claimed = tuple[ProofClaim, Path, pipeline.Subject]


def objects(proofs: Path) -> Iterator[Path]:
    """The objects beside proofs/ that its claims speak of, each once, in order."""
    found: dict[Path, None] = {}
    for claim in load_claims(proofs):
        found |= dict.fromkeys(sorted(proofs.parent.glob(claim.file)))
    return iter(found)


def expected(proofs: Path) -> dict[str, list[Receipt]]:
    """What the receipts would say today but for the verdicts, by the name of the claims' file. Raises InputError."""
    found: dict[str, list[Receipt]] = {}
    for path in objects(proofs):
        digest = sha256(path.read_bytes()).hexdigest()[:_SHORT]
        image = pipeline.opened(path, pipeline.Options())
        for choice in pipeline.choose(image, pipeline.Options()):
            ledger = choice.reason.removeprefix("claimed in proofs/")
            if ledger == choice.reason:
                continue  # claimed by nobody
            model = keys.of_data(choice.contract)[:_SHORT]
            one = Receipt(_relative(path, proofs), choice.symbol.name, choice.contract.name, digest, model, "")
            found.setdefault(Path(ledger).stem, []).append(one)
    return found


def _relative(path: Path, proofs: Path) -> str:
    return path.relative_to(proofs.parent).as_posix()


def write(proofs: Path, report: Report) -> None:
    """Write the receipts of a run over all `objects`, and the index. Raises OSError."""
    verdicts = {
        (_relative(Path(one.file), proofs), one.routine): _told(one) for file in report.files for one in file.routines
    }
    directory = proofs / RECEIPTS
    directory.mkdir(exist_ok=True)
    for old in directory.glob("*.tsv"):
        old.unlink()
    for ledger, receipts in expected(proofs).items():
        rows = [(*_row(one)[:-1], verdicts[one.name()]) for one in receipts]
        (directory / f"{ledger}.tsv").write_text(_table([_HEAD, *rows]), encoding="utf-8")
    (directory / PROGRAM).write_text(_table(sorted(program().items())), encoding="utf-8")
    (proofs / INDEX).write_text(index(proofs), encoding="utf-8")


def _told(report: RoutineReport) -> str:
    """`proved: a, b; refuted: c`: the properties under each verdict."""
    named: dict[str, dict[str, None]] = {}
    for finding in report.findings:
        named.setdefault(str(finding.verdict), {})[finding.rule()] = None
    return "; ".join(f"{verdict}: {', '.join(sorted(rules))}" for verdict, rules in sorted(named.items()))


def _row(one: Receipt) -> tuple[str, ...]:
    return one.file, one.routine, one.contract, one.object, one.model, one.verdicts


def _table(rows: Iterable[Iterable[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def program() -> Mapping[str, str]:
    """The hash of each file that verdicts are reached with, and the versions of the libraries they rest on."""
    return {name: text[:_SHORT] for name, text in keys.deciding()}


# Checking -------------------------------------------------------------------------------------------------------------


def check(proofs: Path) -> Iterator[str]:
    """A sentence for everything that does not match its receipt. Raises InputError for an object that is none."""
    kept = dict(_read(proofs))
    for ledger, receipts in expected(proofs).items():
        known = {one.name(): one for one in kept.pop(ledger, [])}
        for one in receipts:
            yield from _differences(one, known.pop(one.name(), None))
        yield from (f"{file}: {routine} has a receipt and is not claimed, or not there" for file, routine in known)
    for ledger in kept:
        yield f"{RECEIPTS}/{ledger}.tsv: there are no such claims"
    yield from _program_changed(proofs)
    path = proofs / INDEX
    if not path.is_file() or path.read_text(encoding="utf-8") != index(proofs):
        yield f"{INDEX} does not list the claims as they are"


def _differences(now: Receipt, then: Receipt | None) -> Iterator[str]:
    where = f"{now.file}: {now.routine}"
    if then is None:
        yield f"{where} has no receipt"
        return
    if then.contract != now.contract:
        yield f"{where} was held to {then.contract}, and is claimed to obey {now.contract}"
    elif then.model != now.model:
        yield f"{where}: the contract {now.contract}, or what it extends, or its layout, has changed"
    if then.object != now.object:
        yield f"{where}: the object has changed"


def _program_changed(proofs: Path) -> Iterator[str]:
    path = proofs / RECEIPTS / PROGRAM
    kept = dict(line.split("\t") for line in _lines(path)) if path.is_file() else {}
    now = program()
    for name in sorted({*kept, *now}):
        if kept.get(name) != now.get(name):
            what = "is new" if name not in kept else "is gone" if name not in now else "has changed"
            yield f"{name} {what}, and may reach other verdicts"


def _read(proofs: Path) -> Iterator[tuple[str, list[Receipt]]]:
    for path in sorted((proofs / RECEIPTS).glob("*.tsv")):
        if path.name == PROGRAM:
            continue
        rows = [line.split("\t") for line in _lines(path)][1:]
        if any(len(row) != len(_HEAD) for row in rows):
            raise InputError(path, "is no table of receipts; write it anew with verify check --update")
        yield path.stem, [Receipt(*row) for row in rows]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def index(proofs: Path) -> str:
    """All claims, one a line: the file, the routines, the contract, and why."""
    rows = [
        (claim.file, ", ".join(claim.symbols), claim.contract, f"[{claim.source.name}]", claim.why)
        for claim in load_claims(proofs)
    ]
    lines = [
        f"{file}: {symbols}\n    {contract}  {source}  {why}".rstrip() for file, symbols, contract, source, why in rows
    ]
    return "\n".join(["All claims; written by `verify check --update`.", "", *lines]) + "\n"
