"""The process that a command is: Ctrl-C, standard error, temporary files."""
