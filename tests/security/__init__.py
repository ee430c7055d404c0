"""Attacks: what the whole server must withstand, whichever noun they aim at."""
