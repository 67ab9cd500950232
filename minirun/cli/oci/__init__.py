"""minirun-oci: its commands, on the layer runtime/ alone."""
