# The proposal of July 2014 with its other faults repaired: it does what the review asked for, but every offset of
# struct pt_regs, and the size of the frame that holds it, is a number. They are right for the 176 bytes of Linux 3.12.
# The struct has grown to 184 bytes since, and then it reaches 8 bytes into the parent's frame (stack-confined).
#
# The repaired twin takes each of them from generated offsets, and is right for whatever kernel it is built for.
	.include "function.inc"
	.equ	INSN_SIZE, 12

	.text
	.balign	16
	.ifndef	REPAIRED
	.equ	SF_BACKCHAIN, 152
	function ftrace_regs_caller
	epsw	%r0, %r1
	sllg	%r0, %r0, 32
	lr	%r0, %r1
	larl	%r1, function_trace_stop
	icm	%r1, 15, 0(%r1)
	bnzr	%r14
	lgr	%r1, %r15
	aghi	%r15, -336			# 160 for the callee, 176 for struct pt_regs
	stg	%r1, SF_BACKCHAIN(%r15)
	stg	%r0, 168(%r15)			# psw.mask
	stg	%r14, 176(%r15)			# psw.addr
	stmg	%r2, %r13, 200(%r15)		# gprs[2..13]
	lg	%r3, 344(%r15)			# the parent
	stg	%r3, 296(%r15)			# gprs[14]
	stg	%r1, 304(%r15)			# gprs[15]
	lgr	%r2, %r14
	aghi	%r2, -INSN_SIZE
	larl	%r4, function_trace_op
	lg	%r4, 0(%r4)
	la	%r5, 160(%r15)
	larl	%r14, ftrace_trace_function
	lg	%r14, 0(%r14)
	basr	%r14, %r14
	lg	%r2, 296(%r15)
	lg	%r3, 176(%r15)
	.globl	ftrace_regs_graph_caller
ftrace_regs_graph_caller:
	bras	%r14, 1f
1:	stg	%r2, 296(%r15)
	stg	%r2, 344(%r15)
	lg	%r1, 176(%r15)
	lmg	%r2, %r15, 200(%r15)
	br	%r1
	end	ftrace_regs_caller
	.else
	.include "linux-3.18.inc"
	.equ	REGS, STACK_FRAME_OVERHEAD
	.equ	FRAME, STACK_FRAME_OVERHEAD+__PT_SIZE

	function ftrace_regs_caller
	epsw	%r0, %r1
	sllg	%r0, %r0, 32
	lr	%r0, %r1
	larl	%r1, function_trace_stop
	icm	%r1, 15, 0(%r1)
	bnzr	%r14
	lgr	%r1, %r15
	aghi	%r15, -FRAME
	stg	%r1, __SF_BACKCHAIN(%r15)
	stg	%r0, REGS+__PT_PSW_MASK(%r15)
	stg	%r14, REGS+__PT_PSW_ADDR(%r15)
	stmg	%r2, %r13, REGS+__PT_GPRS+2*8(%r15)
	lg	%r3, FRAME+__SF_PARENT(%r15)
	stg	%r3, REGS+__PT_GPRS+14*8(%r15)
	stg	%r1, REGS+__PT_GPRS+15*8(%r15)
	lgr	%r2, %r14
	aghi	%r2, -INSN_SIZE
	larl	%r4, function_trace_op
	lg	%r4, 0(%r4)
	la	%r5, REGS(%r15)
	larl	%r14, ftrace_trace_function
	lg	%r14, 0(%r14)
	basr	%r14, %r14
	lg	%r2, REGS+__PT_GPRS+14*8(%r15)
	lg	%r3, REGS+__PT_PSW_ADDR(%r15)
	.globl	ftrace_regs_graph_caller
ftrace_regs_graph_caller:
	bras	%r14, 1f
1:	stg	%r2, REGS+__PT_GPRS+14*8(%r15)
	stg	%r2, FRAME+__SF_PARENT(%r15)
	lg	%r1, REGS+__PT_PSW_ADDR(%r15)
	lmg	%r2, %r15, REGS+__PT_GPRS+2*8(%r15)
	br	%r1
	end	ftrace_regs_caller
	.endif
