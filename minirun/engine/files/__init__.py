"""The files of containers, from outside: `cp`, `diff`, `commit`."""
