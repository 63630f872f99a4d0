"""Prompt books as pack data."""
