# ftrace_caller of Linux 2.6.34 to 3.11.
	.include "body-mcount.inc"
	mcount_body ip_adjust=0
