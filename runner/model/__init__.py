"""The nouns: frozen, without behaviour beyond their own invariants; no clock, network, file or random."""
