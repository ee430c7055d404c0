"""The program: command line, settings, assembly, HTTP, background work."""
