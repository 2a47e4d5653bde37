"""What is left of processes that are killed while they score, and whether another one ends what they began."""
