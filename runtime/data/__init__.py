"""What flows: one frozen dataclass per arrow, from frame to record."""
