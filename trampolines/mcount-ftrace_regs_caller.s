# What the review of July 2014 asked for: ftrace_caller and ftrace_regs_caller of the r14 protocol with one body.
#
# Offsets come from the layout, gprs[14] and psw.addr are kept apart, and both are honoured: the code leaves through r1
# with r14 = gprs[14], and refreshes 8(entry r15), from which the traced function reloads r14.
	.include "linux-3.12.inc"
	.include "function.inc"

	.equ	REGS, STACK_FRAME_OVERHEAD
	.equ	FRAME, STACK_FRAME_OVERHEAD+__PT_SIZE

	.macro	return_if_stopped
	larl	%r1, function_trace_stop
	icm	%r1, 0xf, 0(%r1)
	bnzr	%r14
	.endm

	.text
	.balign	16
	function ftrace_caller
	return_if_stopped
	lghi	%r0, 0				# nobody asked for the PSW mask
	j	ftrace_common
	end	ftrace_caller

	function ftrace_regs_caller
	epsw	%r0, %r1			# before anything changes the condition code
	sllg	%r0, %r0, 32
	lr	%r0, %r1
	return_if_stopped
# r0 = PSW mask
ftrace_common:
	lgr	%r1, %r15
	aghi	%r15, -FRAME
	stg	%r1, __SF_BACKCHAIN(%r15)
	stg	%r0, REGS+__PT_PSW_MASK(%r15)
	stg	%r14, REGS+__PT_PSW_ADDR(%r15)
	stmg	%r2, %r13, REGS+__PT_GPRS+2*8(%r15)
	stg	%r1, REGS+__PT_GPRS+15*8(%r15)
	lg	%r3, __SF_PARENT(%r1)		# the traced function's own return address
	stg	%r3, REGS+__PT_GPRS+14*8(%r15)
	lgr	%r2, %r14
	aghi	%r2, -MCOUNT_INSN_SIZE
	larl	%r4, function_trace_op
	lg	%r4, 0(%r4)
	la	%r5, REGS(%r15)
	larl	%r14, ftrace_trace_function
	lg	%r14, 0(%r14)
	basr	%r14, %r14
	lg	%r2, REGS+__PT_GPRS+14*8(%r15)
	lg	%r3, REGS+__PT_PSW_ADDR(%r15)
# Patched to `bras %r14, prepare_ftrace_return` when the graph tracer is on.
	.globl	ftrace_graph_caller, ftrace_regs_graph_caller
ftrace_graph_caller:
ftrace_regs_graph_caller:
	bras	%r14, 1f
1:	stg	%r2, REGS+__PT_GPRS+14*8(%r15)
	lg	%r1, REGS+__PT_GPRS+15*8(%r15)
	stg	%r2, __SF_PARENT(%r1)
	lg	%r1, REGS+__PT_PSW_ADDR(%r15)
	lmg	%r2, %r15, REGS+__PT_GPRS+2*8(%r15)
	br	%r1
	end	ftrace_regs_caller
