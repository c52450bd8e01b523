# linux-5.15/hotpatch_shared_exrl: one fault for each property that it states, in a routine named after the property.
	.include "hotpatch.inc"
	.macro	faulty property:req, at_entry, at_exit
	shared_exrl \property, "\at_entry", "\at_exit"
	.endm

	faulty	callee_saved, at_exit="lghi %r2, 0"
	faulty	stack_balanced, at_exit="la %r15, 8(%r15)"
	faulty	stack_confined, at_entry="stg %r14, 0(%r15)"
	faulty	memory_frame, at_exit="stgrl %r14, interceptions"
	faulty	psw_redirect, at_exit="la %r1, 2(%r1)"
	faulty	mode_preserved, at_entry="cgr %r2, %r3"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	expoline, at_exit="br %r1"
	faulty	no_stale_read, at_exit="lg %r2, -8(%r15)"
