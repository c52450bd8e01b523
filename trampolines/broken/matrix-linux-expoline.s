# One fault a thunk, for each property that linux/expoline states. The contract takes the register from the thunk's
# name, so each fault has a register of its own; a local label in front says which property the thunk must fail.
	.include "thunk.inc"

	.macro	faulty property:req, number:req, at_entry:req
	thunk	\number, "\property:	\at_entry"
	.endm

	faulty	callee_saved, 1, "lghi %r6, 0"
	faulty	stack_balanced, 2, "aghi %r15, -8"
	faulty	stack_confined, 3, "stg %r0, 0(%r15)"
	faulty	memory_frame, 4, "stgrl %r0, branches_taken"
	faulty	psw_redirect, 5, "aghi %r5, 2"
	faulty	mode_preserved, 6, "ltgr %r0, %r0"
	faulty	vector_preserved, 7, "ldgr %f8, %r0"
	faulty	expoline, 8, "br %r8"
	faulty	no_stale_read, 9, "lg %r9, 0(%r15)"
