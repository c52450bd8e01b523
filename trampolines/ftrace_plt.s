# From a module's function to ftrace_caller, 3.18 to 5.14.
	.include "plt.inc"
	ftrace_plt_body
