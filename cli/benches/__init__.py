"""Commands of `edgecap bench` that have a file of their own."""
