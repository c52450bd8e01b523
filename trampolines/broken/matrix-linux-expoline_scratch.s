# One fault a thunk, for each property that linux/expoline_scratch states; see matrix-linux-expoline.s.
	.include "thunk-ex.inc"

	.macro	faulty property:req, number:req, at_entry:req
	thunk_ex 1, \number, "\property:	\at_entry"
	.endm

	faulty	callee_saved, 2, "lghi %r6, 0"
	faulty	stack_balanced, 3, "aghi %r15, -8"
	faulty	stack_confined, 4, "stg %r0, 0(%r15)"
	faulty	memory_frame, 5, "stgrl %r0, branches_taken"
	faulty	psw_redirect, 6, "aghi %r6, 2"
	faulty	mode_preserved, 7, "ltgr %r0, %r0"
	faulty	vector_preserved, 8, "ldgr %f8, %r0"
	faulty	expoline, 9, "br %r9"
	faulty	no_stale_read, 10, "lg %r10, 0(%r15)"
