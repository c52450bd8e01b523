# abi/s390-elf: one fault for each property that it states, in a routine named after the property.
	.include "function.inc"

# A 31-bit user-space function that calls another one.
	.macro	faulty property:req, at_entry, before_call, after_call, at_exit
	.text
	.balign	4
	function \property
	\at_entry
	stm	%r6, %r15, 24(%r15)
	ahi	%r15, -96
	\before_call
	brasl	%r14, callee
	\after_call
	lm	%r6, %r15, 96+24(%r15)
	\at_exit
	br	%r14
	end	\property
	.endm

	faulty	callee_saved, at_exit="ldr %f4, %f0"
	faulty	stack_balanced, at_exit="ahi %r15, -8"
	faulty	stack_confined, at_entry="st %r14, 0(%r15)"
	faulty	psw_redirect, at_exit="ahi %r14, 2"
	faulty	call_abi, before_call="ahi %r15, -4", after_call="ahi %r15, 4"
	faulty	mode_preserved, at_entry="sar %a0, %r1"
	faulty	no_stale_read, at_exit="l %r6, 16(%r15)"
