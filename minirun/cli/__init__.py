"""Where people and scripts come in: `minirun` and `minirun-oci`.  Only here is anything printed."""
