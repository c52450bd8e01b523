# _mcount of Linux 2.6.31 to 2.6.33 without dynamic ftrace, with the graph tracer.
	.equ	GRAPH, 3
	.include "body-mcount.inc"
	mcount_body ip_adjust=0, name=_mcount
