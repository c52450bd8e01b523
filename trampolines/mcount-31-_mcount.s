# _mcount of 31-bit kernels without dynamic ftrace, Linux 2.6.34 to 3.11: the handler gets the address behind the call.
	.include "body-mcount31.inc"
	mcount31_body _mcount, ip=0
