"""A scene to pixels and an H.264 file."""
