"""Tests of what decides: pure functions, over inventories that are written out."""
