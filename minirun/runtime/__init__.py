"""The OCI runtime: a bundle (config.json and a root filesystem) becomes a process."""
