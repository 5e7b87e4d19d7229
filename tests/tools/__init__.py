"""Programs that make what is committed and checked by tests."""
