"""Pack `street`: real weights for people, traffic and animals out of ordinary packages, converted on your machine."""
