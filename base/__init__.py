"""What every floor stands on: errors, commands, files. Imports nothing of ours."""
