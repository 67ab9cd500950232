"""Networks of containers: namespaces, bridges and veth pairs, nftables, published ports, names."""
