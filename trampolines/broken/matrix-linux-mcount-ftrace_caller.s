# linux-mcount/ftrace_caller: one fault for each property that it states, in a routine named after the property.
	.include "body-mcount.inc"

	.macro	faulty property:req, at_entry, before_call, after_call, at_exit
	mcount_body 1, 1, \property, _\property, "\at_entry", "\before_call", "\after_call", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, at_exit="aghi %r15, -8"
	faulty	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, at_entry="stgrl %r14, function_trace_op"
	faulty	psw_redirect, at_exit="aghi %r14, 2"
	faulty	regs_honoured, at_exit="stg %r14, __SF_PARENT(%r15)"
	faulty	handler_arguments, before_call="aghi %r2, MCOUNT_INSN_SIZE"
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	faulty	mode_preserved, at_entry="sar %a2, %r1"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	no_stale_read, at_exit="lg %r2, 0(%r15)"
