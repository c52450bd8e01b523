# abi/s390x-elf: one fault for each property that it states, in a routine named after the property.
	.include "function.inc"

# A user-space function that calls another one.
	.macro	faulty property:req, at_entry, before_call, after_call, at_exit
	.text
	.balign	16
	function \property
	\at_entry
	stmg	%r6, %r15, 48(%r15)
	aghi	%r15, -160
	\before_call
	brasl	%r14, callee
	\after_call
	lmg	%r6, %r15, 160+48(%r15)
	\at_exit
	br	%r14
	end	\property
	.endm

	faulty	callee_saved, at_exit="ldgr %f8, %r1"
	faulty	stack_balanced, at_exit="aghi %r15, -8"
	faulty	stack_confined, at_entry="stg %r14, 0(%r15)"
	faulty	psw_redirect, at_exit="aghi %r14, 2"
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	mode_preserved, at_entry="sar %a1, %r1"
	faulty	no_stale_read, at_exit="lg %r6, 16(%r15)"
