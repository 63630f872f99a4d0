"""`edgecap bench`: one module a family of measurements."""
