"""Volumes of a run: frozen, snapshotted, thawed, recorded; and what a killed run left of that."""
