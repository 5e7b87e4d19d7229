"""Decides: pure functions from facts to plans; no clock, network, file or random."""
