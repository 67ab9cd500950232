"""What was asked for, checked and shaped: the words of a command line or a compose file as values."""
