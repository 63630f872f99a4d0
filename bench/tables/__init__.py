"""The generated tables of the README and docs."""
