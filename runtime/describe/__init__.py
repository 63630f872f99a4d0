"""Evidence and answers to a caption: questions, visual prompts, sentences."""
