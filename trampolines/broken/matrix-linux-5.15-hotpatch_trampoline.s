# linux-5.15/hotpatch_trampoline: one fault for each property that it states, in the shared part of a record that is
# named after the property and comes with a shared part of its own.
	.include "function.inc"
	.macro	faulty property:req, at_entry, at_exit
	.text
	.balign	16
	function \property
	brasl	%r1, 1f
	.skip	2
	.quad	0, 0
1:	\at_entry
	lmg	%r0, %r1, 2(%r1)
	\at_exit
	br	%r1
	end	\property
	.endm

	faulty	callee_saved, at_exit="lghi %r2, 0"
	faulty	stack_balanced, at_exit="la %r15, 8(%r15)"
	faulty	stack_confined, at_entry="stg %r14, 0(%r15)"
	faulty	memory_frame, at_exit="stgrl %r14, interceptions"
	faulty	psw_redirect, at_exit="la %r1, 2(%r1)"
	faulty	mode_preserved, at_entry="cgr %r2, %r3"
	faulty	vector_preserved, at_entry="ldgr %f8, %r1"
	faulty	no_stale_read, at_exit="lg %r2, -8(%r15)"
