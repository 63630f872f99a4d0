"""Measuring: a synthetic world with exact truth, judge-free quality figures, throughput."""
