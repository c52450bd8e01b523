"""backchain: the kernel's unwinder must find its way from the handler to the caller."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.expr import Undefined
from verify.machine.term import offset_from, plus
from verify.properties.base import Obligation, Property, Run, equation, impossible
from verify.walk.path import CallMade, Path


def obligations(run: Run) -> Iterator[Obligation]:
    """Follow the chain from r15 at each call; the return addresses on the way are those that the contract lists."""
    for path, made in run.calls():
        yield from _follow(run, path, made)


def _follow(run: Run, path: Path, made: CallMade) -> Iterator[Obligation]:
    unwind = run.contract.unwind or ()
    moment = run.at_call(path, made)
    chain_at = run.contract.offset("stack_frame.back_chain")[0]
    return_at = run.contract.offset("stack_frame.return_address")[0]
    mode, frame = made.state.mode, made.state.seen(15)
    name = made.spec.name
    for hop in range(max(1, len(unwind))):
        last = hop == max(1, len(unwind)) - 1
        slot = f"the back chain of frame {hop} at the call of {name}"
        try:
            above = moment.memory(plus(frame, chain_at), old=False)
            if last:
                reached = mode.address(above)
                yield equation(f"{slot} leads to the caller's frame", slot, reached, mode.stack, path, made.at)
            if hop < len(unwind):
                step = offset_from(mode.address(above), mode.address(frame))
                if step is None or step <= 0:
                    raise Undefined(f"{slot} is {above}, which is not a frame above it")
                kept = f"the return address in frame {hop + 1} at the call of {name}"
                found = moment.memory(plus(above, return_at), old=False)
                wanted = moment.first(unwind[hop])
                yield equation(f"{kept} is {unwind[hop].text}", kept, found, wanted, path, made.at)
        except Undefined as problem:
            yield impossible(f"{slot} can be followed", slot, path, made.at, str(problem))
            return
        frame = above


PROPERTY = Property(
    name="backchain",
    statement="the back chain from the handler's frame reaches the caller's frame, and the unwinder finds the return "
    "addresses on the way",
    proved="the unwinder finds its way to the caller",
    refuted="{what} does not lead the unwinder on",
    states=lambda contract: contract.unwind is not None,
    obligations=obligations,
)
