"""VEX statements to terms, on a State.

Only these statements are interpreted: IMark, AbiHint, NoOp (nothing), WrTmp, Put, Store, and an Exit to the next
instruction, which makes the rest conditional (LOCGR and its like). Everything else, Dirty helpers, EmFail,
compare-and-swap, self-loops, ends the path as `unsupported` (charter, section 6).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from verify.errors import Unsupported
from verify.machine.state import State
from verify.machine.term import (
    FALSE,
    TRUE,
    Origin,
    Term,
    and_,
    bool_to_bv,
    concat,
    const,
    extract,
    ite,
    not_,
    zero_extend,
)
from verify.semantics import cc
from verify.semantics.vex.lift import ADDRESS, lift
from verify.semantics.vex.ops import OPERATIONS

# Offsets in VEX's guest state for s390x (facts measured with pyvex 9.2.213), in bytes.
_ACCESS, _VECTOR, _GPR, _FPC, _IA, _CC = 0, 64, 576, 712, 720, 736
_GPR_END = _GPR + 16 * 8
_VECTOR_OPCODES = (0xE6, 0xE7)
_IGNORED = frozenset({"Ist_IMark", "Ist_AbiHint", "Ist_NoOp"})
_BITS = {"Ity_I8": 8, "Ity_I16": 16, "Ity_I32": 32, "Ity_I64": 64, "Ity_I128": 128, "Ity_F32": 32,
         "Ity_F64": 64, "Ity_F128": 128, "Ity_V128": 128, "Ity_D64": 64, "Ity_D32": 32}  # fmt: skip


def execute(state: State, raw: bytes) -> None:
    """Apply one allow-listed instruction to a state. Raises Unsupported; then the state must not be used."""
    block = lift(raw)
    encoder = _Encoder(state, block.tyenv, ADDRESS + len(raw))
    *body, last = block.statements
    for statement in body:
        encoder.statement(statement)
    encoder.end(last, block.next)
    if raw[0] not in _VECTOR_OPCODES:
        encoder.forget_right_halves()


class _Encoder:
    def __init__(self, state: State, types: Any, next_address: int) -> None:
        self.state = state
        self.types = types
        self.next_address = next_address
        self.temps: dict[int, Term] = {}
        self.active = TRUE
        self.went_on = False
        self.floating: set[int] = set()

    def statement(self, statement: Any) -> None:
        tag = statement.tag
        if tag in _IGNORED:
            return
        if tag == "Ist_WrTmp":
            self.temps[statement.tmp] = self.value(statement.data)
        elif tag == "Ist_Put":
            self.put(statement.offset, self.value(statement.data))
        elif tag == "Ist_Store":
            self.store(self.value(statement.addr), self.value(statement.data))
        elif tag == "Ist_Exit" and statement.jk == "Ijk_Boring" and statement.dst.value == self.next_address:
            self.active = and_(self.active, not_(self.value(statement.guard)))
        else:
            raise Unsupported(f"VEX statement {tag} has no semantics here")

    def end(self, last: Any, following: Any) -> None:
        """The lifter ends with "go to the instruction address", which must be that of the next instruction."""
        usual = last.tag == "Ist_WrTmp" and last.data.tag == "Iex_Get" and last.data.offset == _IA
        if not (usual and following.tag == "Iex_RdTmp" and following.tmp == last.tmp and self.went_on):
            raise Unsupported("VEX does not go on at the next instruction")

    def value(self, expression: Any) -> Term:
        return _EXPRESSIONS.get(expression.tag, _no_expression)(self, expression)

    # Registers

    def get(self, offset: int, bits: int) -> Term:
        if offset == _IA:  # the lifter was given a made-up address: nothing may follow from it
            raise Unsupported("a VEX expression that reads the instruction address has no semantics here")
        cells, index, cell_bits = self.cells(offset)
        if bits <= cell_bits:
            right = cell_bits - 8 * (offset % (cell_bits // 8)) - bits
            return extract(cells[index], right + bits - 1, right)
        return concat(*cells[index : index + bits // cell_bits])

    def put(self, offset: int, value: Term) -> None:
        if offset == _IA:
            if not (value.is_const and value.value == self.next_address):
                raise Unsupported("a VEX statement that sets the instruction address has no semantics here")
            self.went_on = True
            return
        if value.width == 0:
            value = bool_to_bv(value, 8)
        old = self.get(offset, value.width)
        value = ite(self.active, value, old)
        cells, index, cell_bits = self.cells(offset)
        if value.width > cell_bits:
            count = value.width // cell_bits
            for n in range(count):
                right = value.width - (n + 1) * cell_bits
                cells[index + n] = extract(value, right + cell_bits - 1, right)
        else:
            cell, lead = cells[index], 8 * (offset % (cell_bits // 8))
            right = cell_bits - lead - value.width
            left = [extract(cell, cell_bits - 1, cell_bits - lead)] if lead else []
            rest = [extract(cell, right - 1, 0)] if right else []
            cells[index] = concat(*left, value, *rest)
        if cells is not self.state.gpr and offset >= _FPC:
            self.write_back(offset, cells)
        if cells is self.state.vector:
            self.floating.add(index)

    def forget_right_halves(self) -> None:
        """ "Bits 64-127 of the vector register are unpredictable" once its floating-point register was loaded.

        (POP, chapter 21, "Vector Registers".) The lifter, like the emulators, leaves them alone.
        """
        for index in sorted(self.floating):
            self.state.vector[index | 1] = self.state.fresh(
                f"unpredictable.v{index // 2}.right", 64, Origin.MACHINE, "right half of a floating-point register"
            )

    def cells(self, offset: int) -> tuple[list[Term], int, int]:
        """The list of register cells, the index in it and the cell's width in bits for a guest-state offset."""
        if _GPR <= offset < _GPR_END:
            return self.state.gpr, (offset - _GPR) // 8, 64
        if _VECTOR <= offset < _GPR:
            return self.state.vector, (offset - _VECTOR) // 8, 64
        if offset < _VECTOR:
            return self.state.access, offset // 4, 32
        if _CC <= offset < _CC + 32:
            return list(self.state.cc), (offset - _CC) // 8, 64
        if offset == _FPC:
            return [self.state.fpc], 0, 32
        raise Unsupported(f"VEX guest-state offset {offset} has no semantics here")

    def write_back(self, offset: int, cells: list[Term]) -> None:
        if offset == _FPC:
            self.state.fpc = cells[0]
        else:
            self.state.cc = (cells[0], cells[1], cells[2], cells[3])

    # Storage

    def load(self, address: Term, bits: int) -> Term:
        return self.state.load(address, bits // 8)

    def store(self, address: Term, value: Term) -> None:
        self.state.store(address, value, self.active)

    # Expressions

    def const(self, expression: Any) -> Term:
        con = expression.con
        if con.type == "Ity_I1":
            return TRUE if con.value else FALSE
        if con.type in ("Ity_F64", "Ity_F32"):
            # VEX prints numbers, not bits: only plus zero is taken, the one pattern that cannot be mistaken.
            if struct.pack(">d", con.value) != bytes(8):
                raise Unsupported(f"the VEX constant {con.value} of type {con.type} has no semantics here")
            return const(0, _bits(con.type))
        return const(con.value, _bits(con.type))

    def operation(self, expression: Any) -> Term:
        build = OPERATIONS.get(expression.op)
        if build is None:
            raise Unsupported(f"VEX operation {expression.op} has no semantics here")
        return build(*[self.value(arg) for arg in expression.args])

    def if_then_else(self, expression: Any) -> Term:
        return ite(self.value(expression.cond), self.value(expression.iftrue), self.value(expression.iffalse))

    def helper(self, expression: Any) -> Term:
        """The two pure helpers of the s390 front end: they read the condition code's thunk."""
        name = expression.callee.name
        args = [self.value(arg) for arg in expression.args]
        if name == "s390_calculate_cc":
            thunk = (args[0], args[1], args[2], args[3])
            return zero_extend(cc.number(cc.conditions(thunk)), 32)
        if name == "s390_calculate_cond" and args[0].is_const:
            thunk = (args[1], args[2], args[3], args[4])
            return bool_to_bv(cc.selected(thunk, args[0].value), 32)
        raise Unsupported(f"VEX helper {name} has no semantics here")


def _bits(name: str) -> int:
    if name not in _BITS:
        raise Unsupported(f"VEX type {name} has no semantics here")
    return _BITS[name]


def _no_expression(_encoder: _Encoder, expression: Any) -> Term:
    raise Unsupported(f"VEX expression {expression.tag} has no semantics here")


_EXPRESSIONS: dict[str, Callable[[_Encoder, Any], Term]] = {
    "Iex_RdTmp": lambda self, e: self.temps[e.tmp],
    "Iex_Const": _Encoder.const,
    "Iex_Get": lambda self, e: self.get(e.offset, _bits(e.ty)),
    "Iex_Load": lambda self, e: self.load(self.value(e.addr), _bits(e.ty)),
    "Iex_Unop": _Encoder.operation,
    "Iex_Binop": _Encoder.operation,
    "Iex_ITE": _Encoder.if_then_else,
    "Iex_CCall": _Encoder.helper,
}
