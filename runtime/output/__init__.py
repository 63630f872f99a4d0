"""Records to rows and files; every sink is a context manager and a no-op without a path."""
