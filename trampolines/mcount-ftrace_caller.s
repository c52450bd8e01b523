# ftrace_caller of the r14 protocol, Linux 3.12 to 3.17.
	.include "body-mcount.inc"
	mcount_body
