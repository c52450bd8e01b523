# The proposal of July 2014 (patch "s390: add support for DYNAMIC_FTRACE_WITH_REGS"), by its protocol.
#
# Wrong: psw.mask is never written (regs-complete); a handler's change of gprs[14] is lost, since 8(entry r15) is not
# refreshed from it (regs-honoured); r14 at a redirected exit is the new target itself (redirect-entry); with the graph
# call patched in, its second argument comes from entry r15 + 112, which nothing stored (no-stale-read); and every
# offset is a number.
	.ifdef	REPAIRED
	.include "../mcount-ftrace_regs_caller.s"
	.else
	.include "function.inc"
	.equ	SF_BACKCHAIN, 152
	.equ	INSN_SIZE, 12

	.text
	.balign	16
	function ftrace_regs_caller
	larl	%r1, function_trace_stop
	icm	%r1, 15, 0(%r1)
	bnzr	%r14
	lgr	%r1, %r15
	aghi	%r15, -336			# 160 for the callee, 176 for struct pt_regs
	stg	%r1, SF_BACKCHAIN(%r15)
	stg	%r1, 304(%r15)			# gprs[15]
	stmg	%r0, %r13, 184(%r15)		# gprs[0..13]; r1 is entry r15 by now
	stg	%r14, 176(%r15)			# psw.addr
	lgr	%r2, %r14
	aghi	%r2, -INSN_SIZE
	lg	%r3, 344(%r15)			# the parent
	stg	%r3, 296(%r15)			# gprs[14]
	larl	%r4, function_trace_op
	lg	%r4, 0(%r4)
	lgr	%r5, %r15
	aghi	%r5, 160
	larl	%r14, ftrace_trace_function
	lg	%r14, 0(%r14)
	basr	%r14, %r14
	lg	%r2, 344(%r15)			# not gprs[14]
	lg	%r3, 448(%r15)			# never stored
	.globl	ftrace_regs_graph_caller
ftrace_regs_graph_caller:
	bras	%r14, 1f
1:	stg	%r2, 344(%r15)
	lmg	%r0, %r13, 184(%r15)
	lg	%r14, 176(%r15)
	aghi	%r15, 336
	br	%r14
	end	ftrace_regs_caller
	.endif
