# return_to_handler of Linux 6.14: the handler gets struct ftrace_regs.
	.include "return_to_handler.inc"
	return_to_handler size=__PT_SIZE, r2_at=__PT_GPRS+2*8, r15_at=__PT_GPRS+15*8
