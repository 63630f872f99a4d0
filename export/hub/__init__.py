"""Checkpoints from the model hub at a pinned revision."""
