# linux-6.12/__switch_to: one fault for each property that it states, in a routine named after the property.
	.include "switch.inc"

	.macro	faulty property:req, at_entry, before_load, at_exit
	switch_body \property, __TASK_pid, "\at_entry", "\before_load", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, at_exit="la %r15, 8(%r15)"
	faulty	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, before_load="stg %r2, __LC_CURRENT"
	faulty	psw_redirect, at_exit="la %r14, 2(%r14)"
	faulty	return_value, at_exit="lgr %r2, %r3"
	faulty	mode_preserved, at_entry="sar %a2, %r1"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	expoline, at_exit="br %r14"
	faulty	no_stale_read, at_entry="lg %r0, -8(%r15)", at_exit="lgr %r2, %r0"
