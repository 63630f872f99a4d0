"""Frames to tracked instances with masks: detect, camera step, track, segment."""
