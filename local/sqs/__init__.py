"""What ministack's SQS lacks: moves of messages out of a dead-letter queue, and whose it is."""
