# linux-6.5/return_to_handler: one fault for each property that it states, in a routine named after the property.
	.include "return_to_handler.inc"

	.equ	SIZE, __FGRAPH_RET_SIZE
	.equ	R2_AT, __FGRAPH_RET_GPR2
	.equ	R15_AT, __FGRAPH_RET_FP

	.macro	faulty property:req, handler=ftrace_return_to_handler, at_entry, before_call, after_call, at_exit
	return_body \property, \handler, SIZE, R2_AT, R15_AT, 0, %r1, "\at_entry", "\before_call", "\after_call", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, at_exit="aghi %r15, -8"
	faulty	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, at_entry="stgrl %r14, ftrace_return_count"
	faulty	psw_redirect, at_exit="aghi %r14, 2"
	faulty	regs_complete, before_call="stg %r15, STRUCT+R15_AT(%r15)"
	faulty	handler_arguments, handler=trampoline_probe_handler
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	faulty	return_value, at_exit="lgr %r2, %r14"
	faulty	mode_preserved, at_entry="sar %a2, %r1"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	expoline, at_exit="br %r14"
	faulty	no_stale_read, at_exit="lg %r5, 0(%r15)"
