"""Longer studies beside the bars: identity over minutes, relations, the reference camera rule."""
