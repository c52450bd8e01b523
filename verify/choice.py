"""Which routines of an image are proved, and which contract each is held to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache

from verify import library
from verify.contracts import selection
from verify.contracts.claims import ProofClaim, load_claims
from verify.contracts.handlers import narrowed
from verify.contracts.kernels import Version, version
from verify.contracts.load import THUNKS, Has, contract_names, inherited, load_contract, symbol_numbers
from verify.contracts.measured import Measured
from verify.contracts.schema import Contract
from verify.errors import InputError
from verify.objfile import banner
from verify.objfile.image import Image, Symbol
from verify.options import Options

_KERNEL_SECTIONS = ("__ftrace", ".modinfo", "__ksymtab", ".s390_", ".kprobes.text", ".altinstr", "__bug_table",
                    "___kcrctab", ".discard", ".init.text", ".noinstr.text")  # fmt: skip
_FEW = 3  # contracts that are listed by name
_ABI = {31: "abi/s390", 64: "abi/s390x"}


@dataclass(frozen=True)
class Choice:
    """A routine, the contract it is held to, and why this one; `ignore` are properties that are not asked for."""

    symbol: Symbol
    contract: Contract
    reason: str
    ignore: tuple[str, ...] = ()


Refused = dict[str, InputError]
"""Routines whose contract is not clear, by name, and why."""


def choose(image: Image, options: Options, refused: Refused | None = None) -> list[Choice]:
    """The routines to prove; those whose contract is not clear go to `refused`.

    Raises InputError where there is no routine, and, without `refused`, where a contract is not clear.
    """
    chosen = []
    for symbol in _held(image, options):
        try:
            chosen.append(_fitting(image, _choice(image, symbol, options)))
        except InputError as problem:
            if refused is None:
                raise
            refused[symbol.name] = problem
    return chosen


def _held(image: Image, options: Options) -> list[Symbol]:
    """The routines that a contract is wanted for. Raises InputError."""
    if options.symbol is not None:  # of a kernel with a hundred thousand symbols, say
        return [image.symbol(options.symbol)]
    routines = image.routines()
    if not routines:
        raise InputError(image.path, "defines no routine (no function symbol in an executable section)")
    if options.contract is not None and options.kernel is None:
        return _for_contract(image, routines, options.contract)
    inner = _inner_labels(image, routines)
    return [symbol for symbol in routines if set(_names(image, symbol)) - inner]


def _fitting(image: Image, choice: Choice) -> Choice:
    """The choice, if its contract is for the addressing mode of the object. Raises InputError."""
    bits = choice.contract.bits
    if bits != image.bits:
        one = f"contract {choice.contract.name} with layout {choice.contract.layout.name}"
        raise InputError(image.path, f"is {image.bits}-bit code, and {one} is for {bits}-bit code")
    return choice


def _names(image: Image, symbol: Symbol) -> tuple[str, ...]:
    if symbol.place is None:
        return (symbol.name,)
    return tuple(dict.fromkeys((symbol.name, *image.aliases(symbol.place))))


def _for_contract(image: Image, routines: Sequence[Symbol], contract: str) -> list[Symbol]:
    """The routines that a contract names, or the only one there is; a contract that names none is for all."""
    patterns = contract_symbols(contract)
    if not patterns:
        return list(routines)
    named = [s for s in routines if any(_fits(patterns, name) for name in _names(image, s))]
    if named:
        return named
    if len(routines) == 1:
        return [routines[0]]
    names = ", ".join(symbol.name for symbol in routines[:8])
    raise InputError(image.path, f"which routine is held to {contract}? choose with --symbol: {names}")


def _fits(patterns: Iterable[str], name: str) -> bool:
    patterns = list(patterns)
    return name in patterns or bool(symbol_numbers(patterns, name))


@cache
def contract_symbols(name: str) -> tuple[str, ...]:
    """The symbols that a contract says it is for."""
    return inherited(library.library("models"), name, "symbols")


@cache
def _claims() -> tuple[ProofClaim, ...]:
    return load_claims(library.library("proofs"))


def _claims_on(image: Image) -> list[ProofClaim]:
    parts = image.path.resolve().parts
    return [claim for claim in _claims() if claim.covers_file(parts)]


def _inner_labels(image: Image, routines: Sequence[Symbol]) -> set[str]:
    """Labels inside routines: named by a contract for a routine of this image, and claimed by nobody."""
    root = library.library("models")
    claims = _claims_on(image)
    names = {name for symbol in routines for name in _names(image, symbol)}
    contracts = {claim.contract for claim in claims} or {
        name for name in contract_names(root) if any(_fits(contract_symbols(name), symbol) for symbol in names)
    }
    found = {label for contract in contracts for label in inherited(root, contract, "inner")}
    return {label for label in found if not any(claim.covers([label]) for claim in claims)}


def _choice(image: Image, symbol: Symbol, options: Options) -> Choice:
    """The choice for a routine, with the project's overrides: what they name takes the place of what was asked for."""
    override = next((one for one in options.overrides if one.covers(image.path, _names(image, symbol))), None)
    if override is None:
        return _plain_choice(image, symbol, options)
    asked = {name: getattr(override, name) for name in ("contract", "layout", "arch", "handler")}
    changed = replace(options, **{name: value for name, value in asked.items() if value is not None})
    if override.contract is not None:
        changed = replace(changed, kernel=None)
    chosen = _plain_choice(image, symbol, changed)
    why = f"{override.where}: {override.reason}"
    reason = why if override.contract is not None else f"{chosen.reason}; {why}"
    return replace(chosen, reason=reason, ignore=override.ignore)


def _plain_choice(image: Image, symbol: Symbol, options: Options) -> Choice:
    root = library.library("models")
    names, has = _names(image, symbol), _known_to(image, options)
    if (kernel := options.version()) is not None and (chosen := _of_kernel(image, symbol, options, kernel)):
        return chosen
    if options.contract is not None and options.kernel is None:
        fitting = next((n for n in names if _fits(contract_symbols(options.contract), n)), symbol.name)
        contract = _told_all(image, load_contract(root, options.contract, options.structs(), fitting, has))
        return Choice(symbol, _built_for(contract, options), "asked for with --contract" + _under(options))
    for claim in _claims_on(image) if options.kernel is None else ():
        if claim.covers(names):
            contract = _told_all(image, load_contract(root, claim.contract, _layout(options, claim), symbol.name, has))
            contract = _built_for(replace(contract, arch=claim.arch or contract.arch), options)
            return Choice(symbol, contract, f"claimed in proofs/{claim.source.name}" + _under(options))
    own = _own_kernel(image, names) if options.kernel is None else None
    if own is not None and (chosen := _of_kernel(image, symbol, options, *own)):
        return chosen
    name, why = _default(image)
    contract = _built_for(load_contract(root, name, options.structs()), options)
    return Choice(symbol, contract, why + _under(options) + _hint(names))


def _of_kernel(
    image: Image, symbol: Symbol, options: Options, kernel: Version, where: str | None = None
) -> Choice | None:
    """The contract of a kernel, which --kernel or the object itself (`where`) names; None where none is for the symbol.

    Raises InputError where version and object leave several, and, of a kernel that was asked for, where contracts for
    the symbol are for other kernels only.
    """
    root, names, has = library.library("models"), _names(image, symbol), _known_to(image, options)
    known = [one for one in selection.dated(root) if one.covers(names)]
    found = selection.candidates(root, names, kernel, image.bits, has)
    if options.contract in {one.name for one in known}:
        found = tuple(one for one in found if one.name == options.contract)
    if len(found) > 1:
        raise InputError(image.path, f"{symbol.name} of Linux {kernel.text} may be held to any of these; choose one "
                         f"with --contract: {_listed(found)}")  # fmt: skip
    if not found:
        if known and where is None:
            raise InputError(image.path, f"no contract for {symbol.name} is for Linux {kernel.text}, only these: "
                             + ", ".join(f"{one.name} ({one.kernels.describe()})" for one in known))  # fmt: skip
        return None
    name = next(name for name in names if selection.fits(found[0].symbols, name))
    contract = load_contract(root, found[0].name, options.structs(), name, has)
    by = "by --kernel" if where is None else f"by its {where}"
    return Choice(symbol, _built_for(contract, options), f"Linux {kernel.text} {by}" + _under(options))


def _own_kernel(image: Image, names: Sequence[str]) -> tuple[Version, str] | None:
    """The kernel that the object says it is of, and where it says so; asked only where that chooses a contract."""
    if not any(one.covers(names) for one in selection.dated(library.library("models"))):
        return None
    named = banner.kernel_of(image)
    try:
        return None if named is None else (version(named[0]), named[1])
    except ValueError:  # a vendor's own numbering
        return None


def _listed(contracts: Iterable[selection.Dated]) -> str:
    return "".join(f"\n  {one.describe()}" for one in contracts)


def _known_to(image: Image, options: Options) -> Has:
    """Whether the object knows a symbol: defines it or refers to it; thunks are known where expolines are asked for."""

    def known(pattern: str) -> bool:
        if pattern == THUNKS and "expoline" in options.select:
            return True
        if "*" in pattern:
            return any(fnmatchcase(symbol.name, pattern) for symbol in image.symbols)
        return any(symbol.name == pattern for symbol in image.symbols)

    return known


def _built_for(contract: Contract, options: Options) -> Contract:
    level, model = options.level(), options.model()
    contract = contract if level is None else replace(contract, arch=level)
    return contract if model is None else narrowed(contract, model)


def _told_all(image: Image, contract: Contract) -> Contract:
    """The contract, where the numbers that it must be given are known. Raises InputError."""
    known = {symbol.name for symbol in image.symbols}
    missing = [name for name, number in contract.given.items() if number is None and name not in known]
    if missing:
        how = "with --let" if image.fixed else "as absolute symbols"
        raise InputError(image.path, f"contract {contract.name} must be given {' and '.join(missing)}, {how}")
    return contract


def _under(options: Options) -> str:
    """A proof under a handler model is one of less, and says so in the reason; so does one with a measured layout."""
    model, layout = options.model(), options.structs()
    where = f"; structs of {layout.path}" if isinstance(layout, Measured) else ""
    return where if model is None or model.changes is None else f"{where}; only for handler {model.name}"


def _layout(options: Options, claim: ProofClaim) -> str | Measured | None:
    asked = options.structs()
    return claim.layout if asked is None else asked


def _default(image: Image) -> tuple[str, str]:
    """The ABI contract for a routine that nothing is claimed about."""
    if image.fixed:
        return "abi/s390x-linux-kernel", "no claim; bare code, taken for what the kernel's JIT compiler made"
    abi = _ABI[image.bits]
    for section in image.section_names():
        if section.startswith(_KERNEL_SECTIONS):
            return f"{abi}-linux-kernel", f"no claim; kernel code, since there is a section {section}"
    return f"{abi}-elf", "no claim; user code, since there is no section that only kernels have"


def _hint(names: tuple[str, ...]) -> str:
    root = library.library("models")
    fitting = [c for c in contract_names(root) if any(_fits(contract_symbols(c), name) for name in names)]
    if len(fitting) > _FEW:
        return f"; for {names[0]} there are {len(fitting)} contracts, see --kernel and `verify list contracts`"
    return f"; --contract knows {', '.join(fitting)}" if fitting else ""
