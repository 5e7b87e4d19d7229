"""Restores: planned item by item, then done tier by tier, with volumes and hooks; tried in scratch namespaces."""
