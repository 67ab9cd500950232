"""The language of Go's text/template, which people know from Docker's `--format`."""
