"""The command line interface `dogbreeds`."""
