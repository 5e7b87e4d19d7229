"""The tests' control plane: a small Go module that is one binary, and what builds it once."""
