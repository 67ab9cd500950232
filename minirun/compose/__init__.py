"""Several containers, their networks and volumes, from one file: made so again and again, changing what changed."""
