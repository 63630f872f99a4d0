"""One script for minutes on a GPU."""
