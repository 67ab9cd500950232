"""What is shown of containers, networks and the host, under the names of Docker's API.  It changes nothing."""
