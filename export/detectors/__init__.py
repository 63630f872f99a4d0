"""Recipes for detectors."""
