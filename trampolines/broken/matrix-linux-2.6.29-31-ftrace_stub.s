# linux-2.6.29-31/ftrace_stub: one fault for each property that it states, in a routine named after the property.
	.include "function.inc"
	.include "spoil31.inc"

	.macro	faulty property:req, at_entry
	.text
	.balign	4
	function \property
	\at_entry
	br	%r14
	end	\property
	.endm

	faulty	callee_saved, "lhi %r6, 0"
	faulty	stack_balanced, "ahi %r15, -8"
	faulty	stack_confined, "st %r1, 0(%r15)"
	faulty	memory_frame, "spoil_variable"
	faulty	psw_redirect, "ahi %r14, 2"
	faulty	mode_preserved, "sar %a2, %r1"
	faulty	vector_preserved, "ldr %f8, %f0"
	faulty	no_stale_read, "l %r14, 0(%r15)"
