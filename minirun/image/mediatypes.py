"""The words of the OCI image specification that more than one file here writes or reads.

Docker's own media types, which are only ever read, are in manifests.py.

See      image-spec media-types.md, annotations.md; containerd names.go for CONTAINERD_NAME
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]  # a document of one of these types, or a descriptor of one

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"  # with +gzip or +zstd when packed

# Annotations of an entry in index.json.
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
ORIGIN = "io.minirun.origin"  # digest the registry gave the name, when it is not the manifest's own
TAGGED = "io.minirun.tagged"  # when the image got the name

DOCUMENT_BYTES_MAX = 4 << 20  # what registries must take at least (distribution-spec, "Pushing Manifests")
