# ftrace_caller of 31-bit kernels, Linux 3.17: nothing asks for function_trace_stop any more.
	.include "body-mcount31.inc"
	mcount31_body stop=0
