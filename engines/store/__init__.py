"""Compiled engines on disk: keys, manifests, the store, sessions opened from it, its upkeep."""
