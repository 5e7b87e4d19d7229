"""Benchmarks: `python -m tests.bench`. Each compares with the physical limit, in the same run, as a ratio."""
