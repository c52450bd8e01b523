# f8c2602733c9 (5.14-rc3): the handler's address is loaded from the wrong variable (handler-arguments).
	.include "body-3.18.inc"
	.ifdef	REPAIRED
	ftrace_body handler=ftrace_trace_function
	.else
	ftrace_body handler=ftrace_func
	.endif
