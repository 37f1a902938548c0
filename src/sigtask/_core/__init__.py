"""What one task knows and does about its signals: decisions (`inbox`, read it first), task, shim and blocks."""
