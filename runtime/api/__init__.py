"""The front door: a captioner opened once, clips as values."""
