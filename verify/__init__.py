"""Proofs about assembly trampolines on IBM Z."""

__version__ = "0.1.0"
