# linux-6.12/ftrace_regs_caller: one fault for each property that it states, in a routine named after the property.
	.include "body-6.12.inc"
	.include "select-z196.inc"

	.macro	faulty property:req, at_entry, before_call, after_call, at_exit
	enter	\property, 1, _PIF_FTRACE_FULL_REGS, "\at_entry"
	call_handler_and_leave \property, _\property, "\before_call", "\after_call", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, at_exit="aghi %r15, -8"
	faulty	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, at_entry="stgrl %r14, function_trace_op"
	faulty	psw_redirect, at_exit="aghi %r1, 2"
	faulty	redirect_entry, at_exit="lgr %r14, %r0"
	faulty	regs_complete, before_call="stg %r14, REGS+__PT_PSW_ADDR(%r15)"
	faulty	regs_honoured, at_exit="lghi %r0, 0"
	faulty	handler_arguments, before_call="lgr %r2, %r0"
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	faulty	mode_preserved, at_entry="sar %a2, %r1"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	expoline, at_exit="br %r1"
	faulty	no_stale_read, at_exit="lg %r2, 0(%r15)"
