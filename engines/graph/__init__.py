"""One compiled graph and what runs it: tensor specs, sessions, providers, the device, letterboxing."""
