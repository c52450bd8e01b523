# ftrace_caller of the r14 protocol in 31-bit kernels, Linux 3.12 to 3.16.
	.include "body-mcount31.inc"
	mcount31_body
