"""The stages put together: opening models, queues and threads, the run and its summary."""
