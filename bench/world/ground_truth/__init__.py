"""Exact truth of each clip: masks, sentences, events."""
