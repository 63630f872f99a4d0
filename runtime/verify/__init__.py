"""Whether a sentence agrees with its form, the pixels and the Evidence."""
