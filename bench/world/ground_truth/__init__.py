"""Exact truth beside each clip: masks, sentences, events."""
