# samples/direct_too: one fault for each property that it states, in a routine named after the property.
	.include "direct.inc"

	.macro	faulty property:req, tracer=my_direct_func, at_entry, before_call, after_call, at_exit
	direct_body \property, \tracer, 0, "\at_entry", "\before_call", "\after_call", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, at_exit="aghi %r15, -8"
	faulty	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, at_entry="stgrl %r0, tracer_count"
	faulty	psw_redirect, at_exit="aghi %r1, 2"
	faulty	handler_arguments, before_call="aghi %r2, 1"
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	faulty	mode_preserved, at_entry="sar %a2, %r1"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	no_stale_read, at_exit="lg %r5, 0(%r15)"
