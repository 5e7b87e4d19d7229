"""The stored form of a backup: what lies in the archive and how it is written and read back."""
