# ftrace_caller, also known as ftrace_regs_caller, of Linux 3.18.
	.include "body-3.18.inc"
	ftrace_body handler=ftrace_trace_function
