# return_to_handler of Linux 6.5 to 6.13: the handler gets struct fgraph_ret_regs.
	.include "return_to_handler.inc"
	return_to_handler size=__FGRAPH_RET_SIZE, r2_at=__FGRAPH_RET_GPR2, r15_at=__FGRAPH_RET_FP
