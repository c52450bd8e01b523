# bpf/fentry: one fault for each property that it states, in a routine named after the property.
	.equ	NR_ARGS, 4
	.include "body-bpf.inc"

	fentry	callee_saved, at_exit="lghi %r6, 0"
	fentry	stack_balanced, at_exit="aghi %r15, -8"
	fentry	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	fentry	memory_frame, at_entry="stgrl %r14, bpf_trampoline_count"
	fentry	psw_redirect, at_exit="aghi %r1, 2"
	fentry	regs_honoured, at_exit="mvhi __SF_TAIL_COUNT(%r15), 0"
	fentry	handler_arguments, before_call="la %r2, 8(%r2)"
	fentry	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	fentry	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	fentry	mode_preserved, at_entry="sar %a2, %r1"
	fentry	vector_preserved, at_entry="ldgr %f8, %r1"
	fentry	no_stale_read, at_exit="lg %r9, 0(%r15)"
