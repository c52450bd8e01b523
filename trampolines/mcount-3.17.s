# ftrace_caller of Linux 3.17: no longer with function_trace_stop.
	.equ	STOP, 0
	.include "body-mcount.inc"
	mcount_body
