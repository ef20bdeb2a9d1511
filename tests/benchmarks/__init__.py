"""Ours, a bare socket and the official SDK side by side; run with ``python -m tests.benchmarks``."""
