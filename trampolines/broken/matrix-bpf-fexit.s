# bpf/fexit: one fault for each property that it states, in a routine named after the property.
	.equ	NR_ARGS, 6
	.include "body-bpf.inc"

	fexit	callee_saved, at_exit="lghi %r6, 0"
	fexit	stack_balanced, at_exit="aghi %r15, -8"
	fexit	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	fexit	memory_frame, at_entry="stgrl %r14, bpf_trampoline_count"
	fexit	psw_redirect, at_exit="aghi %r1, 2"
	fexit	regs_honoured, at_exit="mvhi __SF_TAIL_COUNT(%r15), 0"
	fexit	handler_arguments, before_call="la %r2, 8(%r2)"
	fexit	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	fexit	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	fexit	return_value, at_exit="lghi %r2, 0"
	fexit	mode_preserved, at_entry="sar %a2, %r1"
	fexit	vector_preserved, at_entry="ldgr %f8, %r1"
	fexit	no_stale_read, at_exit="lg %r9, 0(%r15)"
