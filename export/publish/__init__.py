"""What is exported is judged, merged into a pack and swapped in at once."""
