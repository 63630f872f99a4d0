"""What instances do to one another over time."""
