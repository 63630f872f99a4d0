"""What a person does, where they face and what they wear, from poses over time."""
