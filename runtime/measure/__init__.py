"""A window to Evidence: positions, motion, colours, camera path, relations. Pure functions."""
