"""Words of prompts: what is a thing, a doing, a scene, a trait; text cut into chunks."""
