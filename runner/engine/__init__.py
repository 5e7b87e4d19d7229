"""Does what plans say: collects, executes, verifies; the only writer; retries live here."""
