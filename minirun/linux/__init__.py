"""The kernel: its system calls, cgroups, capabilities, device rules, seccomp; what changes its state is traced here."""
