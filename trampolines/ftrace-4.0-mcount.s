# ftrace_caller of Linux 4.0 to 5.3, mcount build: r0 lacks 18 bytes.
	.equ	FIXUP, 18
	.include "linux-4.0.inc"
	ftrace_body
