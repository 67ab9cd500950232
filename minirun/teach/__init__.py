"""Uses of the trace: narrate a run, write it as a shell script, stop it at a step."""
