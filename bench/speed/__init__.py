"""Throughput, calls and mask propagation."""
