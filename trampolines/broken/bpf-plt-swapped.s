# A bpf_plt that tells the trampoline its own address instead of the program's (callee-saved).
	.include "plt.inc"
	.ifdef	REPAIRED
	bpf_plt_body
	.else
	bpf_plt_body ret=2f
	.endif
