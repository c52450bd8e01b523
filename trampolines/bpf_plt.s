# From a BPF program's entry to its trampoline, 6.3 and later.
	.include "plt.inc"
	bpf_plt_body
