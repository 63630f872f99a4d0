"""Packs: the typed pack.json, reading, writing and checking it, prompt books; `nano/` ships."""
