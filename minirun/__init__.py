"""minirun: a container runtime to read, to use and to take apart.  Start reading at cli/main.py."""

__version__ = "0.1.0"
