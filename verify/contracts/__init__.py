"""Contracts: data that a kernel engineer can read in a minute, and what it means for a proof."""
