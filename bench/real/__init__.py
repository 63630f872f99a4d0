"""Real sequences with truth that people made: tracks, masks, classes, colours and the camera against it."""
