"""Rendering of plans, results and backups: pure functions from nouns to text."""
