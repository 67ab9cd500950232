"""Where people and scripts come in, and the only place that prints or exits."""
