"""minirun-oci: its commands, on the layer runtime/; `events` asks the engine how long 1m30s is."""
