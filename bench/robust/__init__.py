"""Long runs and broken inputs: does the product stay flat for an hour, and is every fault of a file a clear error."""
