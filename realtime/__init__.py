"""What is pushed: log tailer, bus, hub, and the socket protocol with its endpoint."""
