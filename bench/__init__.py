"""Measuring: a synthetic world with exact truth, quality figures without a judge model, throughput."""
