"""edgecap: instance-aware structured video captions, streamed from compiled engines on one device."""

__version__ = "0.1.0"
