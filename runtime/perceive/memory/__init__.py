"""Masks carried from frame to frame by a SAM2-like memory."""
