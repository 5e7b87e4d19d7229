"""Backups that Velero wrote, or shall read: how its keys, index, objects and sidecars are read."""
