"""OCI images: references, registries, the store, layers."""
