"""InstanceVid curation: which clips are worth training on, and what a set of them looks like."""
