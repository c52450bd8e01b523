"""One name for what two routines find alike: the same environment answers both.

Along a path unknowns are numbered as they are made, so the same unknown has another number in another routine. Here it
is named by what asked for it: the n-th call, or the n-th read of an address between two events that others can see
(calls, and bytes stored outside the stack). What no environment answers alike is the side's own: storage that nothing
wrote, unpredictable machine state, and addresses of the image that no global symbol names.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from verify.equiv.sides import ROUTINE, Side
from verify.machine.rewrite import rebuild
from verify.machine.state import Load, Store
from verify.machine.storage import CELL
from verify.machine.term import TRUE, Origin, Term, const, leaf, plus, split
from verify.objfile.image import Place
from verify.semantics.code import Code
from verify.walk.path import CallMade, Path

_LEFT = re.compile(r"^(?P<base>.*)#(?P<number>\d+)(?:\.mem\[old\.r15(?P<at>[+-]\d+)\])?$")
_SHARED = frozenset({Origin.ENTRY, Origin.STORAGE, Origin.SYMBOL})
_ANSWERS = frozenset({Origin.RESULT, Origin.FIELD, Origin.CLOBBERED})
_MEANT = frozenset({Origin.LOAD, Origin.CODE, Origin.MACHINE, Origin.RESULT})
_CALLER = "caller.mem["


@dataclass
class Interned:
    """Numbers for the addresses and conditions of both sides: a name may show a term cut short, its number does not."""

    known: dict[Term, int] = field(default_factory=dict)

    def __call__(self, term: Term) -> int:
        """The number of a term."""
        return self.known.setdefault(term, len(self.known))


def outside(stores: list[Store]) -> list[Store]:
    """The stores that go to no known distance from r15 at entry."""
    return [store for store in stores if store.offset is None]


class Names:
    """The common names along one path of one side."""

    def __init__(self, side: Side, path: Path, interned: Interned) -> None:
        self.side, self.path, self.interned = side, path, interned
        self.code: Code = path.code
        self._leaves: dict[Term, Term] = {}
        self._frame_reads: set[Term] = set()
        self._done: dict[Term, Term] = {}
        self._backs = {made.back: number for number, made in enumerate(path.calls, 1)}
        self.unmatched: set[Term] = set()
        """Unknowns that are no garbage, and may yet be what the other side calls by another name."""
        self.literal = False
        """Whether the path reads what a section that is not writable holds."""
        self._name_loads()

    def __call__(self, term: Term) -> Term:
        """The term under common names."""
        if all(self.unknown(one) is one and not _in_image(one) for one in term.leaves()):
            return term
        waiting = [term]
        while waiting:  # no recursion: a loop of a thousand instructions makes a deep term
            node = waiting[-1]
            if node in self._done:
                waiting.pop()
                continue
            named = self._address(node)
            if named is None and node.op == "leaf":
                named = self.unknown(node)
            if named is None:
                missing = [arg for arg in node.args if arg not in self._done]
                if missing:
                    waiting.extend(missing)
                    continue
                args = tuple(self._done[arg] for arg in node.args)
                same = all(new is old for new, old in zip(args, node.args, strict=True))
                named = node if same else rebuild(node, args)
            self._done[node] = named
        return self._done[term]

    def unknown(self, one: Term) -> Term:
        """The common name of an unknown, or its own with the side's mark."""
        known = self._leaves.get(one)
        if known is None:
            known = self._leaves[one] = self._named(one)
        return known

    # Addresses of the image

    def _address(self, node: Term) -> Term | None:
        """A place of the image by what it is on both sides; None for a term that is no such address."""
        base, offset = split(node)
        if base is None or not _in_image(base):
            return None
        if node in self._backs:
            return leaf(f"return address of call {self._backs[node]}", node.width, Origin.CODE)
        place = self.code.place(node)
        shared = None if place is None else self._place(place, node.width)
        return plus(self.unknown(base), offset) if shared is None else shared

    def _place(self, place: Place, width: int) -> Term | None:
        """A place that both sides know: the routine itself, whatever it is called, and what has a global name."""
        entry, side = self._entry, self.side
        known, section = side.global_name(place), side.section(place)
        if place == entry or self._in_record(place):
            return plus(leaf(f"&{ROUTINE}", width, Origin.SYMBOL), place.offset - entry.offset)
        if known is None:
            return None
        name, distance = known
        if section is None or section.writable:
            return plus(leaf(f"&{name}", width, Origin.SYMBOL), distance)
        if section.executable:  # inside a function the two differ
            return None if distance else leaf(f"&{name}", width, Origin.SYMBOL)
        contents = side.contents(place, distance)
        if contents is None:
            return None
        named = leaf(f"&{name} ({contents})", width, Origin.SYMBOL)
        self.unmatched.add(named)  # the other side may have the same name with other contents
        return plus(named, distance)

    def _in_record(self, place: Place) -> bool:
        """Whether a place is data of the routine's own, which the contract knows by its distance."""
        side, entry = self.side, self._entry
        if not side.record or place.space != entry.space:
            return False
        known = side.global_name(place)
        if known is None or known[0] in side.image.aliases(entry):
            return True
        functions = (one.place for one in side.image.symbols if one.kind == "func" and one.place is not None)
        return entry < place and side.blank(place, 1) and not any(entry < other <= place for other in functions)

    @property
    def _entry(self) -> Place:
        assert self.side.symbol.place is not None
        return self.side.symbol.place

    # Unknowns

    def _named(self, one: Term) -> Term:
        assert one.leaf is not None
        name, origin = one.leaf.name, one.leaf.origin
        if origin in _SHARED or name.startswith(_CALLER) or (origin is Origin.CODE and not self.side.alone):
            return one
        call = self._answer(one) if origin in _ANSWERS else None
        if call is not None:
            return leaf(call, one.width, origin)
        own = leaf(f"{name}, {self.side.mark}", one.width, origin, one.leaf.note)
        if origin in _MEANT or one in self._frame_reads:
            self.unmatched.add(own)
        return own

    def _answer(self, one: Term) -> str | None:
        """What a call left in a register, a field or a struct, named by the number of the call."""
        match = _LEFT.match(one.leaf.name if one.leaf else "")
        if match is None:
            return None
        base, rest = match["base"], match["at"]
        made = [n for n, call in enumerate(self.path.calls, 1) if call.state.fresh_count < int(match["number"])]
        if not made:
            return None
        call = self.path.calls[made[-1] - 1]
        spec = call.spec
        if rest is not None:
            where = _into(call, int(rest)) if base == f"after {spec.name}" else None
            return None if where is None else f"{base}, {where}#{made[-1]}"
        register = base.partition(",")[0].endswith(f" after {spec.name}")
        ours = register or base.startswith(f"{spec.name}.") or base in spec.mutable
        return f"{base}#{made[-1]}" if ours else None

    # Reads

    def _name_loads(self) -> None:
        count: Counter[tuple[int, int, int, int]] = Counter()
        for load, calls, stored in timed(self.path):
            value, address = load.value, self._asked(load)
            if isinstance(address, bytes):
                self._leaves[value] = const(int.from_bytes(address, "big"), value.width)
                self.literal = True
                continue
            if self.path.state.mode.r15 in address.leaves() or value.leaf is None:
                self._frame_reads.add(value)  # the own frame, perhaps, which nobody else knows
                continue
            guard = 0 if load.guard is TRUE else 1 + self.interned(self(load.guard))
            place = (calls, stored, self.interned(address), value.width)
            count[place] += 1
            when = (f", after call {calls}" if calls else "") + (f", read {count[place]}" if count[place] > 1 else "")
            numbers = "".join(f"#{number}" for number in (*place[:3], guard, count[place]))
            named = leaf(f"mem{value.width}[{address}]{when}{numbers}", value.width, value.leaf.origin)
            self._leaves[value] = named
            if not self.unmatched.isdisjoint(address.leaves()):
                self.unmatched.add(named)

    def _asked(self, load: Load) -> Term | bytes:
        """The address of a read by its common name; for what the object says itself, its bytes."""
        place, side = self.code.place(load.address), self.side
        size = load.value.width // 8
        if place is None:
            return self(load.address)
        section, mine = side.section(place), self._in_record(place)
        # Between instructions, bytes that the object leaves open are filled in when the code is used.
        open_ = side.blank(place, size) and (mine or (section is not None and section.executable))
        if open_ and (mine or side.global_name(place) is not None):
            return self(load.address)
        fixed = not (mine or open_ or side.image.holes_in(place, size))
        if section is not None and not section.writable and fixed:
            at = place.offset - section.start
            if at + size <= len(section.data):
                return section.data[at : at + size]
        if not side.alone:
            return load.address
        if section is not None and section.writable and side.global_name(place) is not None:
            return self(load.address)
        base, offset = split(load.address)
        assert base is not None
        return plus(self.unknown(base), offset)


def timed(path: Path) -> list[tuple[Load, int, int]]:
    """The reads outside the stack, each with the numbers of calls made and of bytes stored outside before it."""
    found = []
    ends = [len(made.state.loads) for made in path.calls]
    for index, load in enumerate(path.state.loads):
        if load.offset is None:
            stored = sum(store.value.width // 8 for store in outside(path.state.stores[: load.stores]))
            found.append((load, sum(end <= index for end in ends), stored))
    return found


def _in_image(one: Term) -> bool:
    return one.leaf is not None and one.leaf.origin is Origin.CODE


def _into(made: CallMade, at: int) -> str | None:
    """Where the callee wrote into a struct that it got the address of: the register, and the distance in bytes."""
    for register in made.spec.into:
        first = made.state.mode.offset(made.state.gpr[register])
        if first is not None and first - CELL < at:
            return f"through r{register} {at - first:+d}"
    return None
