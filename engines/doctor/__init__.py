"""What is installed, which provider works here, and why not."""
