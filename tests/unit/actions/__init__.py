"""Tests of what Kubernetes' types need: pure functions, over objects that are written out."""
