"""A checkpoint folder: its config, weights, labels and chat template."""
