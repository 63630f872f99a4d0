"""A language model on engine sessions: questions in, answers out."""
