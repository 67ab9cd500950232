"""What does not work and why: `doctor`, and what `network map` and `network why` look at."""
