"""Judge-free quality figures: exact truth against what the pipeline wrote (docs/spec/metrics.md 7.2-7.5)."""
