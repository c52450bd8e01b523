"""A kernel's `include/generated/asm-offsets.h`: the offsets that its assembly was built with.

    #define __PT_GPRS 24 /* offsetof(struct pt_regs, gprs) */

The comment is the kernel's own (scripts/Makefile.lib and Kbuild write it, in all versions) and says which field the
name stands for; where somebody removed the comments the table below does. A size is said of whole structs only
(`__PT_SIZE`), so the sizes of fields are in the table: a field that it lacks is not taken from the header, and a
contract that needs it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from verify.contracts.layout import Field, Struct
from verify.errors import InputError

_DEFINE = re.compile(r"#\s*define\s+(\w+)(?:\s+(.*?))?\s*(?:/\*(.*?)\*/\s*)?$")
_GUARD = re.compile(r"#\s*(?:ifndef|ifdef|if|endif|undef|pragma)\b")
_INCLUDE = re.compile(r"#\s*include\b")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(r"(-?)(0[xX][0-9a-fA-F]+|\d+)[uUlL]*")
_OFFSETOF = re.compile(r"\boffsetof\s*\(\s*struct\s+(\w+)\s*,\s*([\w.]+(?:\[\d+\])?)\s*\)")
_SIZEOF = re.compile(r"\bsizeof\s*\(\s*struct\s+(\w+)\s*\)")
_RENAMED = {"_lowcore": "lowcore", "__arch_ftrace_regs": "ftrace_regs"}
_ARRAYS = {("pt_regs", "gprs"): 16, ("stack_frame", "gprs"): 10, ("lowcore", "gpregs_save_area"): 16}
_MEASURED = ("pt_regs", "ftrace_regs", "fgraph_ret_regs")  # handed out to callees, so their size must be said
_OPEN = ("stack_frame", "lowcore", "task_struct")  # of which no size is said: they end with the last field

_WORD, _PSW = 0, -1  # stand for the size of a register, and for a PSW: mask and address, a register each
# Size in bytes of the fields: those of asm/ptrace.h, asm/stacktrace.h, asm/processor.h and asm/lowcore.h, 3.0 to 6.17.
_SIZES: dict[str, dict[str, int]] = {
    "pt_regs": {
        "args": _WORD, "psw": _PSW, "psw.mask": _WORD, "psw.addr": _WORD, "gprs": _WORD, "orig_gpr2": _WORD,
        "int_code": 4, "int_parm": 4, "int_parm_long": _WORD, "flags": _WORD, "cr1": _WORD, "last_break": _WORD,
        "ilc": 2, "svcnr": 2,
    },
    "stack_frame": {"gprs": _WORD, "back_chain": _WORD},
    "ftrace_regs": {},
    "fgraph_ret_regs": {"gpr2": _WORD, "fp": _WORD},
    "task_struct": {"stack": _WORD, "thread.ksp": _WORD, "pid": 4, "stack_canary": _WORD},
    "thread_struct": {"ksp": _WORD},
    "lowcore": {
        "current_task": _WORD, "current_pid": 4, "thread_info": _WORD, "kernel_stack": _WORD, "async_stack": _WORD,
        "panic_stack": _WORD, "nodat_stack": _WORD, "restart_stack": _WORD, "mcck_stack": _WORD,
        "kernel_asce": _WORD, "user_asce": _WORD, "lpp": _WORD, "ftrace_func": _WORD, "ftrace_regs_func": _WORD,
        "return_psw": _PSW, "return_mcck_psw": _PSW, "machine_flags": _WORD, "gmap": _WORD, "br_r1_trampoline": 2,
        "percpu_offset": _WORD, "preempt_count": 4, "cpu_flags": _WORD, "svc_old_psw": _PSW, "program_old_psw": _PSW,
        "external_old_psw": _PSW, "io_old_psw": _PSW, "mcck_old_psw": _PSW, "restart_old_psw": _PSW,
        "gpregs_save_area": _WORD, "stack_canary": _WORD,
    },
}  # fmt: skip

# Which field a name stands for where the header has no comments. Lowcore names follow their fields but for some.
_NAMES: dict[str, tuple[str, str]] = {
    "__PT_ARGS": ("pt_regs", "args"),
    "__PT_PSW": ("pt_regs", "psw"),
    "__PT_PSW_MASK": ("pt_regs", "psw.mask"),
    "__PT_PSW_ADDR": ("pt_regs", "psw.addr"),
    "__PT_GPRS": ("pt_regs", "gprs"),
    "__PT_ORIG_GPR2": ("pt_regs", "orig_gpr2"),
    "__PT_ILC": ("pt_regs", "ilc"),
    "__PT_SVCNR": ("pt_regs", "svcnr"),
    "__PT_INT_CODE": ("pt_regs", "int_code"),
    "__PT_INT_PARM": ("pt_regs", "int_parm"),
    "__PT_INT_PARM_LONG": ("pt_regs", "int_parm_long"),
    "__PT_FLAGS": ("pt_regs", "flags"),
    "__PT_CR1": ("pt_regs", "cr1"),
    "__PT_LAST_BREAK": ("pt_regs", "last_break"),
    **{f"__PT_R{number}": ("pt_regs", f"gprs[{number}]") for number in range(16)},
    "__SF_GPRS": ("stack_frame", "gprs"),
    "__SF_BACKCHAIN": ("stack_frame", "back_chain"),
    "__FTRACE_REGS_PT_REGS": ("ftrace_regs", "regs"),
    "__FGRAPH_RET_GPR2": ("fgraph_ret_regs", "gpr2"),
    "__FGRAPH_RET_FP": ("fgraph_ret_regs", "fp"),
    "__THREAD_ksp": ("thread_struct", "ksp"),
    "__TASK_thread": ("task_struct", "thread"),
    "__TASK_pid": ("task_struct", "pid"),
    "__TASK_stack": ("task_struct", "stack"),
    "__TASK_stack_canary": ("task_struct", "stack_canary"),
    **{f"__LC_{field.upper()}": ("lowcore", field) for field in _SIZES["lowcore"]},
    "__LC_CURRENT": ("lowcore", "current_task"),
    "__LC_BR_R1": ("lowcore", "br_r1_trampoline"),
    "__LC_PGM_OLD_PSW": ("lowcore", "program_old_psw"),
    "__LC_EXT_OLD_PSW": ("lowcore", "external_old_psw"),
    "__LC_MCK_OLD_PSW": ("lowcore", "mcck_old_psw"),
    "__LC_RST_OLD_PSW": ("lowcore", "restart_old_psw"),
}
_WHOLE = {
    "__PT_SIZE": "pt_regs",
    "__FTRACE_REGS_SIZE": "ftrace_regs",
    "__FGRAPH_RET_SIZE": "fgraph_ret_regs",
    "STACK_FRAME_OVERHEAD": "stack_frame",
}


STRUCTS = frozenset(_SIZES)
"""The structs that the kernel generates offsets of, as layouts call them."""


def meaning(name: str, comment: str = "") -> tuple[str, str | None] | None:
    """The struct and field that a name stands for, or the struct and None for its size; None for what is neither.

    The kernel's comment behind the number comes first, then the table.
    """
    part, whole = _OFFSETOF.search(comment), _SIZEOF.search(comment)
    if part or name in _NAMES:
        struct, field = part.groups() if part else _NAMES[name]
        return _RENAMED.get(struct, struct), field
    if whole or name in _WHOLE:
        struct = whole.group(1) if whole else _WHOLE[name]
        return _RENAMED.get(struct, struct), None
    return None


@dataclass(frozen=True, slots=True)
class _Define:
    line: int
    value: int
    comment: str


def read(path: Path) -> dict[str, Struct]:
    """The structs that a header describes, by name. Raises InputError, with the line where one is to blame."""
    defines = _defines(path, _text(path))
    sizes: dict[str, int] = {}
    offsets: dict[str, dict[str, int]] = {}
    for name, define in defines.items():
        whole = _SIZEOF.search(define.comment)
        part = _OFFSETOF.search(define.comment)
        if part or name in _NAMES:
            struct, field = part.groups() if part else _NAMES[name]
            fields = offsets.setdefault(_RENAMED.get(struct, struct), {})
            if fields.setdefault(field, define.value) != define.value:
                reason = f"line {define.line}: {name} puts {field} of struct {struct} at a second place"
                raise InputError(path, reason)
        elif whole or name in _WHOLE:
            struct = whole.group(1) if whole else _WHOLE[name]
            sizes[_RENAMED.get(struct, struct)] = define.value
    if "pt_regs" not in sizes or "pt_regs" not in offsets:
        raise InputError(path, "defines no __PT_SIZE and offsets of struct pt_regs: it is no asm-offsets.h of s390")
    for struct in _MEASURED:
        if struct in offsets and struct not in sizes:
            raise InputError(path, f"defines offsets of struct {struct}, but not its size")
    thread, ksp = offsets.get("task_struct", {}).get("thread"), offsets.get("thread_struct", {}).get("ksp")
    if thread is not None and ksp is not None:  # in two steps since 4.3
        offsets["task_struct"].setdefault("thread.ksp", thread + ksp)
    word = _word(path, offsets["pt_regs"])
    found = {
        struct: _struct(path, struct, sizes.get(struct), fields, word)
        for struct, fields in offsets.items()
        if struct in _SIZES and (struct in sizes or struct in _OPEN)
    }
    if "ftrace_regs" in found and "regs" in offsets["ftrace_regs"]:
        found["ftrace_regs"] = _nested(found["ftrace_regs"], found["pt_regs"], offsets["ftrace_regs"]["regs"])
    return found


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("ascii")
    except FileNotFoundError as problem:
        raise InputError(path, "no such file") from problem
    except IsADirectoryError as problem:
        raise InputError(path, "is a directory, not a header") from problem
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise InputError(path, "is not text (a kernel image goes to --dwarf)") from problem
    if not text.strip():
        raise InputError(path, "is empty")
    return text


def _defines(path: Path, text: str) -> dict[str, _Define]:
    """Every `#define NAME NUMBER`. Raises InputError for anything else but comments and the header's guard."""
    found: dict[str, _Define] = {}
    for number, line in _lines(text):
        define = _DEFINE.match(line)
        if _INCLUDE.match(line):
            raise InputError(path, f"line {number}: includes another file; name include/generated/asm-offsets.h itself")
        if define is None:
            if _GUARD.match(line):
                continue
            raise InputError(path, f"line {number}: is C, not a #define of a number (the generated header is wanted)")
        name, value, comment = define.groups()
        if not value:  # the guard of the header
            continue
        digits = _NUMBER.fullmatch(value)
        if digits is None:
            raise InputError(path, f"line {number}: {name} is {value}, which is not a number")
        one = _Define(number, int(digits[1] + digits[2], 16 if "x" in digits[2].lower() else 10), comment or "")
        if name in found and found[name].value != one.value:
            reason = f"line {number}: {name} is {one.value}, but {found[name].value} on line {found[name].line}"
            raise InputError(path, reason)
        found[name] = one
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers; a comment of several lines is none."""
    text = _COMMENT.sub(lambda match: match[0] if "\n" not in match[0] else "\n" * match[0].count("\n"), text)
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare and not bare.startswith("//") and _COMMENT.sub("", bare).strip():
            yield number, bare


def _word(path: Path, fields: Mapping[str, int]) -> int:
    """The size of a register in bytes: the distance of two of them in pt_regs."""
    if {"gprs[0]", "gprs[1]"} <= fields.keys():
        word = fields["gprs[1]"] - fields["gprs[0]"]
    elif {"gprs", "orig_gpr2"} <= fields.keys():
        word = (fields["orig_gpr2"] - fields["gprs"]) // 16
    else:
        raise InputError(path, "defines neither __PT_GPRS and __PT_ORIG_GPR2 nor __PT_R0 and __PT_R1")
    if word not in (4, 8):
        raise InputError(path, f"puts the registers of struct pt_regs {word} bytes apart, not 4 or 8")
    return word


def _struct(path: Path, name: str, size: int | None, offsets: Mapping[str, int], word: int) -> Struct:
    fields: dict[str, Field] = {}
    for field, where in _fields(path, name, offsets, word):
        if fields.setdefault(field, where) != where:
            raise InputError(path, f"puts {field} of struct {name} at {fields[field].at} and at {where.at}")
    end = max((where.at + where.size * where.count for where in fields.values()), default=0)
    whole = end if size is None else size
    if end > whole or any(where.at < 0 for where in fields.values()):
        raise InputError(path, f"puts fields of struct {name} outside its {whole} bytes")
    return Struct(name, whole, fields, {})


def _fields(path: Path, struct: str, offsets: Mapping[str, int], word: int) -> Iterator[tuple[str, Field]]:
    """The fields whose size is known. Elements of an array must lie side by side."""
    for name, at in offsets.items():
        array, _, index = name.partition("[")
        size = _SIZES[struct].get(array)
        if size is None:
            continue
        first = at - int(index[:-1]) * word if index else at
        if index and offsets.get(f"{array}[0]") != first:
            raise InputError(path, f"puts {name} of struct {struct} at {at}, which is not its place behind {array}[0]")
        if size == _PSW:
            yield f"{array}.mask", Field(first, word)
            yield f"{array}.addr", Field(first + word, word)
        else:
            yield array, Field(first, size or word, _ARRAYS.get((struct, array), 1))


def _nested(whole: Struct, regs: Struct, at: int) -> Struct:
    """struct ftrace_regs holds struct pt_regs, from 6.5 on."""
    fields = {f"regs.{name}": Field(field.at + at, field.size, field.count) for name, field in regs.fields.items()}
    return Struct(whole.name, whole.size, fields, {})
