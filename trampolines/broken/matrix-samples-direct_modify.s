# samples/direct_modify: one fault for each property that it states, named by a local label, since the contract takes the
# tracer's number from the routine's name.
	.include "direct.inc"

	.macro	faulty property:req, number:req, tracer:req, at_entry, before_call, after_call, at_exit
	.text
	.balign	16
\property:
	direct_body my_tramp\number, \tracer, 0, "\at_entry", "\before_call", "\after_call", "\at_exit"
	.endm

	faulty	callee_saved, 1, my_direct_func1, at_exit="lghi %r6, 0"
	faulty	stack_balanced, 2, my_direct_func2, at_exit="aghi %r15, -8"
	faulty	stack_confined, 3, my_direct_func3, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, 4, my_direct_func4, at_entry="stgrl %r0, tracer_count"
	faulty	psw_redirect, 5, my_direct_func5, at_exit="aghi %r1, 2"
	faulty	handler_arguments, 6, my_direct_func7
	faulty	call_abi, 7, my_direct_func7, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	backchain, 8, my_direct_func8, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	faulty	mode_preserved, 9, my_direct_func9, at_entry="sar %a2, %r1"
	faulty	vector_preserved, 10, my_direct_func10, at_entry="ldgr %f8, %r1"
	faulty	no_stale_read, 11, my_direct_func11, at_exit="lg %r5, 0(%r15)"
