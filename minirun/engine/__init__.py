"""Docker's nouns: containers with names, logs, exit codes and somebody to wait for them; rooms by role below."""
