"""What measurements say of a device: pure functions on arrays, each with its paper and equation."""
