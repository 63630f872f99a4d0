"""An output folder over several runs: whose rows are kept, who uses it."""
