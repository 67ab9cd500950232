"""For looking: a run narrated, written as a shell script or stopped at a step, by its trace; and a packet's path."""
