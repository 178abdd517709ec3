"""One file per layer: what may be asked of it."""
