# bpf/struct_ops: one fault for each property that it states, in a routine named after the property.
	.equ	NR_ARGS, 3
	.include "body-bpf.inc"

	struct_ops	callee_saved, result=1, at_exit="lghi %r6, 0"
	struct_ops	stack_balanced, result=1, at_exit="aghi %r15, -8"
	struct_ops	stack_confined, result=1, at_entry="stg %r14, __SF_BACKCHAIN(%r15)"
	struct_ops	memory_frame, result=1, at_entry="stgrl %r14, bpf_trampoline_count"
	struct_ops	psw_redirect, result=1, at_exit="aghi %r1, 2"
	struct_ops	regs_honoured, result=1, at_exit="mvhi __SF_TAIL_COUNT(%r15), 0"
	struct_ops	handler_arguments, result=1, before_call="la %r2, 8(%r2)"
	struct_ops	call_abi, result=1, before_call="aghi %r15, -4", after_call="aghi %r15, 4"
	struct_ops	backchain, result=1, before_call="xc __SF_BACKCHAIN(8,%r15), __SF_BACKCHAIN(%r15)"
	struct_ops	return_value, result=1, at_exit="lghi %r2, 0"
	struct_ops	mode_preserved, result=1, at_entry="sar %a2, %r1"
	struct_ops	vector_preserved, result=1, at_entry="ldgr %f8, %r1"
	struct_ops	no_stale_read, result=1, at_exit="lg %r9, 0(%r15)"
