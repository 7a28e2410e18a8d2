"""Training itself: batches, the loop with its optimiser, checkpoints."""
