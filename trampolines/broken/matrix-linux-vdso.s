# linux/vdso: one fault for each property that it states, named by a local label, since the contract takes the C
# function from the wrapper's name.
	.include "vdso.inc"

	.macro	faulty property:req, function, at_entry, before_call, after_call, at_exit
	.ifb	\function
	vdso_body __kernel_\property, __s390_vdso_\property, 160, "\property: \at_entry", "\before_call", "\after_call", "\at_exit"
	.else
	vdso_body __kernel_\property, \function, 160, "\property: \at_entry", "\before_call", "\after_call", "\at_exit"
	.endif
	.endm

	faulty	callee_saved, at_exit="lghi %r6, 0"
	faulty	stack_balanced, at_exit="aghi %r15, -8"
	faulty	stack_confined, at_entry="stg %r14, 112(%r15)"
	faulty	memory_frame, at_entry="stgrl %r14, vdso_calls"
	faulty	psw_redirect, at_exit="aghi %r14, 2"
	faulty	handler_arguments, function=clock_gettime
	faulty	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	faulty	return_value, at_exit="lgr %r2, %r14"
	faulty	mode_preserved, at_entry="sar %a0, %r1"
	faulty	no_stale_read, at_exit="lg %r2, -8(%r15)"
