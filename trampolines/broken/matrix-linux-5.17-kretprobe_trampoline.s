# linux-5.17/kretprobe_trampoline: one fault for each property that it states, in a routine named after the property.
	.include "probe_return.inc"

	.macro	faulty property:req, handler=trampoline_probe_handler, at_entry, before_call, after_call, at_exit
	probe_return \property, \handler, "\at_entry", "\before_call", "\after_call", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, after_call="la %r7, 8(%r7); stg %r7, REGS+__PT_GPRS+15*8(%r15)"
	faulty	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, at_entry="stgrl %r14, probe_returns"
	faulty	psw_redirect, at_exit="mvhhi 14(%r15), 0"
	faulty	regs_complete, before_call="stg %r15, REGS+__PT_PSW_ADDR(%r15)"
	faulty	regs_honoured, at_exit="lghi %r2, 0"
	faulty	handler_arguments, handler=ftrace_return_to_handler
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	faulty	mode_preserved, at_exit="mvi 2(%r15), 0"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	expoline, at_exit="br %r14"
	faulty	no_stale_read, at_exit="lg %r5, -8(%r15)"
