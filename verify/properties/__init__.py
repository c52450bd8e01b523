"""The properties, one idea a file; `PROPERTIES` is their order in reports."""

from verify.properties import (
    backchain,
    call_abi,
    callee_saved,
    equivalent,
    expoline,
    handler_arguments,
    instruction_level,
    layout_robust,
    memory_frame,
    mode_preserved,
    no_stale_read,
    psw_redirect,
    redirect_entry,
    regs_complete,
    regs_honoured,
    return_value,
    stack_balanced,
    stack_confined,
    vector_preserved,
)
from verify.properties.base import Obligation, Property, Run

PROPERTIES: tuple[Property, ...] = tuple(
    module.PROPERTY
    for module in (
        callee_saved,
        stack_balanced,
        stack_confined,
        memory_frame,
        psw_redirect,
        redirect_entry,
        regs_complete,
        regs_honoured,
        handler_arguments,
        call_abi,
        backchain,
        return_value,
        mode_preserved,
        vector_preserved,
        expoline,
        instruction_level,
        layout_robust,
        no_stale_read,
        equivalent,
    )
)

__all__ = ["PROPERTIES", "Obligation", "Property", "Run"]
