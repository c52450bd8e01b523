# return_to_handler of 31-bit kernels, Linux 2.6.31 to 3.17.
	.include "return_to_handler31.inc"
	return31_body
