"""The one process that each container has: it makes the container run, serves those who come, and puts it away."""
