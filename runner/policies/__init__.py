"""Documents in files: read, checked with their positions, merged; and their JSON Schema."""
