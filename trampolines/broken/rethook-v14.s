# fprobe-on-fgraph v14 (not merged): return_to_handler stores r2 and the new r15 where fgraph_ret_regs had them, but
# the handler gets ftrace_regs (regs-complete).
	.include "return_to_handler.inc"
	.ifdef	REPAIRED
	return_to_handler size=__PT_SIZE, r2_at=__PT_GPRS+2*8, r15_at=__PT_GPRS+15*8
	.else
	return_to_handler size=__PT_SIZE, r2_at=__FGRAPH_RET_GPR2, r15_at=__FGRAPH_RET_FP, r15_from=%r15
	.endif
