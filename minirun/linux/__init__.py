"""The kernel: every system call, cgroup file and /proc read goes through this package, and is traced."""
