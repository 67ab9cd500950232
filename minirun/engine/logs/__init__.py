"""What containers print: written by the shim, read by `logs`, and put aside when a file is full."""
