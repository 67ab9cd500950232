"""The default bridge: links, addresses, masquerade, resolv.conf."""
