"""What is exported is compared, merged into a pack and swapped in at once."""
