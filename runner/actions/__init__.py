"""What Kubernetes types need: related items; pure."""
