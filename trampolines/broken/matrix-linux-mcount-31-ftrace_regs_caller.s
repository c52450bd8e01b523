# linux-mcount-31/ftrace_regs_caller: one fault for each property that it states, in a routine named after the property.
	.include "body-mcount31-regs.inc"
	.include "spoil31.inc"

	.macro	faulty property:req, at_entry, before_call, after_call, at_exit
	mcount31_regs_body \property, __PT_PSW_MASK, __PT_GPRS, _\property, "\at_entry", "\before_call", "\after_call", "\at_exit"
	.endm

	.text
	faulty	callee_saved, at_exit="lhi %r6, 0"
	faulty	stack_balanced, at_exit="ahi %r15, -8"
	faulty	stack_confined, at_entry="st %r14, __SF_BACKCHAIN(%r15)"
	faulty	memory_frame, at_entry="spoil_variable"
	faulty	psw_redirect, at_exit="ahi %r1, 2"
	faulty	redirect_entry, at_exit="lr %r14, %r1"
	faulty	regs_complete, before_call="st %r3, REGS+__PT_PSW_ADDR(%r15)"
	faulty	regs_honoured, at_exit="st %r1, __SF_PARENT(%r15)"
	faulty	handler_arguments, before_call="ahi %r2, MCOUNT_INSN_SIZE"
	faulty	call_abi, before_call="ahi %r15, -4", after_call="ahi %r15, 4"
	faulty	backchain, before_call="xc __SF_BACKCHAIN(4,%r15), __SF_BACKCHAIN(%r15)"
	faulty	mode_preserved, at_entry="sar %a2, %r1"
	faulty	vector_preserved, at_entry="ldr %f8, %f0"
	faulty	no_stale_read, at_exit="l %r2, 0(%r15)"
