"""The documentation is true: its tables are the code's, its examples run."""
