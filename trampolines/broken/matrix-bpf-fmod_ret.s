# bpf/fmod_ret: one fault for each property that it states, in a routine named after the property.
	.equ	NR_ARGS, 2
	.include "body-bpf.inc"

	fmod_ret	callee_saved, at_exit="lghi %r6, 0"
	fmod_ret	stack_balanced, at_exit="aghi %r15, -8"
	fmod_ret	stack_confined, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	fmod_ret	memory_frame, at_entry="stgrl %r14, bpf_trampoline_count"
	fmod_ret	psw_redirect, at_exit="aghi %r1, 2"
	fmod_ret	regs_honoured, at_exit="mvhi __SF_TAIL_COUNT(%r15), 0"
	fmod_ret	handler_arguments, before_call="la %r2, 8(%r2)"
	fmod_ret	call_abi, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	fmod_ret	backchain, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	fmod_ret	return_value, at_exit="lghi %r2, 0"
	fmod_ret	mode_preserved, at_entry="sar %a2, %r1"
	fmod_ret	vector_preserved, at_entry="ldgr %f8, %r1"
	fmod_ret	no_stale_read, at_exit="lg %r9, 0(%r15)"
