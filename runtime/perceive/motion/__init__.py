"""A detector without weights: what moves against the background."""
