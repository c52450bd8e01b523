"""Proofs about assembly trampolines on IBM Z."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Finding", "Options", "Report", "Verdict", "VerifyError", "prove_files"]

# Where each name lives. `prove` itself is a room of the house, so the function goes by another name here.
_HOME = {
    "Finding": ("verify.report.report", "Finding"),
    "Options": ("verify.pipeline", "Options"),
    "Report": ("verify.report.report", "Report"),
    "Verdict": ("verify.verdict", "Verdict"),
    "VerifyError": ("verify.errors", "VerifyError"),
    "prove_files": ("verify.pipeline", "prove"),
}


def __getattr__(name: str) -> Any:
    """Import an exported name when it is asked for: `import verify` alone costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'verify' has no attribute {name!r}")
    import importlib

    module, attribute = _HOME[name]
    return getattr(importlib.import_module(module), attribute)
