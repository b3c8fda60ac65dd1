"""The command `dogbreeds`."""
