"""Tests of the semantics."""
