"""Studies in addition to the bars: identity over minutes, relations, the reference camera rule."""
