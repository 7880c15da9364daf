"""What is asked of 127.0.0.1 itself: tokens, the clock, faults, health."""
