# ftrace_caller of the r14 protocol, Linux 3.12 to 3.17.
#
# The compiler's block at the entry of a traced function stores r14 into 8(r15) and calls: r14 points back into the
# traced function, 8(r15) holds its return address into the parent. Only r0 and r1 are free.
	.include "linux-3.12.inc"
	.include "function.inc"

	.text
	.balign	16
	function ftrace_caller
	larl	%r1, function_trace_stop
	icm	%r1, 0xf, 0(%r1)
	bnzr	%r14				# tracing is stopped: return with nothing touched
	stmg	%r2, %r5, __SF_ARGS(%r15)
	stg	%r14, __SF_LINK(%r15)
	lgr	%r1, %r15
	aghi	%r15, -STACK_FRAME_OVERHEAD
	stg	%r1, __SF_BACKCHAIN(%r15)
	lgr	%r2, %r14			# ip: the call in the traced function
	aghi	%r2, -MCOUNT_INSN_SIZE
	lg	%r3, __SF_PARENT(%r1)
	larl	%r14, ftrace_trace_function
	lg	%r14, 0(%r14)
	basr	%r14, %r14
	lg	%r2, STACK_FRAME_OVERHEAD+__SF_PARENT(%r15)
	lg	%r3, STACK_FRAME_OVERHEAD+__SF_LINK(%r15)
# The graph tracer patches the next instruction to `bras %r14, prepare_ftrace_return`; as it stands it falls through
# with r2 = parent, and the store changes nothing.
	.globl	ftrace_graph_caller
ftrace_graph_caller:
	bras	%r14, 1f
1:	stg	%r2, STACK_FRAME_OVERHEAD+__SF_PARENT(%r15)
	aghi	%r15, STACK_FRAME_OVERHEAD
	lmg	%r2, %r5, __SF_ARGS(%r15)
	lg	%r14, __SF_LINK(%r15)
	br	%r14
	end	ftrace_caller
