"""Machine code and data at an address, put together in this process: labels, and relative operands that name them."""

from __future__ import annotations

from verify.semantics.decode import encode
from verify.semantics.isa import by_mnemonic, formats


class OutOfReach(Exception):
    """A relative operand that does not fit; says which."""


class Assembly:
    """Code in the order of the calls, and behind it the data; a target is a label or an address."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.labels: dict[str, int] = {}
        self._code: list[tuple[int, str, str | int | None, dict[str, int]]] = []
        self._data: list[tuple[str, bytes]] = []
        self._at = base

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self.labels[name] = self._at

    def insn(self, mnemonic: str, target: str | int | None = None, **fields: int) -> None:
        """An instruction by its basic mnemonic; fields that are not given are zero."""
        self._code.append((self._at, mnemonic, target, fields))
        self._at += formats()[by_mnemonic()[mnemonic].format].length

    def data(self, content: bytes, label: str | None = None) -> str:
        """Put bytes behind the code, at a multiple of 8; the label that they have there."""
        name = label or f"data.{len(self._data)}"
        self._data.append((name, content))
        return name

    def number(self, number: int) -> str:
        """A doubleword behind the code."""
        return self.data(number.to_bytes(8, "big"))

    def code_labels(self) -> list[tuple[str, int]]:
        """The labels of instructions, with their addresses."""
        data = {name for name, _ in self._data}
        return [(name, at) for name, at in self.labels.items() if name not in data]

    def finish(self) -> bytes:
        """All bytes from the base on. Raises OutOfReach."""
        at = -(-self._at // 8) * 8
        for name, content in self._data:
            self.labels[name] = at
            at += -(-len(content) // 8) * 8
        body = b"".join(self._encoded(*row) for row in self._code)
        body += bytes(-len(body) % 8)
        return body + b"".join(content + bytes(-len(content) % 8) for _, content in self._data)

    def _encoded(self, at: int, mnemonic: str, target: str | int | None, fields: dict[str, int]) -> bytes:
        if target is None:
            return encode(by_mnemonic()[mnemonic], fields)
        return relative(at, mnemonic, self.labels[target] if isinstance(target, str) else target, **fields)


def relative(at: int, mnemonic: str, target: int, **fields: int) -> bytes:
    """An instruction at an address with a relative operand at another. Raises OutOfReach."""
    try:
        return encode(by_mnemonic()[mnemonic], {**fields, "RI2": target - at >> 1})
    except ValueError as problem:
        raise OutOfReach(f"{target:#x} is out of reach from {at:#x}") from problem
