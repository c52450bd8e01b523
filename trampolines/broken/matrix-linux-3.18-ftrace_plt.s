# linux-3.18/ftrace_plt: one fault for each property that it states, in a routine named after the property.
# The faults need room, so the code stands behind the data.
	.include "function.inc"
	.macro	faulty property:req, at_entry, at_exit
	.text
	.balign	8
	function \property
	jg	1f
	.skip	6
	.quad	0
1:	\at_entry
	larl	%r1, \property
	lg	%r1, 12(%r1)
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
