"""Files in: inputs found, frames decoded, windows cut."""
